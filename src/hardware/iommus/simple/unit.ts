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
import { CommandQueue } from './commands.ts'
import { type SimpleIommuConfig, capabilityWord } from './config.ts'
import { FaultLog } from './fault-log.ts'
import { Functions } from '../functions.ts'
import * as layout from './layout.ts'
import { PageRequestQueue } from './page-requests.ts'
import { ResponseLink } from '../response-link.ts'
import { Ring } from './ring.ts'
import { type SimpleInterrupts, StatusRegister } from './status.ts'
import { TableReader } from './tables.ts'
import { Translator } from './translator.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { ATS_COMPLETER_ABORT, ATS_SUCCESS, ATS_UNSUPPORTED_REQUEST } = messages
const {
  CONTROL_COMMANDS,
  CONTROL_FAULTS,
  CONTROL_PAGE_REQUESTS,
  CONTROL_TRANSLATE,
  DEVICE_ATS,
  FAULT_TRANSLATION_REQUEST,
  REASON_ATS_DISABLED,
  REASON_NOT_CANONICAL,
  REASON_NOT_PRESENT,
  REASON_NO_EXECUTE,
  REASON_NO_READ,
  REASON_NO_WRITE,
  REASON_PRIVILEGE,
  REASON_STAGE2,
  REASON_TABLE_ACCESS,
  REASON_RESERVED_BITS,
  REG_CAPABILITY,
  REG_COMMAND_BASE,
  REG_COMMAND_ENTRIES,
  REG_COMMAND_HEAD,
  REG_COMMAND_TAIL,
  REG_CONTROL,
  REG_DEVICE_DIRECTORY,
  REG_FAULT_BASE,
  REG_FAULT_HEAD,
  REG_FAULT_TAIL,
  REG_INTERRUPT_ENABLE,
  REG_PAGE_REQUEST_BASE,
  REG_PAGE_REQUEST_HEAD,
  REG_PAGE_REQUEST_TAIL,
  REG_RING_ENTRIES_MAX,
  REG_STATUS,
  STATUS_COMMAND_ERROR,
} = layout

export interface SimpleIommuParts {
  /** For alarms and traces. */
  readonly name: string
  readonly memory: PhysicalMemory
  readonly config: SimpleIommuConfig
}

// Of a unit that translates: that it does, and whether it has ATS and PRI.
const USABLE = 1
const USABLE_ATS = 2
const USABLE_PRI = 4

/** The `simple` IOMMU: everything that software sees of it stands in `layout.ts`. */
export class SimpleIommu implements TranslationAgent {
  readonly name: string
  readonly interrupts: SimpleInterrupts
  readonly pageRequests: PageRequestQueue
  readonly faults: FaultLog
  readonly commands: CommandQueue
  readonly translator: Translator
  /** Accesses to registers that do not exist: reads give 0, writes vanish. */
  unknownRegisters: number
  readonly #config: SimpleIommuConfig
  readonly #status: StatusRegister
  readonly #functions: Functions
  readonly #tables: TableReader
  readonly #commandRing: Ring
  readonly #requestRing: Ring
  readonly #faultRing: Ring
  /** USABLE bits. */
  #usable: number

