// SPDX-License-Identifier: MIT
import { EVENTS } from '../../../trace/events.ts'
import type { World } from '../../../trace/world.ts'
import type { PhysicalMemory } from '../../memory.ts'
import { NO_PASID } from '../../pci/messages.ts'
import {
  FAULT_ACCESS_SHIFT,
  FAULT_ADDRESS_HIGH,
  FAULT_ADDRESS_LOW,
  FAULT_PASID_MASK,
  FAULT_PASID_PRESENT,
  FAULT_RID_SHIFT,
  FAULT_WORD0,
  FAULT_WORD1,
  RECORD_BYTES,
  STATUS_FAULT_OVERFLOW,
  STATUS_FAULT_PENDING,
} from './layout.ts'
import type { Ring } from './ring.ts'
import type { StatusRegister } from './status.ts'

/** The ring of unrecoverable faults. */
export class FaultLog {
  recorded = 0
  /** Faults that no record was written for: ring off, full, or overflow still set. */
  lost = 0
  readonly #world: World
  readonly #memory: PhysicalMemory
  readonly #ring: Ring
  readonly #status: StatusRegister

  constructor(world: World, memory: PhysicalMemory, ring: Ring, status: StatusRegister) {
    this.#world = world
    this.#memory = memory
    this.#ring = ring
    this.#status = status
  }

  /** `kind`: FAULT_TRANSLATION_REQUEST, FAULT_PAGE_REQUEST or 0. */
  record(
    rid: number,
    pasid: number,
    hi: number,
    lo: number,
    access: number,
    reason: number,
    kind: number,
  ): void {
    const { trace } = this.#world
    if (trace.enabled) trace.emit(EVENTS.unrecoverable_fault, 0, rid, pasid, hi, lo, access, reason)
    if (!this.#accepts()) {
      this.lost++
      return
    }
    this.#write(rid, pasid, hi, lo, access, reason, kind)
    this.#ring.tail = this.#ring.after(this.#ring.tail)
    this.recorded++
    this.#status.set(STATUS_FAULT_PENDING)
  }

  #accepts(): boolean {
    if (!this.#ring.enabled || this.#status.has(STATUS_FAULT_OVERFLOW)) return false
    if (!this.#ring.full) return true
    this.#status.set(STATUS_FAULT_OVERFLOW)
    return false
  }

  #write(
    rid: number,
    pasid: number,
    hi: number,
    lo: number,
    access: number,
    reason: number,
    kind: number,
  ): void {
    const memory = this.#memory
    const frame = this.#ring.frameOf(this.#ring.tail)
    const offset = this.#ring.offsetOf(this.#ring.tail)
    const present = pasid === NO_PASID ? 0 : FAULT_PASID_PRESENT
    memory.store32(frame, offset + FAULT_WORD0, reason | present | kind | (rid << FAULT_RID_SHIFT))
    const prefix = present === 0 ? 0 : pasid & FAULT_PASID_MASK
    memory.store32(frame, offset + FAULT_WORD1, prefix | (access << FAULT_ACCESS_SHIFT))
    memory.store32(frame, offset + FAULT_ADDRESS_LOW, lo & ~0xfff)
    memory.store32(frame, offset + FAULT_ADDRESS_HIGH, hi)
    for (let at = FAULT_ADDRESS_HIGH + 4; at < RECORD_BYTES; at += 4) memory.store32(frame, offset + at, 0)
  }
}
