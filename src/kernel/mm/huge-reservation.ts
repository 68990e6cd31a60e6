// SPDX-License-Identifier: MIT
import { HUGE_FRAMES, type HugePool } from './huge-pool.ts'

/** The huge pages that a private mapping is promised, by huge page number of its addresses: shared by the parts of a cut. */
export class HugeReservation {
  readonly #pool: HugePool
  readonly #promised: Set<number> = new Set()
  /** First frame of each huge page that was taken. */
  readonly #taken: Map<number, number> = new Map()

  /** For the pages `start` up to (not including) `end`. ENOMEM. */
  constructor(pool: HugePool, start: number, end: number) {
    pool.reserve((end - start) / HUGE_FRAMES)
    this.#pool = pool
    for (let page = start; page < end; page += HUGE_FRAMES) this.#promised.add(page / HUGE_FRAMES)
  }

  /** Whether the huge page at `page` is still to be taken. */
  has(page: number): boolean {
    return this.#promised.has(page / HUGE_FRAMES)
  }

  /** The huge page at `page` has been taken; it begins at frame `first`. */
  taken(page: number, first: number): void {
    this.#promised.delete(page / HUGE_FRAMES)
    this.#taken.set(page / HUGE_FRAMES, first)
  }

  /** The pages were dropped and the area stays: what came back is promised again, as far as it goes. */
  restore(start: number, end: number): void {
    for (let page = start; page < end && this.#pool.free > this.#pool.reserved; page += HUGE_FRAMES) {
      if (this.has(page)) continue
      this.#pool.reserved++
      this.#promised.add(page / HUGE_FRAMES)
      this.#taken.delete(page / HUGE_FRAMES)
    }
  }

  /** The area of the pages is gone. */
  drop(start: number, end: number): void {
    for (let page = start; page < end; page += HUGE_FRAMES) {
      const number = page / HUGE_FRAMES
      const first = this.#taken.get(number)
      if (first !== undefined) this.#pool.abandon(first)
      this.#taken.delete(number)
      if (this.#promised.delete(number)) this.#pool.unreserve(1)
    }
  }
}
