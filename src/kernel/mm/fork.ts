// SPDX-License-Identifier: MIT
import { pageHi, pageLo, pageOf } from '../../base/u64.ts'
import type { PhysicalMemory } from '../../hardware/memory.ts'
import type { LeafSink, PageTable } from '../../hardware/page-tables/page-table.ts'
import { ACCESS_READ } from '../../hardware/pci/messages.ts'
import type { FrameAllocator } from './frame-allocator.ts'
import { HUGE_FRAMES } from './huge-pool.ts'
import { accessOfProt, PROT_WRITE } from './prot.ts'
import type { Vma } from './vma.ts'

/** Small leaves only. */
const SHIFT_MAX = 12

/** Gives a child the present pages of its parent's private areas: shared until one of them writes. */
export class PageSharing implements LeafSink {
  readonly #memory: PhysicalMemory
  readonly #frames: FrameAllocator
  readonly #child: PageTable
  #area: Vma | undefined = undefined
  /** Leaves of huge pages come 512 at a time: the first speaks for all. */
  readonly #hugeLeaves: LeafSink = {
    leaf: (hi, lo, _shift, frame) => {
      if (pageOf(hi, lo) % HUGE_FRAMES === 0) this.#hugeLeaf(hi, lo, frame)
    },
  }

  constructor(memory: PhysicalMemory, frames: FrameAllocator, child: PageTable) {
    this.#memory = memory
    this.#frames = frames
    this.#child = child
  }

  /** ENOMEM: the child has a part of the pages. The parent's pages are write-protected either way. */
  share(area: Vma, parent: PageTable): void {
    const hi = pageHi(area.start)
    const lo = pageLo(area.start)
    const pages = area.end - area.start
    this.#area = area
    parent.changeAccess(hi, lo, pages, ~PROT_WRITE, 0)
    parent.visit(hi, lo, pages, area.huge ? this.#hugeLeaves : this)
    this.#child.changeAccess(hi, lo, pages, 0, accessOfProt(area.prot) & ~PROT_WRITE)
  }

  /**
   * A pinned page stays the parent's alone, because a device may write to it: the child gets a copy now. A file's page is
   * not the parent's, whoever has it pinned.
   */
  leaf(hi: number, lo: number, _shift: number, frame: number): void {
    const copied = this.#frames.pins(frame) > 0 && !this.#isOfFile(hi, lo, frame)
    const given = copied ? this.#copyOf(frame) : this.#reference(frame)
    try {
      this.#child.map(hi, lo, given, 1, ACCESS_READ)
    } catch (error) {
      this.#frames.put(given)
      throw error
    }
  }

  #hugeLeaf(hi: number, lo: number, first: number): void {
    const copied = this.#anyPinned(first) && !this.#isOfFile(hi, lo, first)
    const given = copied ? this.#hugeCopyOf(first) : this.#hugeReference(first)
    try {
      this.#child.map(hi, lo, given, HUGE_FRAMES, ACCESS_READ, SHIFT_MAX)
    } catch (error) {
      this.#frames.freeContiguous(given, HUGE_FRAMES)
      throw error
    }
  }

  #isOfFile(hi: number, lo: number, frame: number): boolean {
    const { object, objectPage, start } = this.#area!
    return object !== undefined && object.peek(objectPage + (pageOf(hi, lo) - start)) === frame
  }

  #anyPinned(first: number): boolean {
    for (let i = 0; i < HUGE_FRAMES; i++) if (this.#frames.pins(first + i) > 0) return true
    return false
  }

  #hugeReference(first: number): number {
    for (let i = 0; i < HUGE_FRAMES; i++) this.#frames.get(first + i)
    return first
  }

  #hugeCopyOf(first: number): number {
    const copy = this.#frames.huge.alloc(false)
    this.#memory.copy(copy, 0, first, 0, HUGE_FRAMES * 4096)
    return copy
  }

  #reference(frame: number): number {
    this.#frames.get(frame)
    return frame
  }

  #copyOf(frame: number): number {
    const copy = this.#frames.alloc()
    this.#memory.copy(copy, 0, frame, 0, 4096)
    return copy
  }
}
