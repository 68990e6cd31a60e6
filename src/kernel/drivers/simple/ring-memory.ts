// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import { RECORD_BYTES, RECORDS_PER_FRAME } from '../../../hardware/iommus/simple/layout.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'

const WORDS_PER_RECORD: number = RECORD_BYTES / 4
const WORDS_PER_FRAME = 1024

/** Frames that hold a ring of 32-byte records. */
export class RingMemory {
  readonly entries: number
  readonly firstFrame: number
  readonly frames: number
  readonly words: Int32Array

  /** ENOMEM. */
  constructor(memory: PhysicalMemory, allocator: FrameAllocator, entries: number) {
    this.entries = entries
    this.frames = 2 ** Math.ceil(Math.log2(Math.max(1, entries / RECORDS_PER_FRAME)))
    this.firstFrame = allocator.allocContiguous(this.frames)
    this.words = memory.words
  }

  /** Index in `words` of the entry's first word. */
  wordOf(index: number): number {
    return this.firstFrame * WORDS_PER_FRAME + index * WORDS_PER_RECORD
  }

  after(index: number): number {
    return index + 1 === this.entries ? 0 : index + 1
  }

  free(allocator: FrameAllocator): void {
    allocator.freeContiguous(this.firstFrame, this.frames)
  }
}
