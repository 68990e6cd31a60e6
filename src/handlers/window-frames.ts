// SPDX-License-Identifier: MIT
import type { Mm, MmNotifier } from '../kernel/mm/mm.ts'

const UNKNOWN = -1

/**
 * Frames behind the pages of a window of a process's memory, for code that fills the pages in place. Each is looked up
 * once: the process owns the frame, writable, until it unmaps, discards, protects, forks or replaces (copy on write) the
 * page, and all of these call the address space's notifiers before the frame can be anybody else's. Then it is
 * forgotten here.
 */
export class WindowFrames implements MmNotifier {
  readonly #mm: Mm
  readonly #firstPage: number
  /** Frame of each page of the window. */
  readonly #frames: Int32Array

  constructor(mm: Mm, firstPage: number, pages: number) {
    this.#mm = mm
    this.#firstPage = firstPage
    this.#frames = new Int32Array(pages).fill(UNKNOWN)
    mm.addNotifier(this)
  }

  /** Frame of the window's page `index`. EFAULT, ENOMEM. */
  at(index: number): number {
    const frame = this.#frames[index]!
    return frame === UNKNOWN ? this.#find(index) : frame
  }

  invalidate(startPage: number, endPage: number): void {
    const { length } = this.#frames
    const from = Math.max(startPage - this.#firstPage, 0)
    const to = Math.min(endPage - this.#firstPage, length)
    if (from < to) this.#frames.fill(UNKNOWN, from, to)
  }

  release(): void {
    this.#frames.fill(UNKNOWN)
  }

  #find(index: number): number {
    const frame = this.#mm.frameForWrite(this.#firstPage + index)
    this.#frames[index] = frame
    return frame
  }
}
