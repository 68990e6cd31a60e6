// SPDX-License-Identifier: MIT
import { EEXIST, EINVAL, ENOMEM } from '../../base/errno.ts'
import { hiOf, loOf, pageHi, pageLo, pageOf } from '../../base/u64.ts'
import type { PageTable } from '../../hardware/page-tables/page-table.ts'
import type { Failpoints } from '../../sim/failpoint.ts'
import type { FrameAllocator } from './frame-allocator.ts'
import type { MappedObject, ObjectMapper } from './mapped-object.ts'
import { MemoryObject } from './memory-object.ts'
import type { Notifiers } from './notifiers.ts'
import { accessOfProt, PROT_ALL, PROT_WRITE } from './prot.ts'
import { type AreaHolder, Vma } from './vma.ts'
import { VmaList } from './vma-list.ts'
import type { Zapper } from './zap.ts'

export interface MmapOptions {
  /** Rounded up to pages. */
  readonly lengthBytes: number
  /** PROT_ bits. */
  readonly prot: number
  /** Fixed place, page aligned; what is there goes away (MAP_FIXED). Default: first fit. */
  readonly address?: bigint
  /** With `address`: EEXIST when something is there. */
  readonly noReplace?: boolean
  /** Shared with children; private otherwise. */
  readonly shared?: boolean
  /** What stands behind the mapping; anonymous memory otherwise. */
  readonly object?: MappedObject
  /** First page of `object` that is mapped. Default 0. */
  readonly objectPage?: number
  /** What mprotect may grant. Default everything. */
  readonly maxProt?: number
  /** Kept by every area that shows the mapping. */
  readonly holder?: AreaHolder
  /** Fault every page in now; what cannot be is left for later, as MAP_POPULATE does. */
  readonly populate?: boolean
}

/** First page past user space: 47-bit addresses less the last page. */
export const USER_END_PAGE = 0x7ffffffff
/** Where first fit looks: from here down, or from here up. */
const TOP_DOWN_PAGE = 0x7ffff7fff
const BOTTOM_UP_PAGE = 0x2aaaaaaab

export interface AreasOptions {
  readonly frames: FrameAllocator
  readonly failpoints: Failpoints
  readonly table: PageTable
  readonly notifiers: Notifiers
  readonly zapper: Zapper
  readonly topDown: boolean
}

/** The areas of an address space and what mmap, munmap and mprotect do with them. */
export class Areas implements ObjectMapper {
  readonly list: VmaList = new VmaList()
  readonly #options: AreasOptions

  constructor(options: AreasOptions) {
    this.#options = options
  }

  /** EINVAL, EEXIST, ENOMEM (no room, or past user space). */
  map(options: MmapOptions): Vma {
    const pages = pagesOf(options.lengthBytes)
    if ((options.prot & ~PROT_ALL) !== 0) throw EINVAL
    this.#alloc()
    const start = this.#place(options, pages)
    const object = this.#objectFor(options, pages)
    const area = new Vma(this, start, start + pages, options.prot, { ...options, object })
    if (object !== options.object) object?.put()
    this.list.insert(area)
    return area
  }

  /** Adds a copy of a parent's area. ENOMEM. */
  inherit(area: Vma): void {
    this.#alloc()
    this.list.insert(area.clone(this))
  }

  /** EINVAL, ENOMEM. */
  unmap(address: bigint, lengthBytes: number): void {
    const start = pageOfAddress(address)
    this.#remove(start, start + pagesOf(lengthBytes))
  }

  /** EINVAL; ENOMEM at a hole. */
  protect(address: bigint, lengthBytes: number, prot: number): void {
    const start = pageOfAddress(address)
    const end = start + pagesOf(lengthBytes)
    if ((prot & ~PROT_ALL) !== 0) throw EINVAL
    this.#cut(start, end)
    const reached = this.#protectUpTo(start, end, prot)
    if (reached > start) this.#options.notifiers.invalidate(start, reached)
    this.list.join(start, end)
    if (reached < end) throw ENOMEM
  }

