// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import { RECORDS_PER_FRAME, RECORD_SHIFT } from '../../../hardware/iommus/simple/layout.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'

const RECORD_WORD_SHIFT: number = RECORD_SHIFT - 2
const WORDS_PER_FRAME = 1024

/** Frames that hold a ring of 32-byte records. */
export class RingMemory {
  readonly entries: number
  readonly firstFrame: number
  readonly frames: number
  readonly words: Int32Array
  /** Index in `words` of the first entry's first word. */
  readonly firstWord: number

  /** ENOMEM. */
  constructor(memory: PhysicalMemory, allocator: FrameAllocator, entries: number) {
    this.entries = entries
    this.frames = 2 ** Math.ceil(Math.log2(Math.max(1, entries / RECORDS_PER_FRAME)))
    this.firstFrame = allocator.allocContiguous(this.frames)
    this.words = memory.words
    this.firstWord = this.firstFrame * WORDS_PER_FRAME
  }

  /** Index in `words` of the entry's first word. */
  wordOf(index: number): number {
    return (this.firstWord + (index << RECORD_WORD_SHIFT)) | 0
  }

  after(index: number): number {
    const next = (index + 1) | 0
    return next === this.entries ? 0 : next
  }

  free(allocator: FrameAllocator): void {
    allocator.freeContiguous(this.firstFrame, this.frames)
  }
}
