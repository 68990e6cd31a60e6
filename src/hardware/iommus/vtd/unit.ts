// SPDX-License-Identifier: MIT
import type { World } from '../../../trace/world.ts'
import { Interrupt } from '../../interrupt.ts'
import type { PhysicalMemory } from '../../memory.ts'
import * as messages from '../../pci/messages.ts'
import type {
  AtsStatus,
  PageRequest,
  PciFunction,
  Translation,
  TranslationAgent,
} from '../../pci/messages.ts'
import { Functions } from '../functions.ts'
import { ResponseLink } from '../response-link.ts'
import type { VtdConfig } from './config.ts'
import { EventRegisters } from './events.ts'
import { FaultRecording, KIND_TRANSLATION_REQUEST, KIND_UNTRANSLATED } from './fault-recording.ts'
import { FaultStatus } from './fault-status.ts'
import { InvalidationQueue } from './invalidation-queue.ts'
import { CacheInvalidations } from './invalidations.ts'
import * as faults from './layout-faults.ts'
import * as tables from './layout-tables.ts'
import { PageRequestQueue } from './page-requests.ts'
import { Queue } from './queue.ts'
import { completionOf } from './reasons.ts'
import { Registers } from './registers.ts'
import { TableReader } from './tables.ts'
import { Translator } from './translator.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { ATS_SUCCESS, ATS_UNSUPPORTED_REQUEST } = messages
const { SCT_5, SFS_2, SSS_2 } = faults
const { CONTEXT_DTE } = tables

export interface VtdParts {
  /** For alarms and traces. */
  readonly name: string
  readonly memory: PhysicalMemory
  readonly config: VtdConfig
}

/** The messages of the unit's events. */
export interface VtdInterrupts {
  readonly fault: Interrupt
  readonly invalidation: Interrupt
  readonly pageRequest: Interrupt
}

// Of a unit that translates: that it does, and whether it has device TLBs and page requests.
const USABLE = 1
const USABLE_ATS = 2
const USABLE_PRI = 4

/**
 * A VT-d remapping unit in scalable mode: everything that software sees of it stands in `layout*.ts`.
 *
 * @spec VT-d 4.1 partly: no translated requests' checks: the function's cache is trusted
 * @spec VT-d 4.2 done
 */
export class VtdUnit implements TranslationAgent {
  readonly name: string
  readonly interrupts: VtdInterrupts
  readonly pageRequests: PageRequestQueue
  readonly faults: FaultRecording
  readonly invalidations: InvalidationQueue
  readonly translator: Translator
  readonly registers: Registers
  readonly #config: VtdConfig
  readonly #functions: Functions
  readonly #tables: TableReader
  /** USABLE bits. */
  #usable: number

  constructor(world: World, { name, memory, config }: VtdParts) {
    const line = (which: string): Interrupt =>
      new Interrupt(world, `${name} ${which}`, config.latencies.interrupt)
    this.name = name
    this.interrupts = {
      fault: line('fault'),
      invalidation: line('invalidation'),
      pageRequest: line('page-request'),
    }
    this.#config = config
    this.#usable = 0
    const faultEvent = new EventRegisters(this.interrupts.fault)
    const invalidationEvent = new EventRegisters(this.interrupts.invalidation)
    const pageRequestEvent = new EventRegisters(this.interrupts.pageRequest)
    const status = new FaultStatus(faultEvent)
    const functions = new Functions()
    const translator = new Translator(memory, config)
    const reader = new TableReader(memory, config, () => translator.iotlb.invalidate(-1, 0, 0, 64))
    const link = new ResponseLink(world, functions, name, config.latencies.link)
    const invalidationQueue = new Queue(memory)
    const requestQueue = new Queue(memory)
    this.#functions = functions
    this.#tables = reader
    this.translator = translator
    this.faults = new FaultRecording(world, status, config.faultRecords)
    this.pageRequests = new PageRequestQueue(world, {
      memory,
      queue: requestQueue,
      event: pageRequestEvent,
      tables: reader,
      faults: this.faults,
      link,
      privateData: config.privateData,
      waitingMax: config.pageRequestsMax,
    })
    this.invalidations = new InvalidationQueue(world, name, {
      memory,
      queue: invalidationQueue,
      status,
      event: invalidationEvent,
      caches: new CacheInvalidations(world, memory, reader, translator.iotlb),
      functions,
      link,
      timeoutNanos: config.latencies.invalidationTimeout,
    })
    this.registers = new Registers({
      config,
      status,
      recording: this.faults,
      invalidations: this.invalidations,
      invalidationQueue,
      pageRequests: this.pageRequests,
      requestQueue,
      faultEvent,
      invalidationEvent,
      pageRequestEvent,
      setRoot: (hi, lo) => this.#setRoot(hi, lo),
      setTranslation: (on) => this.#setTranslation(on),
    })
  }

