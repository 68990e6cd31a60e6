// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { EADDRINUSE, EINVAL } from '../../../base/errno.ts'
import { RangeMap } from '../../../base/range-map.ts'
import { PAGE_BYTES, PAGE_SHIFT, pageHi, pageLo } from '../../../base/u64.ts'
import type { Device } from '../../../kernel/iommu/device.ts'
import type { Domain } from '../../../kernel/iommu/domain.ts'
import { RESERVED_DIRECT_RELAXABLE } from '../../../kernel/iommu/driver.ts'
import type { Failpoints } from '../../../sim/failpoint.ts'
import { cutArea } from './area-cut.ts'
import { type Area, AreaPool } from './areas.ts'
import { IommufdObject, OBJECT_IOAS } from '../object-table.ts'
import { type AllowedRanges, noAllowedRanges, ReservedRanges } from './reserved.ts'

const PAGES_ALL = 2 ** 52

/** An access object that is attached. */
export interface IoasAccess {
  /** What it needs addresses to be multiples of. */
  readonly alignment: number
  /** Its pins in the range must be gone when this returns; a hardware queue's are never given up. */
  notifyUnmap(hi: number, lo: number, lengthHi: number, lengthLo: number): void
}

/**
 * An I/O address space (`spec/02` §3): areas, the domains that hold all of them, and the accesses that read, write and pin
 * them. Without a domain or a pin nothing is pinned; with a domain, every area is pinned and in every domain.
 */
export class IoasObject extends IommufdObject {
  readonly areas: RangeMap<Area> = new RangeMap<Area>()
  readonly pool: AreaPool = new AreaPool()
  readonly reserved: ReservedRanges = new ReservedRanges()
  allowed: AllowedRanges = noAllowedRanges()
  readonly domains: Domain[] = []
  /** By place: the lowest free one is taken. */
  readonly accesses: (IoasAccess | undefined)[] = []
  /** Page tables over it, in order of creation. */
  readonly hwpts: IommufdObject[] = []
  /** What every address, length and page offset is a multiple of (`spec/02` §3.2). */
  alignment = 1
  largePages = true

  constructor() {
    super(OBJECT_IOAS)
  }

  destroy(): void {
    assert(this.domains.length === 0, `IOAS is destroyed with ${this.domains.length} domains`)
    this.removeAll()
  }

  /** Fills the area, already in the map, into all domains. EFAULT, ENOMEM, the driver's; undone on failure. */
  fillArea(area: Area): void {
    const { domains } = this
    if (domains.length === 0) return
    area.pin()
    let done = 0
    try {
      for (; done < domains.length; done++) area.fill(domains[done]!, this.largePages)
    } catch (thrown) {
      while (--done >= 0) area.unfill(domains[done]!)
      area.unpin()
      throw thrown
    }
  }

  /** Takes the area, no longer in the map, out of all domains. */
  releaseArea(area: Area): void {
    this.emptyArea(area)
    this.pool.give(area)
  }

  /** Undoes `fillArea`. */
  emptyArea(area: Area): void {
    const { domains } = this
    for (let i = 0; i < domains.length; i++) area.unfill(domains[i]!)
    if (domains.length > 0) area.unpin()
  }

  /** Takes the area, in no domain, out of the map. */
  dropArea(area: Area): void {
    this.areas.remove(this.areas.find(area.startHi, area.startLo))
    this.pool.give(area)
  }

  /**
   * Cuts the area that goes on behind the byte (hi, lo), so that it ends there. EINVAL: unaligned, pinned by an access, or
   * in a domain with large pages; EBUSY; EOPNOTSUPP: a dma-buf's; ENOMEM.
   */
  cutArea(hi: number, lo: number, failpoints: Failpoints): void {
    cutArea(this, hi, lo, failpoints)
  }

  removeAll(): void {
    for (let slot = this.areas.first(); slot >= 0; ) {
      const area = this.areas.valueAt(slot)
      slot = this.areas.remove(slot)
      this.releaseArea(area)
    }
  }

  /** EINVAL (its pages are too large), EADDRINUSE (alignment, aperture), EFAULT, ENOMEM; undone on failure. */
  addDomain(domain: Domain): void {
    if (domain.pageShift > PAGE_SHIFT) throw EINVAL
    const alignment = Math.max(this.alignment, 2 ** domain.pageShift)
    this.#checkAlignment(alignment)
    try {
      this.#reserveAperture(domain)
      this.#fillDomain(domain)
    } catch (thrown) {
      this.reserved.removeOwner(domain)
      throw thrown
    }
    this.domains.push(domain)
    this.alignment = alignment
  }

