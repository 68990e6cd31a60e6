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
  readonly #words: Int32Array
  readonly #ring: Ring
  readonly #status: StatusRegister

  constructor(world: World, memory: PhysicalMemory, ring: Ring, status: StatusRegister) {
    this.#world = world
    this.#words = memory.words
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
    const words = this.#words
    const at = this.#ring.wordOf(this.#ring.tail)
    const present = pasid === NO_PASID ? 0 : FAULT_PASID_PRESENT
    const prefix = present === 0 ? 0 : pasid & FAULT_PASID_MASK
    words.fill(0, at, at + (RECORD_BYTES >> 2))
    words[at + (FAULT_WORD0 >> 2)] = reason | present | kind | (rid << FAULT_RID_SHIFT)
    words[at + (FAULT_WORD1 >> 2)] = prefix | (access << FAULT_ACCESS_SHIFT)
    words[at + (FAULT_ADDRESS_LOW >> 2)] = lo & ~0xfff
    words[at + (FAULT_ADDRESS_HIGH >> 2)] = hi
  }
}
