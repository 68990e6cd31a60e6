// SPDX-License-Identifier: MIT
import { assert, broken } from '../base/assert.ts'

/** Who owns a slot and gives it up when the set is full. */
export interface SlotOwner {
  /** Unmaps the page in the slot and writes it back where it is dirty. The slot is free afterwards. */
  evict(slot: number): void
}

/**
 * A bounded number of page slots that several pagers share; the oldest resident page goes first. One slot is one page of
 * the process's window. Nothing is allocated after construction.
 */
export class ResidentSet {
  /** Slots, each one 4 KiB page. */
  readonly capacity: number
  evictions: number
  residentMax: number
  resident: number
  readonly #owners: (SlotOwner | undefined)[]
  /** Free slots, as a stack; the first ones on top. */
  readonly #free: Int32Array
  #freeCount: number
  /** Resident slots in order of arrival: a ring of `resident` entries from `#oldest`. */
  readonly #order: Int32Array
  #oldest: number

  constructor(capacity: number) {
    assert(
      Number.isInteger(capacity) && capacity > 0,
      `a resident set has at least one slot, not ${capacity}`,
    )
    this.capacity = capacity
    this.evictions = 0
    this.residentMax = 0
    this.resident = 0
    this.#owners = Array.from({ length: capacity }, () => undefined)
    this.#free = Int32Array.from({ length: capacity }, (_, index) => capacity - 1 - index)
    this.#freeCount = capacity
    this.#order = new Int32Array(capacity)
    this.#oldest = 0
  }

  /** A slot for `owner`; a full set evicts its oldest page first. */
  take(owner: SlotOwner): number {
    if (this.#freeCount === 0) this.#evictOldest()
    const slot = this.#free[--this.#freeCount]!
    const resident = (this.resident + 1) | 0
    this.#owners[slot] = owner
    this.#order[this.#place(this.resident)] = slot
    this.resident = resident
    if (resident > this.residentMax) this.residentMax = resident
    return slot
  }

  /** Takes back the slot that `take` gave last: its page could not be mapped. */
  untake(slot: number): void {
    if (this.#order[this.#place(this.resident - 1)] !== slot) broken(`slot ${slot} is not the one taken last`)
    this.resident--
    this.#release(slot)
  }

  /** Gives every slot back: dirty pages are written back, nothing stays mapped. Not counted as evictions. */
  clear(): void {
    while (this.resident > 0) this.#releaseOldest()
  }

  #evictOldest(): void {
    this.evictions++
    this.#releaseOldest()
  }

  #releaseOldest(): void {
    const slot = this.#order[this.#oldest]!
    this.#oldest = this.#place(1)
    this.resident--
    this.#owners[slot]!.evict(slot)
    this.#release(slot)
  }

  /** Place in `#order` of the page that came `age` pages after the oldest, at most as many as there are slots. */
  #place(age: number): number {
    const place = (this.#oldest + age) | 0
    return place < this.capacity ? place : (place - this.capacity) | 0
  }

  #release(slot: number): void {
    this.#owners[slot] = undefined
    this.#free[this.#freeCount++] = slot
  }
}