  removeDomain(domain: Domain): void {
    const index = this.domains.indexOf(domain)
    assert(index >= 0, 'the domain is not of this IOAS')
    this.domains.splice(index, 1)
    for (const area of this.areas.values()) this.#unfillDomain(area, domain)
    this.reserved.removeOwner(domain)
    this.updateAlignment()
  }

  /** Its place among the accesses. EADDRINUSE: an area does not fit its alignment. */
  addAccess(access: IoasAccess): number {
    this.#checkAlignment(Math.max(this.alignment, access.alignment))
    const free = this.accesses.indexOf(undefined)
    const place = free < 0 ? this.accesses.length : free
    this.accesses[place] = access
    this.updateAlignment()
    return place
  }

  removeAccess(place: number): void {
    assert(this.accesses[place] !== undefined, 'the access is not of this IOAS')
    this.accesses[place] = undefined
    this.updateAlignment()
  }

  /** EADDRINUSE: the range is in use or allowed for automatic addresses. No owner: reserved as long as the IOAS lives. */
  reserve(startHi: number, startLo: number, lastHi: number, lastLo: number, owner: object | undefined): void {
    if (this.areas.firstOverlap(startHi, startLo, lastHi, lastLo) >= 0) throw EADDRINUSE
    if (this.allowed.firstOverlap(startHi, startLo, lastHi, lastLo) >= 0) throw EADDRINUSE
    this.reserved.add(startHi, startLo, lastHi, lastLo, owner)
  }

  /** `reserve` by pages, both included. */
  reservePages(firstPage: number, lastPage: number, owner: object): void {
    const lastLo = pageLo(lastPage) | (PAGE_BYTES - 1)
    this.reserve(pageHi(firstPage), pageLo(firstPage), pageHi(lastPage), lastLo, owner)
  }

  /** The device's own windows, at attach of its RID. EADDRINUSE; undone on failure. */
  reserveDevice(device: Device): void {
    try {
      for (const region of device.reservedRegions)
        if (region.kind !== RESERVED_DIRECT_RELAXABLE)
          this.reservePages(region.firstPage, region.lastPage, device)
    } catch (thrown) {
      this.reserved.removeOwner(device)
      throw thrown
    }
  }

  /** After a domain, an access or an option is there or gone. */
  updateAlignment(): void {
    let alignment = this.largePages ? 1 : PAGE_BYTES
    for (const domain of this.domains) alignment = Math.max(alignment, 2 ** domain.pageShift)
    for (const access of this.accesses) alignment = Math.max(alignment, access?.alignment ?? 1)
    this.alignment = alignment
  }

  /** Nothing happens when they are off. EINVAL (domains show areas), EADDRINUSE (areas that are not whole pages). */
  disableLargePages(): void {
    if (!this.largePages) return
    if (this.domains.length > 0 && this.areas.size > 0) throw EINVAL
    this.#checkAlignment(Math.max(this.alignment, PAGE_BYTES))
    this.largePages = false
    this.updateAlignment()
  }

  enableLargePages(): void {
    this.largePages = true
    this.updateAlignment()
  }

  /** EADDRINUSE: an area does not fit. */
  #checkAlignment(alignment: number): void {
    if (alignment === this.alignment) return
    const mask = alignment - 1
    for (const area of this.areas.values())
      if (((area.startLo | (area.lastLo + 1) | area.pageOffset) & mask) !== 0) throw EADDRINUSE
  }

  #reserveAperture(domain: Domain): void {
    if (domain.firstPage > 0) this.reservePages(0, domain.firstPage - 1, domain)
    if (domain.lastPage < PAGES_ALL - 1) this.reservePages(domain.lastPage + 1, PAGES_ALL - 1, domain)
  }

  #fillDomain(domain: Domain): void {
    const filled: Area[] = []
    try {
      for (const area of this.areas.values()) {
        this.#fillInto(area, domain)
        filled.push(area)
      }
    } catch (thrown) {
      for (const area of filled) this.#unfillDomain(area, domain)
      throw thrown
    }
  }

  #fillInto(area: Area, domain: Domain): void {
    const first = this.domains.length === 0
    if (first) area.pin()
    try {
      area.fill(domain, this.largePages)
    } catch (thrown) {
      if (first) area.unpin()
      throw thrown
    }
  }

  /** The domain is not in `domains` (any more). */
  #unfillDomain(area: Area, domain: Domain): void {
    area.unfill(domain)
    if (this.domains.length === 0) area.unpin()
  }
}
