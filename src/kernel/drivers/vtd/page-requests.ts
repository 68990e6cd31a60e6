// SPDX-License-Identifier: MIT
import * as layout from '../../../hardware/iommus/vtd/layout.ts'
import { NO_PASID, PRG_INVALID_REQUEST } from '../../../hardware/pci/messages.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { World } from '../../../trace/world.ts'
import {
  FAULT_LAST_PAGE,
  FAULT_PASID_VALID,
  FAULT_PERM_EXEC,
  FAULT_PERM_PRIV,
  FAULT_PERM_READ,
  FAULT_PERM_WRITE,
  Fault,
  RESPONSE_INVALID,
} from '../../iommu/fault.ts'
import { traceDropped, traceRequest } from '../../iopf/fault-trace.ts'
import type { IopfQueue } from '../../iopf/queue.ts'
import { reportDeviceFault } from '../../iopf/report.ts'
import type { RegisterAccess } from '../registers.ts'
import type { InvalidationQueue } from './invalidation-queue.ts'
import type { QueueMemory } from './queue-memory.ts'
import { decodeRequest, pasidOfRequest, ridOfRequest } from './request-record.ts'
import type { VtdDevices } from './vtd-device.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { PQH_REG, PQT_REG, PRS_PPR, PRS_PRO, PRS_REG } = layout
const READ_OR_WRITE = FAULT_PERM_READ | FAULT_PERM_WRITE

export interface PageRequestParts {
  readonly world: World
  readonly unit: RegisterAccess
  readonly ring: QueueMemory
  readonly commands: InvalidationQueue
  readonly devices: VtdDevices
  readonly queue: IopfQueue
  /** CPU virtual address width: requests must be canonical for it. */
  readonly virtualBits: number
}

/** The page-request interrupt (`spec/04` §1.3): descriptors in order, each to the core, allocating nothing. */
export class PageRequestHandler {
  /** Requests refused by the driver itself. */
  bad = 0
  overflows = 0
  readonly #world: World
  readonly #unit: RegisterAccess
  readonly #ring: QueueMemory
  readonly #words: Int32Array
  readonly #commands: InvalidationQueue
  readonly #devices: VtdDevices
  readonly #queue: IopfQueue
  readonly #privateData: boolean
  /** Bits of the high word above the top one of the width repeat it in a canonical address. */
  readonly #canonicalShift: number
  readonly #fault: Fault = new Fault()
  /** The next record; ahead of the unit's head while records are handled. */
  #next = 0
  /** The unit's tail as last read. */
  #tail = 0

  constructor(parts: PageRequestParts) {
    this.#world = parts.world
    this.#unit = parts.unit
    this.#ring = parts.ring
    this.#words = parts.ring.words
    this.#commands = parts.commands
    this.#devices = parts.devices
    this.#queue = parts.queue
    this.#privateData = parts.queue.policy.privateData
    this.#canonicalShift = parts.virtualBits - 33
  }

  /**
   * Pending is cleared before the tail is sampled: what arrives later interrupts again. May be entered while it runs, by
   * a handler that drains; the outer one then goes on behind what the inner one has handled.
   */
  readonly service = (): void => {
    const unit = this.#unit
    const ring = this.#ring
    unit.writeRegister(PRS_REG, PRS_PPR)
    this.#tail = unit.readRegister(PQT_REG)
    while (this.#next !== this.#tail) {
      const fault = this.#fault
      const rid = decodeRequest(this.#words, ring.wordOf(this.#next), fault, this.#privateData)
      this.#next = ring.after(this.#next)
      const device = this.#devices.get(rid)
      if (device !== undefined && this.#isPlain(fault)) reportDeviceFault(device.device, fault)
      else this.#handle(rid)
    }
    unit.writeRegister(PQH_REG, this.#tail)
    if (this.overflowed) this.#recover()
  }

  get overflowed(): boolean {
    return (this.#unit.readRegister(PRS_REG) & PRS_PRO) !== 0
  }

  /** Whether the queue holds a request of the device; of any PASID when `anyPasid`. No PASID and PASID 0 are one (`spec/04` §1.5). */
  holds(rid: number, pasid: number, anyPasid: boolean): boolean {
    const ring = this.#ring
    const words = this.#words
    const tail = this.#unit.readRegister(PQT_REG)
    for (let index = this.#next; index !== tail; index = ring.after(index)) {
      const at = ring.wordOf(index)
      if (ridOfRequest(words, at) !== rid) continue
      if (anyPasid || Math.max(0, pasidOfRequest(words, at)) === Math.max(0, pasid)) return true
    }
    return false
  }

  /** An overflow may have cost parts of any group: what is open is forgotten, once the queue is empty. */
  #recover(): void {
    if (this.#unit.readRegister(PQT_REG) !== this.#tail) return
    this.overflows++
    this.#queue.discardPartial()
    this.#unit.writeRegister(PRS_REG, PRS_PRO)
  }

  /** Reads or writes and nothing else, a canonical address: all of `#handle`'s checks pass. */
  #isPlain(fault: Fault): boolean {
    const { perm } = fault
    if (perm === 0 || perm > READ_OR_WRITE) return false
    const above = fault.addrHi >> this.#canonicalShift
    return above === 0 || above === -1
  }

  /** The driver's own checks, in order; a last request that neither reads nor writes looks like a Stop Marker. */
  #handle(rid: number): void {
    const fault = this.#fault
    const { perm, flags } = fault
    const readsOrWrites = (perm & READ_OR_WRITE) !== 0
    const above = fault.addrHi >> this.#canonicalShift
    if (above !== 0 && above !== -1) return this.#refuse(rid, 'address not canonical')
    if ((perm & FAULT_PERM_PRIV) !== 0 && readsOrWrites) return this.#refuse(rid, 'privileged access')
    if ((perm & FAULT_PERM_EXEC) !== 0 && (perm & FAULT_PERM_READ) !== 0)
      return this.#refuse(rid, 'execute and read')
    if ((flags & FAULT_LAST_PAGE) !== 0 && !readsOrWrites) return
    const device = this.#devices.get(rid)
    if (device === undefined) return this.#refuse(rid, 'unknown requester')
    reportDeviceFault(device.device, fault)
  }

  /** The last request of a group is answered INVALID, others vanish. */
  #refuse(rid: number, why: string): void {
    const fault = this.#fault
    const { trace } = this.#world
    const hasPasid = (fault.flags & FAULT_PASID_VALID) !== 0
    this.bad++
    if (trace.enabled) traceDropped(this.#world, rid, fault, why)
    if ((fault.flags & FAULT_LAST_PAGE) === 0) return
    if (trace.enabled) traceRequest(this.#world, EVENTS.page_response, rid, fault, RESPONSE_INVALID)
    this.#commands.pageGroupResponse(
      rid,
      hasPasid ? fault.pasid : NO_PASID,
      fault.grpid,
      PRG_INVALID_REQUEST,
      fault.private0,
      fault.private1,
    )
  }
}
