// SPDX-License-Identifier: MIT
import { EACCES, EEXIST, EINVAL, ENOMEM, type Errno } from '../../base/errno.ts'
import { AREAS_MAX } from '../../base/limits.ts'
import { hiOf, loOf, pageHi, pageLo, pageOf } from '../../base/u64.ts'
import type { PageTable } from '../../hardware/page-tables/page-table.ts'
import type { Failpoints } from '../../sim/failpoint.ts'
import type { FrameAllocator } from './frame-allocator.ts'
import { HugeObject } from './huge-object.ts'
import { HUGE_FRAMES } from './huge-pool.ts'
import { HugeReservation } from './huge-reservation.ts'
import type { MappedObject, ObjectMapper } from './mapped-object.ts'
import { MemoryObject } from './memory-object.ts'
import type { MmapOptions } from './mmap-options.ts'
import type { Notifiers } from './notifiers.ts'
import { accessOfProt, PROT_ALL, PROT_WRITE } from './prot.ts'
import { type Backing, Vma } from './vma.ts'
import { VmaList } from './vma-list.ts'
import type { Zapper } from './zap.ts'

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

/** What is done with the part of an area that lies in [start, end). */
type AreaAction = (area: Vma, start: number, end: number) => void

/** The areas of an address space and what mmap, munmap, mprotect and madvise do with them. */
export class Areas implements ObjectMapper {
  readonly list: VmaList = new VmaList()
  readonly #options: AreasOptions

  constructor(options: AreasOptions) {
    this.#options = options
  }

