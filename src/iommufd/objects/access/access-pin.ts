// SPDX-License-Identifier: MIT
import { EINVAL, ENOENT, EOVERFLOW, EPERM } from '../../../base/errno.ts'
import { IOMMU_READ, IOMMU_WRITE } from '../../../kernel/iommu/domain.ts'
import type { Area } from '../ioas/areas.ts'
import type { IoasObject } from '../ioas/ioas.ts'
import { Sum } from '../ioas/span.ts'
import { Stretch } from '../ioas/stretch.ts'
import { ACCESS_RW_WRITE } from './access-flags.ts'

/** I/O addresses that are pinned. */
export interface PinnedRange {
  readonly hi: number
  readonly lo: number
  readonly lengthHi: number
  readonly lengthLo: number
}

export interface PinOptions {
  /** ACCESS_RW_ flags. */
  readonly flags: number
  /** The areas cannot be unmapped until the pages are unpinned. */
  readonly locks: boolean
}

/** The part of a pin that lies in one area. */
interface PinnedPart {
  readonly area: Area
  readonly first: number
  readonly last: number
}

const last = new Sum()

/**
 * Linux's iommufd_access_pin_pages: checks area by area (`spec/02` §4, §12; that a hole at the start comes before an
 * unaligned start, and a later one behind everything, was observed on 7.2.13). All or nothing.
 */
export function pinRange(
  ioas: IoasObject | undefined,
  range: PinnedRange,
  options: PinOptions,
  frames: Int32Array | number[],
): void {
  endOf(range)
  if (ioas === undefined) throw ENOENT
  const parts: PinnedPart[] = []
  try {
    const stretch = new Stretch(ioas.areas, range.hi, range.lo, last.hi, last.lo)
    for (; stretch.area !== undefined; stretch.next()) parts.push(pinPart(stretch, options))
    if (!stretch.complete) throw ENOENT
  } catch (thrown) {
    for (const part of parts) unpinPart(part, options.locks)
    throw thrown
  }
  let done = 0
  for (const { area, first, last: end } of parts)
    for (let index = first; index <= end; index++) frames[done++] = area.pages.frameAt(index)
}

/** The range must have been pinned just so. */
export function unpinRange(ioas: IoasObject, range: PinnedRange, locks: boolean): void {
  endOf(range)
  const stretch = new Stretch(ioas.areas, range.hi, range.lo, last.hi, last.lo)
  for (; stretch.area !== undefined; stretch.next()) unpinPart(partOf(stretch), locks)
}

/** Leaves the last byte in `last`. EINVAL: no byte at all; EOVERFLOW. */
function endOf(range: PinnedRange): void {
  const { hi, lo, lengthHi, lengthLo } = range
  if ((lengthHi | lengthLo) === 0) throw EINVAL
  last.addLength(hi, lo, lengthHi, lengthLo)
  if (last.overflow) throw EOVERFLOW
}

function pinPart(stretch: Stretch, options: PinOptions): PinnedPart {
  const part = partOf(stretch)
  const { area } = part
  if (area.preventAccess || area.pageOffsetOf(stretch.lo) !== 0) throw EINVAL
  const needed = (options.flags & ACCESS_RW_WRITE) === 0 ? IOMMU_READ : IOMMU_WRITE
  if ((area.access & needed) === 0) throw EPERM
  if (area.pages.buffer !== undefined) throw EINVAL
  area.pages.hold(part.first, part.last)
  area.accessCount++
  if (options.locks) area.lockCount++
  return part
}

function unpinPart(part: PinnedPart, locks: boolean): void {
  const { area } = part
  area.pages.release(part.first, part.last)
  area.accessCount--
  if (locks) area.lockCount--
}

function partOf(stretch: Stretch): PinnedPart {
  const area = stretch.area!
  return {
    area,
    first: area.pageIndexOf(stretch.hi, stretch.lo),
    last: area.pageIndexOf(stretch.lastHi, stretch.lastLo),
  }
}
