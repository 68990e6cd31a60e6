// SPDX-License-Identifier: MIT
import { PAGE_BYTES, PAGE_SHIFT, pageHi, pageLo, pageOf, toNumber } from '../../../base/u64.ts'
import type { Domain } from '../../../kernel/iommu/domain.ts'
import { Pages, pagesBetween } from './pages.ts'

/** Areas that a pool keeps for later. */
const POOL_KEPT_MAX = 65_536
const PAGE_MASK = PAGE_BYTES - 1

/** A mapping of an IOAS: I/O addresses start … last show a part of a pages object. */
export class Area {
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
  accessCount = 0
  /** Pins that may not be taken away (hardware queues). */
  lockCount = 0

  /** Pages of the pages object that it shows. */
  get pageCount(): number {
    return pagesBetween(this.startHi, this.startLo, this.lastHi, this.lastLo)
  }

  /** Maps the pinned pages in the domain, as few calls as their frames allow. Undone on failure. */
  fill(domain: Domain): void {
    if (((this.startLo | (this.lastLo + 1) | this.pageOffset) & PAGE_MASK) !== 0)
      return this.#fillGranules(domain)
    const count = this.pageCount
    if (count === 1) {
      domain.map(this.startHi, this.startLo, this.pages.frameAt(this.pageIndex), 1, this.access)
      return
    }
    const { frames } = this.pages
    let done = 0
    try {
      while (done < count) done += this.#fillRun(domain, frames, done, count)
    } catch (thrown) {
      if (done > 0) domain.unmap(this.startHi, this.startLo, done)
      throw thrown
    }
  }

  unfill(domain: Domain): void {
    if (((this.startLo | (this.lastLo + 1) | this.pageOffset) & PAGE_MASK) !== 0)
      domain.unmapGranules(this.startHi, this.startLo, this.#bytes / 2 ** domain.pageShift)
    else domain.unmap(this.startHi, this.startLo, this.pageCount)
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

  /** As `fill` where pages and IOVA do not lie page on page: only in domains with pages below 4 KiB. */
  #fillGranules(domain: Domain): void {
    const shift = domain.pageShift
    const end = this.#bytes
    let done = 0
    try {
      while (done < end) {
        const source = this.pageOffset + done
        const length = Math.min(end - done, PAGE_BYTES - (source & PAGE_MASK))
        const frame = this.pages.frameAt(this.pageIndex + Math.floor(source / PAGE_BYTES))
        const lo = (this.startLo >>> 0) + done
        const hi = (this.startHi + Math.floor(lo / 4294967296)) | 0
        const granule = frame * 2 ** (PAGE_SHIFT - shift) + ((source & PAGE_MASK) >> shift)
        domain.mapGranules(hi, lo | 0, granule, length >> shift, this.access)
        done += length
      }
    } catch (thrown) {
      if (done > 0) domain.unmapGranules(this.startHi, this.startLo, done / 2 ** shift)
      throw thrown
    }
  }

  /** Maps the consecutive frames from page `from` on. Returns how many. */
  #fillRun(domain: Domain, frames: Int32Array, from: number, count: number): number {
    const first = frames[this.pageIndex + from]!
    let length = 1
    while (from + length < count && frames[this.pageIndex + from + length] === first + length) length++
    const page = pageOf(this.startHi, this.startLo) + from
    domain.map(pageHi(page), pageLo(page), first, length, this.access)
    return length
  }
}

/** Areas out of use, with their pages objects: in steady state mapping allocates nothing. */
export class AreaPool {
  readonly #areas: Area[] = []

  take(): Area {
    return this.#areas.pop() ?? new Area()
  }

  /** The area is in no map and in no domain. */
  give(area: Area): void {
    const { pages } = area
    pages.users--
    if (pages.users === 0) pages.close()
    else area.pages = new Pages()
    if (this.#areas.length < POOL_KEPT_MAX) this.#areas.push(area)
  }
}
