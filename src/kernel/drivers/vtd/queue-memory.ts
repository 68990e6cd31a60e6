// SPDX-License-Identifier: MIT
import {
  DESCRIPTOR_BYTES,
  DESCRIPTOR_SHIFT,
  DESCRIPTORS_PER_PAGE_SHIFT,
} from '../../../hardware/iommus/vtd/layout-queues.ts'
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'

const BYTES = DESCRIPTOR_BYTES
/** QS and PQS are 3 bits. */
const ORDER_MAX = 7

/** Frames that hold a queue of 2^order pages; places are byte offsets, as in the registers. */
export class QueueMemory {
  readonly order: number
  readonly firstFrame: number
  /** Bytes - 1. */
  readonly mask: number
  readonly words: Int32Array
  /** Index in `words` of the first descriptor's first word. */
  readonly firstWord: number

  /** ENOMEM. */
  constructor(memory: PhysicalMemory, allocator: FrameAllocator, order: number) {
    this.order = order
    this.firstFrame = allocator.allocContiguous(2 ** order)
    this.mask = 4096 * 2 ** order - 1
    this.words = memory.words
    this.firstWord = this.firstFrame << 10
  }

  /** Index in `words` of the descriptor at a byte offset. */
  wordOf(offset: number): number {
    return (this.firstWord + (offset >> 2)) | 0
  }

  after(offset: number): number {
    return (offset + BYTES) & this.mask
  }

  free(allocator: FrameAllocator): void {
    allocator.freeContiguous(this.firstFrame, 2 ** this.order)
  }
}

/** Order of the smallest queue with room for so many descriptors. */
export function queueOrder(descriptors: number): number {
  const perPage = 1 << DESCRIPTORS_PER_PAGE_SHIFT
  let order = 0
  while (order < ORDER_MAX && perPage << order < descriptors) order++
  return order
}

/** Number of the descriptor at a byte offset, for the trace. */
export function descriptorIndex(offset: number): number {
  return offset >> DESCRIPTOR_SHIFT
}