  /** A function is plugged in below the unit. */
  connect(port: PciFunction): void {
    this.#functions.connect(port)
  }

  /** The function is gone: what is on its way to it is lost, what it owes is forgotten. */
  disconnect(rid: number): void {
    this.#functions.disconnect(rid)
    this.invalidations.settle()
  }

  translationRequest(
    rid: number,
    pasid: number,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): AtsStatus {
    if ((this.#usable & USABLE_ATS) === 0) return ATS_UNSUPPORTED_REQUEST
    const space = this.#tables.space(rid, pasid)
    let reason: number = SCT_5
    if (space === undefined) reason = this.#tables.reason
    else if ((space.contextFlags & CONTEXT_DTE) !== 0) {
      reason = this.translator.translate(space, hi, lo, access, out)
      if (reason === 0) return ATS_SUCCESS
    }
    if (reason === SFS_2 || reason === SSS_2) return nothing(out)
    const silent = space === undefined ? this.#tables.faultDisable : space.faultDisable
    return this.#refuse(rid, pasid, hi, lo, access, reason, silent, out)
  }

  untranslatedRequest(
    rid: number,
    pasid: number,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): boolean {
    if ((this.#usable & USABLE) === 0) return this.translator.identity(hi, lo, out) === 0
    const space = this.#tables.space(rid, pasid)
    const reason =
      space === undefined ? this.#tables.reason : this.translator.translate(space, hi, lo, access, out)
    if (reason === 0) return true
    const silent = space === undefined ? this.#tables.faultDisable : space.faultDisable
    if (!silent) this.faults.record(rid, pasid, hi, lo, access, reason, KIND_UNTRANSLATED)
    return false
  }

  pageRequest(request: PageRequest): void {
    this.pageRequests.receive(request, (this.#usable & USABLE_PRI) !== 0)
  }

  invalidateCompletion(rid: number, itagVector: number): void {
    this.invalidations.completed(rid, itagVector)
  }

  readRegister(offset: number): number {
    return this.registers.read(offset)
  }

  writeRegister(offset: number, value: number): void {
    this.registers.write(offset, value)
  }

  /** A translation request that gave no translation: recorded only when tables or their use are wrong (`spec/04` §1.7). */
  #refuse(
    rid: number,
    pasid: number,
    hi: number,
    lo: number,
    access: number,
    reason: number,
    silent: boolean,
    out: Translation,
  ): AtsStatus {
    const completion = completionOf(reason)
    if (completion === ATS_SUCCESS) return nothing(out)
    if (!silent) this.faults.record(rid, pasid, hi, lo, access, reason, KIND_TRANSLATION_REQUEST)
    return completion
  }

  /** What is cached stays until software invalidates it. */
  #setRoot(hi: number, lo: number): void {
    this.#tables.contexts.rootHi = hi
    this.#tables.contexts.rootLo = lo
  }

  #setTranslation(on: boolean): void {
    const { ats, pri } = this.#config
    this.#usable = on ? USABLE | (ats ? USABLE_ATS : 0) | (pri ? USABLE_PRI : 0) : 0
  }
}

/** A completion without a translation. */
function nothing(out: Translation): AtsStatus {
  out.access = 0
  out.shift = 12
  return ATS_SUCCESS
}
