// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { EOPNOTSUPP } from '../../base/errno.ts'
import type { FaultHandler } from './fault.ts'
import type { UserArray } from './user-data.ts'

/** Domain types (`spec/01` §1.2): bit flags, in Linux's numbers. */
export const DOMAIN_BLOCKED = 0x00
export const DOMAIN_UNMANAGED = 0x01
export const DOMAIN_DMA = 0x03
export const DOMAIN_IDENTITY = 0x04
export const DOMAIN_DMA_FQ = 0x0b
export const DOMAIN_SVA = 0x10
export const DOMAIN_PLATFORM = 0x20
export const DOMAIN_NESTED = 0x40
/** The bit that all page-table domains share. */
export const DOMAIN_PAGING_BIT = 0x01

export const COOKIE_NONE = 0
export const COOKIE_DMA_IOVA = 1
export const COOKIE_DMA_MSI = 2
export const COOKIE_FAULT_HANDLER = 3
export const COOKIE_SVA = 4
export const COOKIE_IOMMUFD = 5

/** Map permissions (`spec/01` §1.2). */
export const IOMMU_READ = 1
export const IOMMU_WRITE = 2
export const IOMMU_CACHE = 4
export const IOMMU_NOEXEC = 8
export const IOMMU_MMIO = 16
export const IOMMU_PRIV = 32

/** The legacy handler of unrecoverable faults: returns 0 or a positive errno number. `write`: 0 read, 1 write. */
export type LegacyFaultHandler = (
  domain: Domain,
  rid: number,
  hi: number,
  lo: number,
  write: number,
) => number

/** A run of dirty bytes, in ascending order. */
export type DirtyMark = (hi: number, lo: number, lengthBytes: number) => void

/** Dirty bits of a page table (Linux's iommu_dirty_ops). */
export interface DirtyOps {
  setTracking(on: boolean): void
  /**
   * Tells `mark` what was written in [(hi, lo), last], and forgets it unless `noClear`. Without `mark` it only forgets.
   */
  readAndClear(
    range: {
      readonly hi: number
      readonly lo: number
      readonly lastHi: number
      readonly lastLo: number
    },
    noClear: boolean,
    mark: DirtyMark | undefined,
  ): void
}

export interface DomainOptions {
  readonly type: number
  /** The driver that made it: a domain fits only devices of that driver. */
  readonly owner: object
  readonly iopfHandler?: FaultHandler | undefined
  readonly cookieType?: number
  /** Whether it can be attached to a whole device; default yes. */
  readonly attachesRid?: boolean
  /** Whether it can be attached to a PASID; default yes. */
  readonly attachesPasid?: boolean
  /** Smallest mappable size, 2^shift bytes; default 12. */
  readonly pageShift?: number
  /** Sizes of leaves, a bit each, 64 bits; default only 2^pageShift. */
  readonly pageSizesHi?: number
  readonly pageSizesLo?: number
  /** Closed aperture in 4 KiB pages; default 0 … 2^52-1. */
  readonly firstPage?: number
  readonly lastPage?: number
}

/** Linux's iommu_domain: what a device or a PASID translates with. Drivers extend it. */
export class Domain {
  readonly type: number
  readonly owner: object
  /** Fixed when the domain is made; lives exactly as long as it. */
  readonly iopfHandler: FaultHandler | undefined
  readonly attachesRid: boolean
  readonly attachesPasid: boolean
  readonly pageShift: number
  readonly pageSizesHi: number
  readonly pageSizesLo: number
  readonly firstPage: number
  readonly lastPage: number
  /** Absent: it cannot tell what was written. */
  readonly dirty: DirtyOps | undefined = undefined
  cookieType: number
  legacyHandler: LegacyFaultHandler | undefined = undefined
  #freed = false

  constructor(options: DomainOptions) {
    this.type = options.type
    this.owner = options.owner
    this.iopfHandler = options.iopfHandler
    this.cookieType = options.cookieType ?? COOKIE_NONE
    this.attachesRid = options.attachesRid ?? true
    this.attachesPasid = options.attachesPasid ?? true
    this.pageShift = options.pageShift ?? 12
    this.pageSizesHi = options.pageSizesHi ?? 0
    this.pageSizesLo = options.pageSizesLo ?? 1 << this.pageShift
    this.firstPage = options.firstPage ?? 0
    this.lastPage = options.lastPage ?? 2 ** 52 - 1
  }

  get isPaging(): boolean {
    return (this.type & DOMAIN_PAGING_BIT) !== 0
  }

  /**
   * Maps `pages` 4 KiB pages at the IOVA (hi, lo) to consecutive frames; `access` are IOMMU_ bits.
   * Throws EOPNOTSUPP without page tables, EADDRINUSE, ENOMEM, ERANGE; undone on failure.
   */
  map(_hi: number, _lo: number, _frame: number, _pages: number, _access: number): void {
    throw EOPNOTSUPP
  }

  /** Unmaps and invalidates IOTLB and device caches before it returns. Returns the pages that were mapped. */
  unmap(_hi: number, _lo: number, _pages: number): number {
    throw EOPNOTSUPP
  }

  /** `map` in granules of 2^pageShift bytes: `granule` is the physical address, `count` the length. */
  mapGranules(_hi: number, _lo: number, _granule: number, _count: number, _access: number): void {
    throw EOPNOTSUPP
  }

  /** `unmap` in granules; returns granules. */
  unmapGranules(_hi: number, _lo: number, _count: number): number {
    throw EOPNOTSUPP
  }

  /** 4 KiB frame that the IOVA translates to, or -1. */
  iovaToFrame(_hi: number, _lo: number): number {
    return -1
  }

  /** Physical byte address that the IOVA translates to. */
  physicalOf(hi: number, lo: number): number | undefined {
    const frame = this.iovaToFrame(hi, lo)
    return frame < 0 ? undefined : frame * 4096 + (lo & 4095)
  }

  /** A nested domain's: forgets what the caller changed in its own tables. EINVAL, EOPNOTSUPP, EFAULT. */
  invalidateUser?(array: UserArray): void

  /** From now on all its mappings snoop caches; `false`: it cannot. */
  enforceCacheCoherency?(): boolean

  /** Only when nothing is attached with it and its faults are answered. */
  free(): void {
    assert(!this.#freed, `domain of type ${this.type} freed twice`)
    this.#freed = true
    this.onFree()
  }

  /** The driver's part of `free`. */
  protected onFree(): void {}
}
