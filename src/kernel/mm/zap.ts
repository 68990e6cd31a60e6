// SPDX-License-Identifier: MIT
import { pageHi, pageLo } from '../../base/u64.ts'
import type { LeafSink, PageTable } from '../../hardware/page-tables/page-table.ts'
import type { FrameAllocator } from './frame-allocator.ts'
import type { Notifiers } from './notifiers.ts'

/** Takes pages out of a page table and puts their frames only once no secondary TLB can reach them any more. */
export class Zapper implements LeafSink {
  readonly #table: PageTable
  readonly #frames: FrameAllocator
  readonly #notifiers: Notifiers
  readonly #batch: number[] = []

  constructor(table: PageTable, frames: FrameAllocator, notifiers: Notifiers) {
    this.#table = table
    this.#frames = frames
    this.#notifiers = notifiers
  }

  /** Unmaps [start, end): page table, then notifiers, then frames. */
  zap(start: number, end: number): void {
    this.#table.unmap(pageHi(start), pageLo(start), end - start, this)
    this.#notifiers.invalidate(start, end)
    for (let i = 0; i < this.#batch.length; i++) {
      const frame = this.#batch[i]!
      if (this.#frames.owns(frame)) this.#frames.put(frame)
    }
    this.#batch.length = 0
  }

  leaf(_hi: number, _lo: number, _shift: number, frame: number): void {
    this.#batch.push(frame)
  }
}
