// SPDX-License-Identifier: MIT
import { isErrno } from '../../base/errno.ts'
import { pageOf } from '../../base/u64.ts'
import type { PhysicalMemory } from '../../hardware/memory.ts'
import type { PageTable } from '../../hardware/page-tables/page-table.ts'
import { FAULT_FLAG_UNSHARE, FAULT_FLAG_WRITE, VM_FAULT_ERROR, VM_FAULT_OOM } from './fault-flags.ts'
import type { FrameAllocator } from './frame-allocator.ts'
import { HugeFaults } from './huge-fault.ts'
import type { Notifiers } from './notifiers.ts'
import { accessOfProt, PROT_NONE, PROT_WRITE } from './prot.ts'
import type { Vma } from './vma.ts'

/** Small pages only. */
const SHIFT_MAX = 12

/** Makes pages of an area present: demand zero, pages of an object, copies on write. */
export class PageFaults {
  readonly #memory: PhysicalMemory
  readonly #frames: FrameAllocator
  readonly #table: PageTable
  readonly #notifiers: Notifiers
  readonly #huge: HugeFaults

  constructor(memory: PhysicalMemory, frames: FrameAllocator, table: PageTable, notifiers: Notifiers) {
    this.#memory = memory
    this.#frames = frames
    this.#table = table
    this.#notifiers = notifiers
    this.#huge = new HugeFaults(frames, table, notifiers)
  }

  /** Faults the page of `area` at (hi, lo) in; the area allows what `flags` want. VM_FAULT_ bits. */
  handle(area: Vma, hi: number, lo: number, flags: number): number {
    if (area.prot === PROT_NONE) return 0
    if (area.huge) return this.#huge.handle(area, hi, lo, flags)
    const frame = this.#table.frameAt(hi, lo, 0)
    const exclusive = !area.shared && (flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) !== 0
    try {
      if (frame >= 0) return exclusive ? this.#makeExclusive(area, hi, lo, frame) : 0
      if (area.object === undefined) return this.#demandZero(area, hi, lo)
      return this.#fromObject(area, hi, lo, exclusive)
    } catch (error) {
      if (!isErrno(error)) throw error
      return VM_FAULT_OOM
    }
  }

  #demandZero(area: Vma, hi: number, lo: number): number {
    this.#mapOwned(hi, lo, this.#frames.allocZeroed(), accessOfProt(area.prot))
    return 0
  }

  #fromObject(area: Vma, hi: number, lo: number, exclusive: boolean): number {
    const object = area.object!
    const bits = object.fault(area.objectPage + (pageOf(hi, lo) - area.start))
    if ((bits & VM_FAULT_ERROR) !== 0) return bits
    if (exclusive) {
      this.#mapOwned(hi, lo, this.#copyOf(object.found), accessOfProt(area.prot))
      return bits
    }
    if (this.#frames.owns(object.found)) this.#frames.get(object.found)
    this.#mapOwned(hi, lo, object.found, accessOfProt(area.shared ? area.prot : area.prot & ~PROT_WRITE))
    return bits
  }

  /** A private page that is there must become this address space's alone. Pins are of this address space. */
  #makeExclusive(area: Vma, hi: number, lo: number, frame: number): number {
    const access = accessOfProt(area.prot)
    if (this.#frames.owners(frame) === 1) {
      this.#table.changeAccess(hi, lo & ~0xfff, 1, 0, access)
      return 0
    }
    const copy = this.#copyOf(frame)
    this.#table.unmap(hi, lo & ~0xfff, 1)
    const page = pageOf(hi, lo)
    this.#notifiers.invalidate(page, page + 1)
    this.#mapOwned(hi, lo, copy, access)
    this.#frames.put(frame)
    return 0
  }

  #copyOf(frame: number): number {
    const copy = this.#frames.alloc()
    this.#memory.copy(copy, 0, frame, 0, 4096)
    return copy
  }

  /** Maps a frame whose reference is ours, and puts it when there is no table for it. ENOMEM. */
  #mapOwned(hi: number, lo: number, frame: number, access: number): void {
    try {
      this.#table.map(hi, lo & ~0xfff, frame, 1, access, SHIFT_MAX)
    } catch (error) {
      if (this.#frames.owns(frame)) this.#frames.put(frame)
      throw error
    }
  }
}
