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
import { CommandQueue } from './commands.ts'
import type { Smmuv3Config } from './config.ts'
import * as contexts from './context.ts'
import type { Context } from './context.ts'
import { Contexts } from './contexts.ts'
import { EventQueue } from './events.ts'
import { Refusal } from './fault.ts'
import { GlobalErrors, type Smmuv3Interrupts } from './gerror.ts'
import * as layout from './layout.ts'
import * as queues from './layout-queues.ts'
import { PriQueue } from './pri.ts'
import { Queue } from './queue.ts'
import { RegisterFile } from './registers.ts'
import { ResumeLink, Stalls } from './stalls.ts'
import { Streams } from './streams.ts'
import { Walkers } from './tables.ts'
import { TlbInvalidation } from './tlb-invalidation.ts'
import { Translator } from './translator.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { ATS_COMPLETER_ABORT, ATS_SUCCESS, ATS_UNSUPPORTED_REQUEST } = messages
const { KIND_BYPASS } = contexts
const { EATS_ABT, EATS_S1CHK } = layout
const {
  CMDQ_ENTRY_SHIFT,
  EVENTQ_ENTRY_SHIFT,
  EVT_C_BAD_STREAMID,
  EVT_F_BAD_ATS_TREQ,
  EVT_F_STREAM_DISABLED,
  EVT_F_TRANSLATION,
  PRIQ_ENTRY_SHIFT,
} = queues

export interface Smmuv3Parts {
  /** For alarms and traces. */
  readonly name: string
  readonly memory: PhysicalMemory
  readonly config: Smmuv3Config
}

/** Arm's SMMUv3: everything that software sees of it stands in `layout.ts` and `layout-queues.ts`. */
export class Smmuv3 implements TranslationAgent {
  readonly name: string
  readonly interrupts: Smmuv3Interrupts
  readonly faults: EventQueue
  readonly stalls: Stalls
  readonly pri: PriQueue
  readonly commands: CommandQueue
  readonly translator: Translator
  readonly registers: RegisterFile
  readonly #config: Smmuv3Config
  readonly #functions: Functions
  readonly #contexts: Contexts
  readonly #refusal: Refusal

  constructor(world: World, { name, memory, config }: Smmuv3Parts) {
    const line = (which: string): Interrupt =>
      new Interrupt(world, `${name} ${which}`, config.latencies.interrupt)
    this.name = name
    this.interrupts = { event: line('event'), pri: line('pri'), gerror: line('gerror'), sync: line('sync') }
    const errors = new GlobalErrors(this.interrupts)
    const refusal = new Refusal()
    const functions = new Functions()
    const walkers = new Walkers(memory)
    const streams = new Streams(memory, config, walkers, refusal)
    const commandQueue = new Queue(memory, CMDQ_ENTRY_SHIFT, config.commandQueueLog2)
    const eventQueue = new Queue(memory, EVENTQ_ENTRY_SHIFT, config.eventQueueLog2)
    const priQueue = new Queue(memory, PRIQ_ENTRY_SHIFT, config.priQueueLog2)
    const link = new ResponseLink(world, functions, name, config.latencies.link)
    const resumeLink = new ResumeLink(world, functions, `${name} stall`, config.latencies.link)
    this.#config = config
    this.#functions = functions
    this.#refusal = refusal
    this.#contexts = new Contexts(memory, config, { walkers, streams, refusal })
    this.translator = new Translator(memory, config, refusal)
    this.faults = new EventQueue(world, memory, eventQueue, errors)
    this.stalls = new Stalls(world.trace, this.faults, resumeLink, config.stallMax)
    this.pri = new PriQueue(world.trace, { memory, queue: priQueue, errors, streams, link })
    this.commands = new CommandQueue(world, name, {
      memory,
      queue: commandQueue,
      errors,
      streams,
      contexts: this.#contexts,
      tlb: new TlbInvalidation(world.trace, this.translator.tlb, config),
      functions,
      stalls: this.stalls,
      link,
      hasAts: config.ats,
      hasPri: config.pri,
      hasStalls: config.stallModel !== 'none',
      invalidationTimeoutNanos: config.latencies.invalidationTimeout,
    })
    this.registers = new RegisterFile(config, {
      errors,
      streams,
      commandQueue,
      eventQueue,
      priQueue,
      commands: this.commands,
      stalls: this.stalls,
    })
  }

