// SPDX-License-Identifier: MIT
import { PAGE_BYTES, PAGE_SHIFT, pageHi, pageLo, pageOf, toNumber } from '../../../base/u64.ts'
import { EINVAL } from '../../../base/errno.ts'
import { type Domain, IOMMU_READ, IOMMU_WRITE } from '../../../kernel/iommu/domain.ts'
import type { Shown } from './page-source.ts'
import { Pages, pagesBetween } from './pages.ts'

/** Areas that a pool keeps for later. */
const POOL_KEPT_MAX = 65_536
const PAGE_MASK = PAGE_BYTES - 1
const PERMISSIONS: number = IOMMU_READ | IOMMU_WRITE

/** A mapping of an IOAS: I/O addresses start … last show a part of a pages object. */
export class Area implements Shown {
  startHi = 0
  startLo = 0
  lastHi = 0
  lastLo = 0
  /** A pages object of its own, or one that it shares with other areas. */
  pages: Pages = new Pages()
  /** Page of the pages object at which the area starts, and the byte in it. */
  pageIndex = 0
  pageOffset = 0
  /** IOMMU_ permission bits. */
  access = 0
  /** An access object must not pin it any more: an unmap waits. */
  preventAccess = false
  /** Pins of access objects. */
  accessCount = 0
  /** Pins that may not be taken away (hardware queues). */
  lockCount = 0

  /** Pages of I/O addresses. */
  get pageCount(): number {
    return pagesBetween(this.startHi, this.startLo, this.lastHi, this.lastLo)
  }

  /** Page of the pages object that the last byte lies in. */
  get lastPageIndex(): number {
    return this.pageIndexOf(this.lastHi, this.lastLo)
  }

  /** Page of the pages object that an address of the area shows. */
  pageIndexOf(hi: number, lo: number): number {
    const offset = (lo - this.startLo) | 0
    const above = (hi - this.startHi - (lo >>> 0 < this.startLo >>> 0 ? 1 : 0)) | 0
    const inPage = this.pageOffset + (offset & PAGE_MASK)
    return this.pageIndex + pageOf(above, offset) + (inPage >>> PAGE_SHIFT)
  }

  /** Byte in that page. */
  pageOffsetOf(lo: number): number {
    return (this.pageOffset + lo - this.startLo) & PAGE_MASK
  }

  /** For the domains that it is in, however many: pins and charges. EFAULT, EINVAL, ENOMEM; undone on failure. */
  pin(): void {
    const { pages } = this
    if (pages.plain) pages.pin()
    else pages.hold(this.pageIndex, this.lastPageIndex)
  }

  unpin(): void {
    const { pages } = this
    if (pages.plain) pages.unpin()
    else pages.release(this.pageIndex, this.lastPageIndex)
  }

