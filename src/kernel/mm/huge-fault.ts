// SPDX-License-Identifier: MIT
import { isErrno } from '../../base/errno.ts'
import { pageHi, pageLo, pageOf } from '../../base/u64.ts'
import type { PageTable } from '../../hardware/page-tables/page-table.ts'
import {
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_WRITE,
  VM_FAULT_ERROR,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
} from './fault-flags.ts'
import type { FrameAllocator } from './frame-allocator.ts'
import { HugeObject } from './huge-object.ts'
import { HUGE_FRAMES } from './huge-pool.ts'
import type { Notifiers } from './notifiers.ts'
import { accessOfProt, PROT_WRITE } from './prot.ts'
import type { Vma } from './vma.ts'

/** Small leaves: a huge page is 512 of them, so that pins and tables need not know. */
const SHIFT_MAX = 12
const HUGE_BYTES = HUGE_FRAMES * 4096

/** Makes huge pages of an area present. An area of huge pages begins and ends at their borders. */
export class HugeFaults {
  readonly #frames: FrameAllocator
  readonly #table: PageTable
  readonly #notifiers: Notifiers

  constructor(frames: FrameAllocator, table: PageTable, notifiers: Notifiers) {
    this.#frames = frames
    this.#table = table
    this.#notifiers = notifiers
  }

  /** Faults the huge page of `area` at (hi, lo) in; the area allows what `flags` want. VM_FAULT_ bits. */
  handle(area: Vma, hi: number, lo: number, flags: number): number {
    const page = Math.floor(pageOf(hi, lo) / HUGE_FRAMES) * HUGE_FRAMES
    const frame = this.#table.frameAt(pageHi(page), pageLo(page), 0)
    const exclusive = !area.shared && (flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) !== 0
    if (frame >= 0) return exclusive ? this.#makeExclusive(area, page, frame) : 0
    const { object } = area
    if (!(object instanceof HugeObject)) return this.#own(area, page, -1)
    const objectPage = area.objectPage + (page - area.start)
    if (objectPage >= object.pages) return VM_FAULT_SIGBUS
    if (area.shared) return this.#fromObject(area, page, object, objectPage)
    const cached = object.peek(objectPage)
    if (cached < 0 || exclusive) return this.#own(area, page, cached)
    return this.#share(page, cached, accessOfProt(area.prot & ~PROT_WRITE))
  }

  #fromObject(area: Vma, page: number, object: HugeObject, objectPage: number): number {
    const bits = object.fault(objectPage)
    if ((bits & VM_FAULT_ERROR) !== 0) return bits
    return this.#share(page, object.found, accessOfProt(area.prot))
  }

  #share(page: number, first: number, access: number): number {
    for (let i = 0; i < HUGE_FRAMES; i++) this.#frames.get(first + i)
    return this.#map(page, first, access)
  }

  /** A page of the area's own: zeros, or a copy of the page at `from`. An empty pool is SIGBUS. */
  #own(area: Vma, page: number, from: number): number {
    const first = this.#take(area, page)
    if (first < 0) return VM_FAULT_SIGBUS
    if (from >= 0) this.#frames.memory.copy(first, 0, from, 0, HUGE_BYTES)
    return this.#map(page, first, accessOfProt(area.prot))
  }

  #makeExclusive(area: Vma, page: number, frame: number): number {
    if (this.#frames.owners(frame) === 1) {
      this.#table.changeAccess(pageHi(page), pageLo(page), HUGE_FRAMES, 0, accessOfProt(area.prot))
      return 0
    }
    const copy = this.#take(area, page)
    if (copy < 0) return VM_FAULT_SIGBUS
    this.#frames.memory.copy(copy, 0, frame, 0, HUGE_BYTES)
    this.#unmap(page)
    this.#notifiers.invalidate(page, page + HUGE_FRAMES)
    const bits = this.#map(page, copy, accessOfProt(area.prot))
    this.#frames.freeContiguous(frame, HUGE_FRAMES)
    return bits
  }

  /** First frame of a new huge page, a promised one if there is one; -1: none left. */
  #take(area: Vma, page: number): number {
    const promised = area.reservation?.has(page) ?? false
    try {
      const first = this.#frames.huge.alloc(promised)
      if (promised) area.reservation!.taken(page, first)
      return first
    } catch (thrown) {
      if (!isErrno(thrown)) throw thrown
      return -1
    }
  }

  /** By halves, which keeps the table: mapping the copy cannot fail then. */
  #unmap(page: number): void {
    const half = HUGE_FRAMES / 2
    this.#table.unmap(pageHi(page), pageLo(page), half)
    this.#table.unmap(pageHi(page + half), pageLo(page + half), half)
  }

  /** Maps a huge page whose references are ours, and puts them when there is no table for it. */
  #map(page: number, first: number, access: number): number {
    try {
      this.#table.map(pageHi(page), pageLo(page), first, HUGE_FRAMES, access, SHIFT_MAX)
    } catch (thrown) {
      this.#frames.freeContiguous(first, HUGE_FRAMES)
      if (!isErrno(thrown)) throw thrown
      return VM_FAULT_OOM
    }
    return 0
  }
}