  /** Requests that waited for room, or were lost for want of it, and those that found it. */
  get pageRequests(): { readonly queued: number; readonly overflowed: number; readonly refused: number } {
    return {
      refused: this.pri.refused,
      queued: this.stalls.recorded + this.pri.queued,
      overflowed: this.stalls.delayed + this.pri.overflowed,
    }
  }

  /** A function is plugged in below the unit; its requester id is its StreamID. */
  connect(port: PciFunction): void {
    this.#functions.connect(port)
  }

  /** The function is gone: what is on its way to it is lost, what it owes or has waiting is forgotten. */
  disconnect(rid: number): void {
    this.stalls.forget(rid)
    this.#functions.disconnect(rid)
    this.commands.settle()
  }

  readRegister(offset: number): number {
    return this.registers.read(offset)
  }

  writeRegister(offset: number, value: number): void {
    this.registers.write(offset, value)
  }

  untranslatedRequest(
    rid: number,
    pasid: number,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): boolean {
    out.stalled = 0
    if (!this.registers.enabled) return !this.registers.aborts && this.translator.identity(hi, lo, out) === 0
    const context = this.#contexts.find(rid, pasid)
    if (context === undefined) {
      this.#record(rid, pasid, hi, lo, access)
      return false
    }
    if (this.translator.translate(context, hi, lo, access, out) === 0) return true
    out.stalled = this.#fault(context, rid, pasid, hi, lo, access)
    return false
  }

  /**
   * Translation-related faults are a completion without permissions, and no event.
   *
   * @spec SMMUv3 3.9.1 partly: no split-stage ATS, which is refused
   */
  translationRequest(
    rid: number,
    pasid: number,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): AtsStatus {
    if (!this.registers.enabled || !this.#config.ats) return ATS_UNSUPPORTED_REQUEST
    const context = this.#contexts.find(rid, pasid)
    if (context === undefined) return this.#refuseRequest(rid, pasid, hi, lo, access)
    if (context.eats === EATS_ABT || context.eats === EATS_S1CHK) {
      this.#refusal.set(EVT_F_BAD_ATS_TREQ)
      return this.#refuseRequest(rid, pasid, hi, lo, access)
    }
    const event = this.translator.translate(context, hi, lo, access, out)
    if (event === 0) return ATS_SUCCESS
    if (event < EVT_F_TRANSLATION) return this.#refuseRequest(rid, pasid, hi, lo, access)
    out.access = 0
    out.shift = 12
    return ATS_SUCCESS
  }

  pageRequest(request: PageRequest): void {
    this.pri.receive(request, this.registers.enabled && this.#config.pri)
  }

  invalidateCompletion(rid: number, itagVector: number): void {
    this.commands.completed(rid, itagVector)
  }

  /** A fault of tables that can be read: it stalls, or it is recorded and aborted. Returns the transaction that waits, or 0. */
  #fault(context: Context, rid: number, pasid: number, hi: number, lo: number, access: number): number {
    const refusal = this.#refusal
    const { stage2, event } = refusal
    const stalls = stage2 ? context.stage2Stall : context.stage1Stall
    const isTranslation = event >= EVT_F_TRANSLATION && context.kind !== KIND_BYPASS
    if (stalls && isTranslation && this.#canWait(rid))
      return this.stalls.begin(refusal, rid, pasid, hi, lo, access)
    if (!isTranslation || (stage2 ? context.stage2Record : context.stage1Record))
      this.faults.refuse(refusal, rid, pasid, hi, lo, access)
    return 0
  }

  #canWait(rid: number): boolean {
    return this.#functions.get(rid)?.port.transactionResumed !== undefined
  }

  /** A transaction without a context: `refusal.event` 0 is a stream that is told to abort. */
  #record(rid: number, pasid: number, hi: number, lo: number, access: number): void {
    const refusal = this.#refusal
    const { event } = refusal
    if (event === 0 || (event === EVT_C_BAD_STREAMID && !this.registers.recordsBadStreams)) return
    this.faults.refuse(refusal, rid, pasid, hi, lo, access)
  }

  /** UR where the stream does not translate such requests, CA where its structures are wrong. */
  #refuseRequest(rid: number, pasid: number, hi: number, lo: number, access: number): AtsStatus {
    const { event } = this.#refusal
    this.#record(rid, pasid, hi, lo, access)
    const unsupported =
      event === 0 ||
      event === EVT_F_BAD_ATS_TREQ ||
      event === EVT_F_STREAM_DISABLED ||
      event === EVT_C_BAD_STREAMID
    return unsupported ? ATS_UNSUPPORTED_REQUEST : ATS_COMPLETER_ABORT
  }
}
