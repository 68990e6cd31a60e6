// SPDX-License-Identifier: MIT
import { EINVAL, ERANGE } from '../../../base/errno.ts'
import {
  type DirtyMark,
  type DirtyOps,
  DOMAIN_UNMANAGED,
  Domain,
  IOMMU_READ,
  IOMMU_WRITE,
} from '../../iommu/domain.ts'
import type { FaultHandler } from '../../iommu/fault.ts'
import { GRANULE_BYTES, GRANULE_SHIFT } from './constants.ts'
import { LEAF_TABLE_GRANULES, type LeafNodePool, LeafTable } from './leaf-table.ts'

/** What sets one kind of page table apart (`spec/03` §5.2). */
export interface MockGeometry {
  readonly pageShift: number
  readonly pageSizesHi: number
  readonly pageSizesLo: number
  /** Closed aperture in 4 KiB pages. */
  readonly firstPage: number
  readonly lastPage: number
  /** Sizes of leaves: bit n is 2^n granules. */
  readonly leafSizes: number
}

/** Every power of two, 2^11 … 2^36. */
export const GEOMETRY_DEFAULT: MockGeometry = {
  pageShift: 11,
  pageSizesHi: 0x1f,
  pageSizesLo: 0xfffff800 | 0,
  firstPage: 0x01000,
  lastPage: 0x7ffff,
  leafSizes: 0x03ffffff,
}

/** 4 KiB and 1 MiB. */
export const GEOMETRY_HUGE: MockGeometry = {
  pageShift: 12,
  pageSizesHi: 0,
  pageSizesLo: 0x00101000,
  firstPage: 0,
  lastPage: 2 ** 26 - 1,
  leafSizes: 0x202,
}

const GRANULES_PER_HI = 2 ** (32 - GRANULE_SHIFT)
const HI_LIMIT = LEAF_TABLE_GRANULES / GRANULES_PER_HI
// An imported constant is a load at each use, one of the module itself is part of the code.
const SHIFT = GRANULE_SHIFT
const ACCESS: number = IOMMU_READ | IOMMU_WRITE

export interface MockPagingOptions {
  readonly owner: object
  readonly pool: LeafNodePool
  readonly geometry: MockGeometry
  readonly tracksDirty: boolean
  readonly iopfHandler: FaultHandler | undefined
  readonly cookieType: number
}

/** A page table of the mock. Only iommufd looks into it: no device walks it, so there is nothing to invalidate. */
export class MockPagingDomain extends Domain {
  override readonly dirty: DirtyOps | undefined
  readonly #table: LeafTable
  #tracking = false

  /** ENOMEM. */
  constructor({ owner, pool, geometry, tracksDirty, iopfHandler, cookieType }: MockPagingOptions) {
    super({ ...geometry, type: DOMAIN_UNMANAGED, owner, iopfHandler, cookieType })
    this.#table = new LeafTable(pool, geometry.leafSizes)
    this.dirty = tracksDirty ? this.#dirtyOps() : undefined
  }

  /** Whether dirty bits are reported: what the test ABI needs before it sets any. */
  get tracking(): boolean {
    return this.#tracking
  }

  /** EINVAL (no permission), EADDRINUSE, ENOMEM, ERANGE. */
  override map(hi: number, lo: number, frame: number, pages: number, access: number): void {
    this.mapGranules(hi, lo, frame * 2, pages * 2, access)
  }

  override unmap(hi: number, lo: number, pages: number): number {
    return this.#table.unmap(granuleOf(hi, lo), pages * 2) / 2
  }

  override mapGranules(hi: number, lo: number, granule: number, count: number, access: number): void {
    if ((access & ACCESS) === 0) throw EINVAL
    const first = granuleOf(hi, lo)
    if (first + count > LEAF_TABLE_GRANULES) throw ERANGE
    this.#table.map(first, granule | 0, count)
  }

  override unmapGranules(hi: number, lo: number, count: number): number {
    return this.#table.unmap(granuleOf(hi, lo), count)
  }

  override iovaToFrame(hi: number, lo: number): number {
    if (hi >>> 0 >= HI_LIMIT) return -1
    const granule = this.#table.lookup(granuleOf(hi, lo))
    return granule === undefined ? -1 : Math.floor(granule / 2)
  }

  override physicalOf(hi: number, lo: number): number | undefined {
    if (hi >>> 0 >= HI_LIMIT) return undefined
    const granule = this.#table.lookup(granuleOf(hi, lo))
    return granule === undefined ? undefined : granule * GRANULE_BYTES + (lo & (GRANULE_BYTES - 1))
  }

  /** As if a device had written there. Nothing happens where nothing is mapped. */
  setDirty(hi: number, lo: number): void {
    if (hi >>> 0 < HI_LIMIT) this.#table.setDirty(granuleOf(hi, lo))
  }

  protected override onFree(): void {
    this.#table.destroy()
  }

  #dirtyOps(): DirtyOps {
    return {
      setTracking: (on): void => {
        this.#tracking = on
      },
      readAndClear: (range, noClear, mark): void => {
        const first = granuleOf(range.hi, range.lo)
        const last = granuleOf(range.lastHi, range.lastLo)
        this.#table.readDirty(first, last, !noClear, mark && marksBytes(mark))
      },
    }
  }
}

function granuleOf(hi: number, lo: number): number {
  if (hi >>> 0 >= HI_LIMIT) throw ERANGE
  return hi * GRANULES_PER_HI + (lo >>> SHIFT)
}

function marksBytes(mark: DirtyMark): (first: number, count: number) => void {
  return (first, count) => mark(Math.floor(first / GRANULES_PER_HI), first << SHIFT, count * GRANULE_BYTES)
}