  constructor(world: World, { name, memory, config }: SimpleIommuParts) {
    const line = (which: string): Interrupt =>
      new Interrupt(world, `${name} ${which}`, config.latencies.interrupt)
    this.name = name
    this.interrupts = { pageRequest: line('page-request'), fault: line('fault'), command: line('command') }
    this.unknownRegisters = 0
    this.#config = config
    this.#usable = 0
    const status = new StatusRegister(this.interrupts)
    const functions = new Functions()
    const tables = new TableReader(memory, config.pasidBits)
    const link = new ResponseLink(world, functions, name, config.latencies.link)
    this.#status = status
    this.#functions = functions
    this.#tables = tables
    this.#commandRing = new Ring(memory, config.ringEntriesMax)
    this.#requestRing = new Ring(memory, config.ringEntriesMax)
    this.#faultRing = new Ring(memory, config.ringEntriesMax)
    this.translator = new Translator(memory, config)
    this.faults = new FaultLog(world, memory, this.#faultRing, status)
    const shared = { memory, status, tables, link }
    this.pageRequests = new PageRequestQueue(world, {
      ...shared,
      ring: this.#requestRing,
      faults: this.faults,
      privateData: config.privateData,
    })
    this.commands = new CommandQueue(world, name, {
      ...shared,
      ring: this.#commandRing,
      iotlb: this.translator.iotlb,
      functions,
      invalidationTimeoutNanos: config.latencies.invalidationTimeout,
    })
  }

  /** A function is plugged in below the unit. */
  connect(port: PciFunction): void {
    this.#functions.connect(port)
  }

  /** The function is gone: what is on its way to it is lost, what it owes is forgotten. */
  disconnect(rid: number): void {
    this.#functions.disconnect(rid)
    this.commands.settle()
  }

  translationRequest(
    rid: number,
    pasid: number,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): AtsStatus {
    const space = this.#tables.space(rid, pasid)
    if (space === undefined) return this.#untranslatable(rid, pasid, hi, lo, access, this.#tables.reason, out)
    let reason: number = REASON_ATS_DISABLED
    if ((space.deviceFlags & DEVICE_ATS) !== 0 && (this.#usable & USABLE_ATS) !== 0)
      reason = this.translator.translate(space, hi, lo, access, out)
    if (reason === 0) return ATS_SUCCESS
    this.#tables.faultDisable = space.faultDisable
    return this.#untranslatable(rid, pasid, hi, lo, access, reason, out)
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
    if (!silent) this.faults.record(rid, pasid, hi, lo, access, reason, 0)
    return false
  }

  pageRequest(request: PageRequest): void {
    this.pageRequests.receive(request, (this.#usable & USABLE_PRI) !== 0)
  }

  invalidateCompletion(rid: number, itagVector: number): void {
    this.commands.completed(rid, itagVector)
  }

  readRegister(offset: number): number {
    switch (offset) {
      case REG_CAPABILITY:
        return capabilityWord(this.#config)
      case REG_RING_ENTRIES_MAX:
        return this.#config.ringEntriesMax
      case REG_CONTROL:
        return this.#control()
      case REG_STATUS:
        return this.#status.bits
      case REG_INTERRUPT_ENABLE:
        return this.#status.enabled
      case REG_DEVICE_DIRECTORY:
        return this.#tables.root
      default:
        return this.#readRing(offset)
    }
  }

  writeRegister(offset: number, value: number): void {
    switch (offset) {
      case REG_CONTROL:
        return this.#writeControl(value)
      case REG_STATUS:
        return this.#clearStatus(value)
      case REG_INTERRUPT_ENABLE:
        return this.#status.enable(value)
      case REG_DEVICE_DIRECTORY:
        this.#tables.root = value
        return undefined
      case REG_COMMAND_TAIL:
        this.#commandRing.tail = this.#commandRing.wrap(value)
        return this.commands.run()
      case REG_PAGE_REQUEST_HEAD:
        this.#requestRing.head = this.#requestRing.wrap(value)
        return undefined
      case REG_FAULT_HEAD:
        this.#faultRing.head = this.#faultRing.wrap(value)
        return undefined
      default:
        return this.#writeRing(offset, value)
    }
  }

  /** A translation request that gave no translation; whether it is recorded stands in `#tables`. */
  #untranslatable(
    rid: number,
    pasid: number,
    hi: number,
    lo: number,
    access: number,
    reason: number,
    out: Translation,
  ): AtsStatus {
    if (isRecoverable(reason)) {
      out.access = 0
      out.shift = 12
      return ATS_SUCCESS
    }
    if (!this.#tables.faultDisable)
      this.faults.record(rid, pasid, hi, lo, access, reason, FAULT_TRANSLATION_REQUEST)
    return isTableError(reason) ? ATS_COMPLETER_ABORT : ATS_UNSUPPORTED_REQUEST
  }

  #control(): number {
    return (
      ((this.#usable & USABLE) === 0 ? 0 : CONTROL_TRANSLATE) |
      (this.#commandRing.enabled ? CONTROL_COMMANDS : 0) |
      (this.#requestRing.enabled ? CONTROL_PAGE_REQUESTS : 0) |
      (this.#faultRing.enabled ? CONTROL_FAULTS : 0)
    )
  }

  #writeControl(value: number): void {
    const { ats, pri } = this.#config
    this.#usable =
      (value & CONTROL_TRANSLATE) === 0 ? 0 : USABLE | (ats ? USABLE_ATS : 0) | (pri ? USABLE_PRI : 0)
    this.#commandRing.enable((value & CONTROL_COMMANDS) !== 0)
    this.#requestRing.enable((value & CONTROL_PAGE_REQUESTS) !== 0)
    this.#faultRing.enable((value & CONTROL_FAULTS) !== 0)
  }

  /** A cleared command error sends the unit back to the command at the head. */
  #clearStatus(bits: number): void {
    this.#status.clear(bits)
    if ((bits & STATUS_COMMAND_ERROR) !== 0) this.commands.run()
  }

  #ringAt(offset: number): Ring | undefined {
    if (offset >= REG_COMMAND_BASE && offset <= REG_COMMAND_TAIL) return this.#commandRing
    if (offset >= REG_PAGE_REQUEST_BASE && offset <= REG_PAGE_REQUEST_TAIL) return this.#requestRing
    return offset >= REG_FAULT_BASE && offset <= REG_FAULT_TAIL ? this.#faultRing : undefined
  }

  #readRing(offset: number): number {
    const ring = this.#ringAt(offset)
    switch (ring === undefined ? -1 : offset & 15) {
      case REG_COMMAND_BASE & 15:
        return ring!.base
      case REG_COMMAND_ENTRIES & 15:
        return ring!.entries
      case REG_COMMAND_HEAD & 15:
        return ring!.head
      case REG_COMMAND_TAIL & 15:
        return ring!.tail
      default:
        this.unknownRegisters++
        return 0
    }
  }

  #writeRing(offset: number, value: number): void {
    const ring = this.#ringAt(offset)
    const register = offset & 15
    if (ring === undefined || register > (REG_COMMAND_ENTRIES & 15)) this.unknownRegisters++
    else if (ring.enabled) return
    else if (register === (REG_COMMAND_BASE & 15)) ring.base = value
    else ring.entries = value
  }
}

/** Page not there, or not with this permission: a translation request is completed without a translation. */
function isRecoverable(reason: number): boolean {
  if (reason === REASON_NOT_PRESENT) return true
  const walk = reason >= REASON_STAGE2 ? reason - REASON_STAGE2 : reason
  return (
    walk === REASON_NOT_PRESENT ||
    walk === REASON_NOT_CANONICAL ||
    walk === REASON_NO_READ ||
    walk === REASON_NO_WRITE ||
    walk === REASON_NO_EXECUTE ||
    walk === REASON_PRIVILEGE
  )
}

/** The tables are wrong, rather than the request. */
function isTableError(reason: number): boolean {
  const walk = reason >= REASON_STAGE2 ? reason - REASON_STAGE2 : reason
  return walk === REASON_TABLE_ACCESS || walk === REASON_RESERVED_BITS
}