  /** EINVAL, ENOMEM. */
  discard(address: bigint, lengthBytes: number): void {
    const start = pageOfAddress(address)
    const end = start + pagesOf(lengthBytes)
    const whole = this.#covered(start, end) === end
    this.#options.zapper.zap(start, Math.min(end, USER_END_PAGE))
    if (!whole) throw ENOMEM
  }

  /** Everything goes. */
  clear(): void {
    this.list.remove(0, USER_END_PAGE)
    this.#options.zapper.zap(0, USER_END_PAGE)
  }

  /** The pages of `object` from `firstPage` up to (not including) `endPage` go out of every area that shows them. */
  zapObject(object: MappedObject, firstPage: number, endPage: number): void {
    for (let index = 0; index < this.list.length; index++) {
      const area = this.list.at(index)
      if (area.object !== object) continue
      const start = area.start + Math.max(firstPage - area.objectPage, 0)
      const end = Math.min(area.start + (endPage - area.objectPage), area.end)
      if (start < end) this.#options.zapper.zap(start, end)
    }
  }

  #place({ address, noReplace }: MmapOptions, pages: number): number {
    if (address === undefined) return this.#firstFit(pages)
    const start = pageOfAddress(address)
    if (start + pages > USER_END_PAGE) throw ENOMEM
    if (noReplace === true && this.list.overlaps(start, start + pages)) throw EEXIST
    this.#remove(start, start + pages)
    return start
  }

  #firstFit(pages: number): number {
    const down = this.#options.topDown ? this.list.gapBelow(TOP_DOWN_PAGE, pages) : -1
    const start = down > 0 ? down : this.list.gapAbove(BOTTOM_UP_PAGE, USER_END_PAGE, pages)
    if (start < 0) throw ENOMEM
    return start
  }

  #objectFor({ object, shared }: MmapOptions, pages: number): MappedObject | undefined {
    if (object !== undefined || shared !== true) return object
    return new MemoryObject({ frames: this.#options.frames, pages })
  }

  #remove(start: number, end: number): void {
    const limit = Math.min(end, USER_END_PAGE)
    if (!this.list.overlaps(start, limit)) return
    this.#cut(start, limit)
    this.list.remove(start, limit)
    this.#options.zapper.zap(start, limit)
  }

  #cut(start: number, end: number): void {
    for (let cuts = this.list.cutsNeeded(start, end); cuts > 0; cuts--) this.#alloc()
    this.list.cut(start, end)
  }

  /** Protects the areas from `start` on up to a hole or `end`; returns where it stopped. */
  #protectUpTo(start: number, end: number, prot: number): number {
    const access = accessOfProt(prot)
    let reached = start
    for (let index = this.list.indexAfter(start); index < this.list.length; index++) {
      const area = this.list.at(index)
      if (area.start !== reached || reached >= end) break
      area.prot = prot
      // A private page that was write-protected may be shared: only a fault grants it again.
      const keep = area.shared ? 0 : access & PROT_WRITE
      this.#options.table.changeAccess(
        pageHi(area.start),
        pageLo(area.start),
        area.end - area.start,
        keep,
        access & ~keep,
      )
      reached = area.end
    }
    return reached
  }

  /** End of the areas that follow each other from `start` on, at most `end`. */
  #covered(start: number, end: number): number {
    let reached = start
    for (let index = this.list.indexAfter(start); index < this.list.length && reached < end; index++) {
      const area = this.list.at(index)
      if (area.start > reached) break
      reached = area.end
    }
    return Math.min(reached, end)
  }

  #alloc(): void {
    if (this.#options.failpoints.hit('alloc_vma')) throw ENOMEM
  }
}

function pagesOf(lengthBytes: number): number {
  if (!Number.isSafeInteger(lengthBytes) || lengthBytes <= 0) throw EINVAL
  return Math.ceil(lengthBytes / 4096)
}

function pageOfAddress(address: bigint): number {
  const lo = loOf(address)
  if ((lo & 0xfff) !== 0) throw EINVAL
  return pageOf(hiOf(address), lo)
}
