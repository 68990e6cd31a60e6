// SPDX-License-Identifier: MIT
import * as layout from '../../../hardware/iommus/smmuv3/layout.ts'
import * as queues from '../../../hardware/iommus/smmuv3/layout-queues.ts'
import { Fault, FaultEvent, FAULT_PERM_WRITE } from '../../iommu/fault.ts'
import {
  LEGACY_FAULT_READ,
  LEGACY_FAULT_WRITE,
  reportIommuFault,
  reportUnrecoverable,
} from '../../iommu/legacy-fault.ts'
import { reportDeviceFault } from '../../iopf/report.ts'
import type { RegisterAccess } from '../registers.ts'
import type { CommandQueue } from './command-queue.ts'
import { decodeStall, pasidOfEvent, permOfEvent } from './event-record.ts'
import { NestedDomain } from './nested-domain.ts'
import type { QueueMemory } from './queue-memory.ts'
import type { SmmuDevices } from './smmu-device.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { SMMU_EVENTQ_CONS, SMMU_EVENTQ_PROD } = layout
const {
  EVT_ADDRESS_WORD,
  EVT_C_BAD_CD,
  EVT_C_BAD_STE,
  EVT_C_BAD_SUBSTREAMID,
  EVT_F_ACCESS,
  EVT_F_ADDR_SIZE,
  EVT_F_PERMISSION,
  EVT_F_STREAM_DISABLED,
  EVT_F_TRANSLATION,
  EVT_ID_MASK,
  EVT_S2,
  EVT_STAG_MASK,
  EVT_STALL,
  Q_OVERFLOW,
  RESUME_AB,
} = queues

/** Events that are more than a line in the log. */
const HANDLED: number =
  (1 << EVT_C_BAD_STE) |
  (1 << EVT_F_STREAM_DISABLED) |
  (1 << EVT_C_BAD_SUBSTREAMID) |
  (1 << EVT_C_BAD_CD) |
  (1 << EVT_F_TRANSLATION) |
  (1 << EVT_F_ADDR_SIZE) |
  (1 << EVT_F_ACCESS) |
  (1 << EVT_F_PERMISSION)

export interface EventHandlerParts {
  readonly unit: RegisterAccess
  readonly queue: QueueMemory
  readonly commands: CommandQueue
  readonly devices: SmmuDevices
}

/** The event interrupt (`spec/04` §2.2): stalls to the core, faults of a guest's tables to the guest, the rest to the log. */
export class EventHandler {
  /** Events that went to the log. */
  count = 0
  /** Events that went to guests. */
  forwarded = 0
  /** Times that the overflow flag was seen: events were lost. */
  overflows = 0
  /** Stalls of streams that the driver does not know. */
  bad = 0
  /** EVT_ of the newest event in the log. */
  lastReason = 0
  readonly #unit: RegisterAccess
  readonly #queue: QueueMemory
  readonly #words: Int32Array
  readonly #commands: CommandQueue
  readonly #devices: SmmuDevices
  readonly #fault: Fault = new Fault()
  readonly #event: FaultEvent = new FaultEvent()
  /** The next record; ahead of CONS while records are handled. */
  #next = 0

  constructor(parts: EventHandlerParts) {
    this.#unit = parts.unit
    this.#queue = parts.queue
    this.#words = parts.queue.words
    this.#commands = parts.commands
    this.#devices = parts.devices
  }

  /**
   * Until the queue stays empty: the unit interrupts again only when it fills from there. May be entered while it runs,
   * by a handler that drains; the outer one then goes on behind what the inner one has handled.
   */
  readonly service = (): void => {
    const unit = this.#unit
    for (;;) {
      const prod = unit.readRegister(SMMU_EVENTQ_PROD)
      const isLost = this.#hasOverflowed(prod)
      if (this.#next === (prod & this.#queue.mask) && !isLost) return
      if (isLost) this.overflows++
      while (this.#next !== (prod & this.#queue.mask) && this.#isBefore(prod)) {
        const at = this.#queue.wordOf(this.#next)
        this.#next = this.#queue.after(this.#next)
        this.#handle(at)
      }
      unit.writeRegister(SMMU_EVENTQ_CONS, this.#next | (prod & Q_OVERFLOW))
    }
  }

  /** Whether the queue holds a stall of the device; of any PASID when `anyPasid`. */
  holds(sid: number, pasid: number, anyPasid: boolean): boolean {
    const queue = this.#queue
    const words = this.#words
    const prod = this.#unit.readRegister(SMMU_EVENTQ_PROD) & queue.mask
    let seen = 0
    for (let index = this.#next; index !== prod; index = queue.after(index), seen++) {
      const at = queue.wordOf(index)
      if (words[at + 1] !== sid || (words[at + 2]! & EVT_STALL) === 0) continue
      if (anyPasid || pasidOfEvent(words, at) === pasid) return true
    }
    // Behind a full queue there may be more.
    return seen === queue.size
  }

  /** Since the flag was copied to CONS. */
  #hasOverflowed(prod: number): boolean {
    return ((prod ^ this.#unit.readRegister(SMMU_EVENTQ_CONS)) & Q_OVERFLOW) !== 0
  }

  /** An inner run may have gone past what this one saw. */
  #isBefore(prod: number): boolean {
    const { mask, size } = this.#queue
    return ((prod - this.#next) & mask) <= size
  }

  #handle(at: number): void {
    const words = this.#words
    const id = words[at]! & EVT_ID_MASK
    if (id > 31 || (HANDLED & (1 << id)) === 0) return this.#log(at, id)
    const sid = words[at + 1]!
    const device = this.#devices.get(sid)
    if ((words[at + 2]! & EVT_STALL) === 0) {
      if (device === undefined || !this.#forward(at)) this.#log(at, id)
      return
    }
    if (device === undefined) return this.#refuse(at, id)
    decodeStall(words, at, this.#fault)
    reportDeviceFault(device.device, this.#fault)
  }

  /** A stall of nobody's must not wait for ever. */
  #refuse(at: number, id: number): void {
    this.bad++
    this.#commands.resume(this.#words[at + 1]!, this.#words[at + 2]! & EVT_STAG_MASK, RESUME_AB)
    this.#log(at, id)
  }

  /** A stage-1 event of a device that a guest owns: to its event queue, with the StreamID that the guest knows. */
  #forward(at: number): boolean {
    const words = this.#words
    if ((words[at + 3]! & EVT_S2) !== 0) return false
    const domain = this.#devices.get(words[at + 1]!)!.ridDomain
    if (!(domain instanceof NestedDomain)) return false
    const done = domain.reportEvent(this.#devices.get(words[at + 1]!)!.device, words.subarray(at, at + 8))
    if (done) this.forwarded++
    return done
  }

  #log(at: number, id: number): void {
    const words = this.#words
    const event = this.#event
    const pasid = pasidOfEvent(words, at)
    this.count++
    this.lastReason = id
    event.rid = words[at + 1]!
    event.pasid = pasid
    event.reason = id
    event.perm = permOfEvent(words[at + 3]!)
    event.addrLo = words[at + EVT_ADDRESS_WORD]!
    event.addrHi = words[at + EVT_ADDRESS_WORD + 1]!
    const domain = this.#devices.get(event.rid)?.domainOf(pasid)
    if (domain === undefined) return
    const write = (event.perm & FAULT_PERM_WRITE) !== 0 ? LEGACY_FAULT_WRITE : LEGACY_FAULT_READ
    reportIommuFault(domain, event.rid, event.addrHi, event.addrLo, write)
    reportUnrecoverable(domain, event)
  }
}