  /** EINVAL, EEXIST, ENOMEM (no room, or past user space), and what `options.backing` throws. */
  map(options: MmapOptions): Vma {
    const pages = mappedPages(options)
    if ((options.prot & ~PROT_ALL) !== 0) throw EINVAL
    this.#alloc()
    const start = this.findPlace(options, pages)
    if (options.address !== undefined) this.#remove(start, start + pages)
    const end = start + pages
    const backing = options.backing?.() ?? options
    const made = backing.object === undefined && backing.shared === true
    const object = made ? this.#sharedMemory(backing, options, pages) : backing.object
    const area = new Vma(this, start, end, options.prot, made ? { ...backing, object } : backing)
    if (made) object?.put()
    this.#promise(area, options)
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

  /** EINVAL; EACCES, ENOMEM at a hole: what lies below has been changed. */
  protect(address: bigint, lengthBytes: number, prot: number): void {
    const start = pageOfAddress(address)
    const end = start + pagesOf(lengthBytes)
    if ((prot & ~PROT_ALL) !== 0) throw EINVAL
    let reached = start
    try {
      while (reached < end) reached = this.#protectNext(reached, end, prot)
    } finally {
      if (reached > start) this.#options.notifiers.invalidate(start, reached)
      this.list.join(start, end)
    }
  }

  /** MADV_DONTNEED. EINVAL; ENOMEM: the range has a hole, what is there has been dropped. */
  discard(address: bigint, lengthBytes: number): void {
    this.#eachIn(address, lengthBytes, (area, start, end) => {
      if (area.object?.device === true) throw EINVAL
      if (!area.huge) return this.#options.zapper.zap(start, end)
      if (start % HUGE_FRAMES !== 0) throw EINVAL
      const whole = end - (end % HUGE_FRAMES)
      if (whole === start) return
      this.#options.zapper.zap(start, whole)
      area.reservation?.restore(start, whole)
    })
  }

  /** MADV_DONTFORK and MADV_DOFORK. EINVAL, ENOMEM. */
  setDontFork(address: bigint, lengthBytes: number, dontFork: boolean): void {
    this.#eachIn(address, lengthBytes, (area, start, end) => {
      if (!dontFork && area.object?.device === true) throw EINVAL
      if (area.dontFork === dontFork) return
      this.#cut(start, end)
      this.list.at(this.list.indexAfter(start))!.dontFork = dontFork
      this.list.join(start, end)
    })
  }

  /** Looks whether the range has a hole. EINVAL, ENOMEM. */
  check(address: bigint, lengthBytes: number): void {
    this.#eachIn(address, lengthBytes, () => {})
  }

  /** Everything goes. */
  clear(): void {
    this.#options.zapper.zap(0, USER_END_PAGE)
    this.list.remove(0, USER_END_PAGE)
  }

  zapObject(object: MappedObject, firstPage: number, endPage: number): void {
    for (let index = 0; index < this.list.length; index++) {
      const area = this.list.at(index)!
      if (area.object !== object) continue
      const start = area.start + Math.max(firstPage - area.objectPage, 0)
      const end = Math.min(area.start + (endPage - area.objectPage), area.end)
      if (start < end) this.#options.zapper.zap(start, end)
    }
  }

  /** First page of the place for a mapping. EINVAL, EEXIST, ENOMEM. */
  findPlace(options: MmapOptions, pages: number = mappedPages(options)): number {
    const { address, noReplace, hint, huge } = options
    if (address === undefined) return this.#firstFit(pages, huge === true ? HUGE_FRAMES : 1, hint)
    const start = pageOfAddress(address)
    if (start + pages > USER_END_PAGE) throw ENOMEM
    if (huge === true && start % HUGE_FRAMES !== 0) throw EINVAL
    if (noReplace === true && this.list.overlaps(start, start + pages)) throw EEXIST
    return start
  }

  #firstFit(pages: number, align: number, hint: bigint | undefined): number {
    if (hint !== undefined) {
      const wanted = Math.ceil(pageOfAddress(hint) / align) * align
      if (wanted + pages <= USER_END_PAGE && !this.list.overlaps(wanted, wanted + pages)) return wanted
    }
    const down = this.#options.topDown ? this.list.gapBelow(TOP_DOWN_PAGE, pages, align) : -1
    const start = down > 0 ? down : this.list.gapAbove(BOTTOM_UP_PAGE, USER_END_PAGE, pages, align)
    if (start < 0) throw ENOMEM
    return start
  }

  /** Shared anonymous memory: an object that nobody else knows. ENOMEM. */
  #sharedMemory({ huge }: Backing, { noReserve }: MmapOptions, pages: number): MappedObject {
    const { frames } = this.#options
    if (huge !== true) return new MemoryObject({ frames, pages })
    const object = new HugeObject(frames, pages)
    if (noReserve !== true) object.reserve(0, pages)
    return object
  }

  /** Promises a private mapping its huge pages. ENOMEM: the area is released. */
  #promise(area: Vma, { noReserve }: MmapOptions): void {
    if (!area.huge || area.shared || noReserve === true) return
    try {
      area.reservation = new HugeReservation(this.#options.frames.huge, area.start, area.end)
    } catch (thrown) {
      area.release()
      throw thrown
    }
  }

  #remove(start: number, end: number): void {
    const limit = Math.min(end, USER_END_PAGE)
    if (!this.list.overlaps(start, limit)) return
    this.#cut(start, limit)
    this.#options.zapper.zap(start, limit)
    this.list.remove(start, limit)
  }

  /** EINVAL: inside a huge page; ENOMEM. */
  #cut(start: number, end: number): void {
    const below = this.list.cutAt(start)
    const above = this.list.cutAt(end)
    if (below === undefined && above === undefined) return
    if (below?.huge === true && start % HUGE_FRAMES !== 0) throw EINVAL
    if (above?.huge === true && end % HUGE_FRAMES !== 0) throw EINVAL
    if (below !== undefined) this.#alloc()
    if (above !== undefined) this.#alloc()
    this.list.cut(start, end)
  }

  /** Protects the area at page `start` as far as `end`; returns where it stopped. */
  #protectNext(start: number, end: number, prot: number): number {
    const found = this.list.at(this.list.indexAfter(start))
    if (found === undefined || found.start > start) throw ENOMEM
    if ((prot & ~found.maxProt) !== 0) throw EACCES
    const stop = Math.min(end, found.end)
    if (found.prot === prot) return stop
    this.#cut(start, stop)
    const area = this.list.at(this.list.indexAfter(start))!
    area.prot = prot
    const access = accessOfProt(prot)
    // A private page that was write-protected may be shared: only a fault grants it again.
    const keep = area.shared ? 0 : access & PROT_WRITE
    this.#options.table.changeAccess(pageHi(start), pageLo(start), stop - start, keep, access & ~keep)
    return stop
  }

  /** Does something with each area of a range, ascending. ENOMEM at the end when there was a hole. */
  #eachIn(address: bigint, lengthBytes: number, action: AreaAction): void {
    let reached = pageOfAddress(address)
    const end = reached + pagesOf(lengthBytes)
    let failure: Errno | undefined
    while (reached < end) {
      const area = this.list.at(this.list.indexAfter(reached))
      if (area === undefined || area.start > reached) failure = ENOMEM
      if (area === undefined || area.start >= end) break
      const start = Math.max(area.start, reached)
      reached = Math.min(area.end, end)
      action(area, start, reached)
    }
    if (failure !== undefined) throw failure
  }

  #alloc(): void {
    if (this.#options.failpoints.hit('alloc_vma') || this.list.length >= AREAS_MAX) throw ENOMEM
  }
}

/** Pages that a mapping takes. EINVAL. */
function mappedPages({ lengthBytes, huge }: MmapOptions): number {
  const pages = pagesOf(lengthBytes)
  return huge === true ? Math.ceil(pages / HUGE_FRAMES) * HUGE_FRAMES : pages
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