  /**
   * Maps the pinned pages in the domain, as few calls as their frames allow, or page by page. EINVAL: an area without
   * permissions; and the driver's. Undone on failure.
   */
  fill(domain: Domain, largePages: boolean): void {
    const { pages } = this
    if (!pages.plain) this.#fillShared(domain, largePages)
    else if (pages.count === 1 && this.#wholePages)
      domain.map(this.startHi, this.startLo, pages.frame, 1, this.access)
    else if (this.#wholePages) this.#fillPages(domain, largePages)
    else this.#fillGranules(domain)
  }

  unfill(domain: Domain): void {
    const { pages } = this
    if (!pages.plain && this.#hide(domain)) return
    if (pages.count === 1 && this.#wholePages) domain.unmap(this.startHi, this.startLo, 1)
    else this.withdraw(domain)
  }

  withdraw(domain: Domain): void {
    if (this.#wholePages) domain.unmap(this.startHi, this.startLo, this.pageCount)
    else domain.unmapGranules(this.startHi, this.startLo, this.#bytes / 2 ** domain.pageShift)
  }

  /** Pages and I/O addresses lie page on page. */
  get #wholePages(): boolean {
    return ((this.startLo | (this.lastLo + 1) | this.pageOffset) & PAGE_MASK) === 0
  }

  /** Length; exact, because it is pinned. */
  get #bytes(): number {
    return (
      toNumber(
        this.lastHi - this.startHi - (this.lastLo >>> 0 < this.startLo >>> 0 ? 1 : 0),
        this.lastLo - this.startLo,
      ) + 1
    )
  }

  #fillShared(domain: Domain, largePages: boolean): void {
    const { buffer } = this.pages
    if (buffer?.dead === true) return
    if ((this.access & PERMISSIONS) === 0) throw EINVAL
    if (this.#wholePages) this.#fillPages(domain, largePages)
    else this.#fillGranules(domain)
    buffer?.shows(this, domain)
  }

  /** Whether a dma-buf that was taken back is out of the domain already. */
  #hide(domain: Domain): boolean {
    const { buffer } = this.pages
    buffer?.hides(this, domain)
    return buffer?.dead === true
  }

  #fillPages(domain: Domain, largePages: boolean): void {
    const count = this.pageCount
    if (count === 1) {
      domain.map(this.startHi, this.startLo, this.pages.frameAt(this.pageIndex), 1, this.access)
      return
    }
    let done = 0
    try {
      while (done < count) done += this.#fillRun(domain, done, largePages ? count - done : 1)
    } catch (thrown) {
      if (done > 0) domain.unmap(this.startHi, this.startLo, done)
      throw thrown
    }
  }

  /** As `#fillPages` where pages and IOVA do not lie page on page: only in domains with pages below 4 KiB. */
  #fillGranules(domain: Domain): void {
    const shift = domain.pageShift
    const end = this.#bytes
    let done = 0
    try {
      while (done < end) {
        const source = this.pageOffset + done
        const inPage = source & PAGE_MASK
        const index = this.pageIndex + Math.floor(source / PAGE_BYTES)
        const frame = this.pages.frameAt(index)
        const run = this.pages.runLength(index, frame, Math.ceil((end - done + inPage) / PAGE_BYTES))
        const length = Math.min(end - done, run * PAGE_BYTES - inPage)
        const lo = (this.startLo >>> 0) + done
        const hi = (this.startHi + Math.floor(lo / 4294967296)) | 0
        const granule = frame * 2 ** (PAGE_SHIFT - shift) + (inPage >> shift)
        domain.mapGranules(hi, lo | 0, granule, length / 2 ** shift, this.access)
        done += length
      }
    } catch (thrown) {
      if (done > 0) domain.unmapGranules(this.startHi, this.startLo, done / 2 ** shift)
      throw thrown
    }
  }

  /** Maps the consecutive frames from page `from` on, `max` at most. Returns how many. */
  #fillRun(domain: Domain, from: number, max: number): number {
    const { pages } = this
    const index = this.pageIndex + from
    const frame = pages.frameAt(index)
    const length = pages.runLength(index, frame, max)
    const page = pageOf(this.startHi, this.startLo) + from
    domain.map(pageHi(page), pageLo(page), frame, length, this.access)
    return length
  }
}

/** Areas out of use, with their pages objects: in steady state mapping allocates nothing. */
export class AreaPool {
  readonly #areas: Area[] = []

  take(): Area {
    return this.#areas.pop() ?? new Area()
  }

  /** An area that shows a pages object of others too, or a part of one. */
  takeSharing(pages: Pages): Area {
    const area = this.take()
    pages.share()
    area.pages = pages
    pages.users++
    return area
  }

  /** The area is in no map and in no domain. */
  give(area: Area): void {
    const { pages } = area
    area.preventAccess = false
    pages.users--
    if (pages.users === 0) pages.close()
    else area.pages = new Pages()
    if (this.#areas.length < POOL_KEPT_MAX) this.#areas.push(area)
  }
}
