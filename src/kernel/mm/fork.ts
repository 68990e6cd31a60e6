// SPDX-License-Identifier: MIT
import { pageHi, pageLo } from '../../base/u64.ts'
import type { PhysicalMemory } from '../../hardware/memory.ts'
import type { LeafSink, PageTable } from '../../hardware/page-tables/page-table.ts'
import { ACCESS_READ } from '../../hardware/pci/messages.ts'
import type { FrameAllocator } from './frame-allocator.ts'
import { accessOfProt, PROT_WRITE } from './prot.ts'
import type { Vma } from './vma.ts'

/** Gives a child the present pages of its parent's private areas: shared until one of them writes. */
export class PageSharing implements LeafSink {
  readonly #memory: PhysicalMemory
  readonly #frames: FrameAllocator
  readonly #child: PageTable

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
    parent.changeAccess(hi, lo, pages, ~PROT_WRITE, 0)
    parent.visit(hi, lo, pages, this)
    this.#child.changeAccess(hi, lo, pages, 0, accessOfProt(area.prot) & ~PROT_WRITE)
  }

  /** A pinned page stays the parent's alone, because a device may write to it: the child gets a copy now. */
  leaf(hi: number, lo: number, _shift: number, frame: number): void {
    const given = this.#frames.pins(frame) > 0 ? this.#copyOf(frame) : this.#reference(frame)
    try {
      this.#child.map(hi, lo, given, 1, ACCESS_READ)
    } catch (error) {
      this.#frames.put(given)
      throw error
    }
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
