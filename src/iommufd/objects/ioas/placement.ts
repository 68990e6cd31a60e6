// SPDX-License-Identifier: MIT
import { EEXIST, EINVAL, EOVERFLOW, EPERM } from '../../../base/errno.ts'
import { PAGE_BYTES } from '../../../base/u64.ts'
import { IOMMU_CACHE, IOMMU_READ, IOMMU_WRITE } from '../../../kernel/iommu/domain.ts'
import {
  IOMMU_IOAS_MAP_FIXED_IOVA,
  IOMMU_IOAS_MAP_READABLE,
  IOMMU_IOAS_MAP_WRITEABLE,
} from '../../abi/index.ts'
import type { Area } from './areas.ts'
import type { IoasObject } from './ioas.ts'
import { Iova, allocateIova } from './iova-alloc.ts'
import { type Pages, pagesBetween } from './pages.ts'
import { Sum } from './span.ts'

export const PERMISSION_FLAGS: number = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE
export const MAP_FLAGS: number = PERMISSION_FLAGS | IOMMU_IOAS_MAP_FIXED_IOVA

/** A piece of a pages object that becomes an area. */
export interface Piece {
  readonly pages: Pages
  /** Page of the pages object, and the byte in it. */
  readonly pageIndex: number
  readonly pageOffset: number
  readonly lengthHi: number
  readonly lengthLo: number
}

/** What the pieces are mapped with. */
export interface MapRequest {
  /** IOMMU_IOAS_MAP_ flags. */
  readonly flags: number
  readonly iovaHi: number
  readonly iovaLo: number
  /** Of all pieces together. */
  readonly lengthHi: number
  readonly lengthLo: number
}

const iova = new Iova()
const last = new Sum()
const address = new Sum()
const next = new Sum()

/**
 * Maps the pieces one behind the other, rows 6 to 10 of `spec/02` §3.3; `out` is the address of the first. EINVAL, ENOSPC,
 * EOVERFLOW, EEXIST, EPERM, and with a domain EFAULT, ENOMEM and the driver's; undone on failure.
 */
export function mapPieces(
  ioas: IoasObject,
  request: MapRequest,
  pieces: readonly [Piece, ...Piece[]],
  out: Iova,
): void {
  place(ioas, request, pieces[0])
  out.hi = iova.hi
  out.lo = iova.lo
  const areas: Area[] = []
  try {
    for (const piece of pieces) areas.push(insertArea(ioas, request.flags, piece))
    fillAreas(ioas, areas)
  } catch (thrown) {
    for (const area of areas) ioas.dropArea(area)
    throw thrown
  }
}

/** Rows 6 and 7: where the first byte goes, into `iova`. */
function place(ioas: IoasObject, request: MapRequest, first: Piece): void {
  const { lengthHi, lengthLo } = request
  const mask = ioas.alignment - 1
  if ((lengthLo & mask) !== 0) throw EINVAL
  if ((request.flags & IOMMU_IOAS_MAP_FIXED_IOVA) === 0) {
    const { pages, pageIndex, pageOffset } = first
    const low = ((pageIndex * PAGE_BYTES) % 4294967296) | 0
    address.add(pages.hi, pages.lo, Math.floor(pageIndex / 1048576) | 0, low | pageOffset)
    allocateIova(ioas, address.hi, address.lo, lengthHi, lengthLo, iova)
    return
  }
  iova.hi = request.iovaHi
  iova.lo = request.iovaLo
  if ((iova.lo & mask) !== 0) throw EINVAL
  last.addLength(iova.hi, iova.lo, lengthHi, lengthLo)
  if (last.overflow) throw EOVERFLOW
  if (ioas.reserved.overlaps(iova.hi, iova.lo, last.hi, last.lo)) throw EINVAL
  if (ioas.areas.firstOverlap(iova.hi, iova.lo, last.hi, last.lo) >= 0) throw EEXIST
}

/** Rows 8 and 9; the area at `iova`, which moves on behind it. */
function insertArea(ioas: IoasObject, flags: number, piece: Piece): Area {
  const { pages, pageIndex, pageOffset, lengthHi, lengthLo } = piece
  if ((flags & IOMMU_IOAS_MAP_WRITEABLE) !== 0 && !pages.writable) throw EPERM
  if ((pageOffset & (ioas.alignment - 1)) !== 0) throw EINVAL
  const area = ioas.pool.takeSharing(pages)
  last.addLength(iova.hi, iova.lo, lengthHi, lengthLo)
  area.startHi = iova.hi
  area.startLo = iova.lo
  area.lastHi = last.hi
  area.lastLo = last.lo
  area.pageIndex = pageIndex
  area.pageOffset = pageOffset
  area.access = accessOf(flags)
  ioas.areas.insert(area.startHi, area.startLo, area.lastHi, area.lastLo, area)
  next.add(last.hi, last.lo, 0, 1)
  iova.hi = next.hi
  iova.lo = next.lo
  return area
}

function fillAreas(ioas: IoasObject, areas: readonly Area[]): void {
  let done = 0
  try {
    for (; done < areas.length; done++) ioas.fillArea(areas[done]!)
  } catch (thrown) {
    while (--done >= 0) ioas.emptyArea(areas[done]!)
    throw thrown
  }
}

/** IOMMU_ bits of IOMMU_IOAS_MAP_ flags. */
function accessOf(flags: number): number {
  const read = (flags & IOMMU_IOAS_MAP_READABLE) === 0 ? 0 : IOMMU_READ
  const write = (flags & IOMMU_IOAS_MAP_WRITEABLE) === 0 ? 0 : IOMMU_WRITE
  return IOMMU_CACHE | read | write
}

/** Pages that `length` bytes from byte `offset` of a page on lie in. */
export function pagesSpanned(offset: number, lengthHi: number, lengthLo: number): number {
  last.addLength(0, offset, lengthHi, lengthLo)
  return pagesBetween(0, offset, last.hi, last.lo)
}
