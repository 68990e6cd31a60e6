// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'

const WORDS_PER_FRAME = 1024

/** Frames that hold a queue of 2^log2 entries. */
export class QueueMemory {
  readonly log2: number
  readonly size: number
  /** Bits of an index with its wrap bit. */
  readonly mask: number
  readonly firstFrame: number
  readonly words: Int32Array
  readonly #frames: number
  readonly #firstWord: number
  readonly #entryShift: number

  /** `entryShift`: log2 of an entry's words. ENOMEM. */
  constructor(memory: PhysicalMemory, allocator: FrameAllocator, log2: number, entryShift: number) {
    this.log2 = log2
    this.size = 2 ** log2
    this.mask = 2 * this.size - 1
    this.#entryShift = entryShift
    this.#frames = Math.max(1, (this.size << entryShift) / WORDS_PER_FRAME)
    this.firstFrame = allocator.allocContiguous(this.#frames)
    this.words = memory.words
    this.#firstWord = this.firstFrame * WORDS_PER_FRAME
  }

  /** Index in `words` of the entry of an index. */
  wordOf(index: number): number {
    return (this.#firstWord + ((index & (this.size - 1)) << this.#entryShift)) | 0
  }

  after(index: number): number {
    return (index + 1) & this.mask
  }

  free(allocator: FrameAllocator): void {
    allocator.freeContiguous(this.firstFrame, this.#frames)
  }
}
