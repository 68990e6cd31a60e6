// SPDX-License-Identifier: MIT
import {
  REG_PAGE_REQUEST_HEAD,
  REG_PAGE_REQUEST_TAIL,
  REG_STATUS,
  REQUEST_ADDRESS_HIGH,
  REQUEST_ADDRESS_MASK,
  REQUEST_EXEC,
  REQUEST_LAST,
  REQUEST_PASID_MASK,
  REQUEST_PASID_PRESENT,
  REQUEST_PRGI_MASK,
  REQUEST_PRGI_SHIFT,
  REQUEST_PRIV,
  REQUEST_PRIVATE0,
  REQUEST_PRIVATE1,
  REQUEST_READ,
  REQUEST_RID_SHIFT,
  REQUEST_WORD0,
  REQUEST_WORD1,
  REQUEST_WORD2,
  REQUEST_WRITE,
  STATUS_PAGE_REQUEST_OVERFLOW,
  STATUS_PAGE_REQUEST_PENDING,
} from '../../../hardware/iommus/simple/layout.ts'
import { NO_PASID, PRG_INVALID_REQUEST } from '../../../hardware/pci/messages.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { World } from '../../../trace/world.ts'
import {
  FAULT_LAST_PAGE,
  FAULT_NEEDS_PASID,
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
import type { CommandRing } from './command-ring.ts'
import type { RegisterAccess } from './registers.ts'
import type { RingMemory } from './ring-memory.ts'
import type { SimpleDevice } from './simple-device.ts'

const READ_OR_WRITE = FAULT_PERM_READ | FAULT_PERM_WRITE

export interface PageRequestParts {
  readonly world: World
  readonly unit: RegisterAccess
  readonly ring: RingMemory
  readonly commands: CommandRing
  readonly devices: ReadonlyMap<number, SimpleDevice>
  readonly queue: IopfQueue
  /** CPU virtual address width: requests must be canonical for it. */
  readonly virtualBits: number
}

/** The page-request interrupt (`spec/04` §1.3): records in order, each to the core, allocating nothing. */
export class PageRequestHandler {
  /** Requests refused by the driver itself. */
  bad = 0
  overflows = 0
  readonly #parts: PageRequestParts
  readonly #fault: Fault = new Fault()
  readonly #canonicalShift: number
  #rid = 0
  /** The next record; ahead of the unit's head while records are handled. */
  #next = 0

  constructor(parts: PageRequestParts) {
    this.#parts = parts
    this.#canonicalShift = parts.virtualBits - 33
  }

  /** Pending is cleared before the tail is sampled: what arrives later interrupts again. May be entered while it runs. */
  readonly service = (): void => {
    const { unit, ring } = this.#parts
    unit.writeRegister(REG_STATUS, STATUS_PAGE_REQUEST_PENDING)
    const tail = unit.readRegister(REG_PAGE_REQUEST_TAIL)
    while (this.#next !== tail) {
      this.#decode(ring.wordOf(this.#next))
      this.#next = ring.after(this.#next)
      this.#handle()
    }
    unit.writeRegister(REG_PAGE_REQUEST_HEAD, tail)
    if (this.overflowed) this.#recover(tail)
  }

  get overflowed(): boolean {
    return (this.#parts.unit.readRegister(REG_STATUS) & STATUS_PAGE_REQUEST_OVERFLOW) !== 0
  }

  /** Whether the ring holds a request of the device; of any PASID when `anyPasid`. */
  holds(rid: number, pasid: number, anyPasid: boolean): boolean {
    const { unit, ring } = this.#parts
    const tail = unit.readRegister(REG_PAGE_REQUEST_TAIL)
    for (let index = this.#next; index !== tail; index = ring.after(index)) {
      const at = ring.wordOf(index)
      if (ring.words[at]! >>> REQUEST_RID_SHIFT !== rid) continue
      if (anyPasid || pasidOfRecord(ring.words, at) === pasid) return true
    }
    return false
  }

  /** An overflow may have cost parts of any group: what is open is forgotten, once the ring is empty. */
  #recover(tail: number): void {
    const { unit, queue } = this.#parts
    if (unit.readRegister(REG_PAGE_REQUEST_TAIL) !== tail) return
    this.overflows++
    queue.discardPartial()
    unit.writeRegister(REG_STATUS, STATUS_PAGE_REQUEST_OVERFLOW)
  }

  #decode(at: number): void {
    const { words } = this.#parts.ring
    const fault = this.#fault
    const word0 = words[at + (REQUEST_WORD0 >> 2)]!
    const word1 = words[at + (REQUEST_WORD1 >> 2)]!
    const word2 = words[at + (REQUEST_WORD2 >> 2)]!
    this.#rid = word0 >>> REQUEST_RID_SHIFT
    fault.flags =
      ((word2 & REQUEST_LAST) !== 0 ? FAULT_LAST_PAGE : 0) |
      ((word0 & REQUEST_PASID_PRESENT) !== 0 ? FAULT_PASID_VALID | FAULT_NEEDS_PASID : 0)
    fault.pasid = (word0 & REQUEST_PASID_PRESENT) !== 0 ? word1 & REQUEST_PASID_MASK : 0
    fault.grpid = (word2 >>> REQUEST_PRGI_SHIFT) & REQUEST_PRGI_MASK
    fault.perm =
      ((word2 & REQUEST_READ) !== 0 ? FAULT_PERM_READ : 0) |
      ((word2 & REQUEST_WRITE) !== 0 ? FAULT_PERM_WRITE : 0) |
      ((word1 & REQUEST_EXEC) !== 0 ? FAULT_PERM_EXEC : 0) |
      ((word1 & REQUEST_PRIV) !== 0 ? FAULT_PERM_PRIV : 0)
    fault.addrHi = words[at + (REQUEST_ADDRESS_HIGH >> 2)]!
    fault.addrLo = word2 & REQUEST_ADDRESS_MASK
    const { privateData } = this.#parts.queue.policy
    fault.private0 = privateData ? words[at + (REQUEST_PRIVATE0 >> 2)]! : 0
    fault.private1 = privateData ? words[at + (REQUEST_PRIVATE1 >> 2)]! : 0
  }

  /** The driver's own checks, in order; a last request that neither reads nor writes looks like a Stop Marker. */
  #handle(): void {
    const fault = this.#fault
    const { perm } = fault
    const readsOrWrites = (perm & READ_OR_WRITE) !== 0
    if (!this.#isCanonical()) return this.#refuse('address not canonical')
    if ((perm & FAULT_PERM_PRIV) !== 0 && readsOrWrites) return this.#refuse('privileged access')
    if ((perm & FAULT_PERM_EXEC) !== 0 && (perm & FAULT_PERM_READ) !== 0)
      return this.#refuse('execute and read')
    if ((fault.flags & FAULT_LAST_PAGE) !== 0 && !readsOrWrites) return
    const device = this.#parts.devices.get(this.#rid)
    if (device === undefined) return this.#refuse('unknown requester')
    reportDeviceFault(device.device, fault)
  }

  /** Bits above the top one of the width repeat it. */
  #isCanonical(): boolean {
    const above = this.#fault.addrHi >> this.#canonicalShift
    return above === 0 || above === -1
  }

  /** The last request of a group is answered INVALID, others vanish. */
  #refuse(why: string): void {
    const fault = this.#fault
    const { world, commands } = this.#parts
    const { trace } = world
    const hasPasid = (fault.flags & FAULT_PASID_VALID) !== 0
    this.bad++
    if (trace.enabled) traceDropped(world, this.#rid, fault, why)
    if ((fault.flags & FAULT_LAST_PAGE) === 0) return
    if (trace.enabled) traceRequest(world, EVENTS.page_response, this.#rid, fault, RESPONSE_INVALID)
    commands.pageResponse(
      this.#rid,
      hasPasid ? fault.pasid : NO_PASID,
      fault.grpid,
      PRG_INVALID_REQUEST,
      fault.private0,
      fault.private1,
    )
  }
}

function pasidOfRecord(words: Int32Array, at: number): number {
  const present = (words[at + (REQUEST_WORD0 >> 2)]! & REQUEST_PASID_PRESENT) !== 0
  return present ? words[at + (REQUEST_WORD1 >> 2)]! & REQUEST_PASID_MASK : NO_PASID
}
