// SPDX-License-Identifier: MIT
import { HUGE_FRAMES, type HugePool } from './huge-pool.ts'

/** The huge pages that a private mapping is promised, by huge page number of its addresses: shared by the parts of a cut. */
export class HugeReservation {
  readonly #pool: HugePool
  readonly #promised: Set<number> = new Set()

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

  /** The huge page at `page` has been taken. */
  taken(page: number): void {
    this.#promised.delete(page / HUGE_FRAMES)
  }

  /** The pages were dropped and the area stays: what came back is promised again, as far as it goes. */
  restore(start: number, end: number): void {
    for (let page = start; page < end && this.#pool.free > this.#pool.reserved; page += HUGE_FRAMES) {
      if (this.has(page)) continue
      this.#pool.reserved++
      this.#promised.add(page / HUGE_FRAMES)
    }
  }

  /** The area of the pages is gone. */
  drop(start: number, end: number): void {
    for (let page = start; page < end; page += HUGE_FRAMES) {
      if (this.#promised.delete(page / HUGE_FRAMES)) this.#pool.unreserve(1)
    }
  }
}
