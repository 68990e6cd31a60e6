// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { ENOMEM } from '../../base/errno.ts'
import type { PhysicalMemory } from '../../hardware/memory.ts'
import type { Failpoints } from '../../sim/failpoint.ts'

/** Frames of a huge page (2 MiB). */
export const HUGE_FRAMES = 512
const HUGE_BYTES = HUGE_FRAMES * 4096

/** First frame of the huge pages: as many as fit, aligned, below the end of RAM. */
export function hugeStart(ramFrames: number, hugePages: number): number {
  return (Math.floor(ramFrames / HUGE_FRAMES) - hugePages) * HUGE_FRAMES
}

/** What the pool needs of the frame allocator. */
export interface HugeFrames {
  readonly memory: PhysicalMemory
  handOutHuge(first: number): void
  pins(frame: number): number
}

/**
 * The huge pages of a machine (hugetlb). A mapping reserves its pages and takes them when they are touched; a page comes
 * back when the last reference on the last of its frames is put.
 */
export class HugePool {
  readonly total: number
  /** Pages that are promised, and not taken yet. */
  reserved = 0
  /** Pages taken by promise whose mapping is gone while they are pinned. */
  readonly #orphans: Set<number> = new Set()
  readonly #frames: HugeFrames
  readonly #failpoints: Failpoints
  readonly #first: number
  /** Pages nobody holds, the lowest last. */
  readonly #free: number[] = []
  /** Frames in use of each page. */
  readonly #live: Int32Array

  constructor(frames: HugeFrames, failpoints: Failpoints, first: number, total: number) {
    this.#frames = frames
    this.#failpoints = failpoints
    this.#first = first
    this.total = total
    this.#live = new Int32Array(total)
    for (let page = total - 1; page >= 0; page--) this.#free.push(page)
  }

  get free(): number {
    return this.#free.length
  }

  /** Whether the frame is a part of a huge page. */
  owns(frame: number): boolean {
    return this.total > 0 && frame >= this.#first && frame < this.#first + this.total * HUGE_FRAMES
  }

  /** Promises pages. ENOMEM. */
  reserve(pages: number): void {
    if (this.#failpoints.hit('reserve_huge') || this.free - this.reserved < pages) throw ENOMEM
    this.reserved += pages
  }

  unreserve(pages: number): void {
    assert(pages <= this.reserved, `${pages} huge pages given up, ${this.reserved} reserved`)
    this.reserved -= pages
  }

  /** A zeroed page, one reference on each of its frames; its first frame. `promised`: a reserved one. ENOMEM. */
  alloc(promised: boolean): number {
    if (this.#failpoints.hit('alloc_huge')) throw ENOMEM
    if (!promised && this.free <= this.reserved) throw ENOMEM
    const page = this.#free.pop()
    assert(page !== undefined, 'a reserved huge page is there')
    if (promised) this.reserved--
    this.#live[page] = HUGE_FRAMES
    const first = this.#first + page * HUGE_FRAMES
    this.#frames.handOutHuge(first)
    this.#frames.memory.fill(first, 0, HUGE_BYTES, 0)
    return first
  }

  /** The mapping that was promised the page at `first` is gone. */
  abandon(first: number): void {
    const page = (first - this.#first) / HUGE_FRAMES
    for (let i = 0; i < HUGE_FRAMES; i++) if (this.#frames.pins(first + i) > 0) this.#orphans.add(page)
  }

  /**
   * Whether a pin may take a page for a file, `promised` or not. Linux counts one promise too few for each page that
   * outlives its mapping, and refuses when none seems to be left (observed on 7.2.13).
   */
  canPin(promised: boolean): boolean {
    return this.reserved + (promised ? 0 : 1) > this.#orphans.size
  }

  /** The last reference on a frame is gone. */
  freed(frame: number): void {
    const page = Math.floor((frame - this.#first) / HUGE_FRAMES)
    if (--this.#live[page]! > 0) return
    this.#orphans.delete(page)
    this.#free.push(page)
  }
}
