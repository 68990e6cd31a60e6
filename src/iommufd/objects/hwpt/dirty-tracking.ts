// SPDX-License-Identifier: MIT
import { EINVAL, ENOMEM, EOPNOTSUPP, EOVERFLOW, isErrno } from '../../../base/errno.ts'
import { compareU64 } from '../../../base/u64.ts'
import type { DirtyMark, DirtyOps } from '../../../kernel/iommu/domain.ts'
import {
  type HwptGetDirtyBitmap,
  type HwptSetDirtyTracking,
  IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
  IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR,
} from '../../abi/index.ts'
import type { Caller } from '../../files.ts'
import type { Context } from '../context.ts'
import type { IoasObject } from '../ioas/ioas.ts'
import { Sum } from '../ioas/span.ts'
import { getHwptPaging } from '../lookup.ts'
import { UserBitmap } from './user-bitmap.ts'

/** A closed range of I/O addresses. */
interface Range {
  readonly hi: number
  readonly lo: number
  readonly lastHi: number
  readonly lastLo: number
}

/** IOMMU_HWPT_SET_DIRTY_TRACKING (`spec/02` §7.2): EOPNOTSUPP, ENOENT. `__reserved` is not looked at. */
export function hwptSetDirtyTracking(context: Context, command: HwptSetDirtyTracking): void {
  if ((command.flags & ~IOMMU_HWPT_DIRTY_TRACKING_ENABLE) !== 0) throw EOPNOTSUPP
  const hwpt = getHwptPaging(context, command.hwpt_id)
  const { dirty } = hwpt.domain
  if (dirty === undefined) throw EOPNOTSUPP
  const on = (command.flags & IOMMU_HWPT_DIRTY_TRACKING_ENABLE) !== 0
  if (on) for (const area of hwpt.ioas.areas.values()) dirty.readAndClear(rangeOf(area), false, undefined)
  dirty.setTracking(on)
}

/** IOMMU_HWPT_GET_DIRTY_BITMAP, checks in the order of `spec/02` §7.2. What goes wrong in the walk stays there. */
export function hwptGetDirtyBitmap(context: Context, command: HwptGetDirtyBitmap, caller: Caller): void {
  if ((command.flags & ~IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR) !== 0 || command.__reserved !== 0)
    throw EOPNOTSUPP
  const hwpt = getHwptPaging(context, command.hwpt_id)
  const range = checkedRange(command, hwpt.ioas)
  const { dirty } = hwpt.domain
  if (dirty === undefined) throw EOPNOTSUPP
  if (context.world.failpoints.hit('alloc_dirty_bitmap')) throw ENOMEM
  const bitmap = new UserBitmap(caller.memory, command)
  const noClear = (command.flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR) !== 0
  try {
    readAreas(hwpt.ioas, range, dirty, noClear, bitmap.mark)
  } catch (thrown) {
    if (!isErrno(thrown)) throw thrown
  }
  bitmap.flush()
}

/** EOVERFLOW, EINVAL. A length of 0 at address 0 means everything (observed on 7.2.13). */
function checkedRange(command: HwptGetDirtyBitmap, ioas: IoasObject): Range {
  const { iova_hi, iova_lo, page_size_hi, page_size_lo } = command
  const last = new Sum()
  last.addLength(iova_hi, iova_lo, command.length_hi, command.length_lo)
  if (last.overflow) throw EOVERFLOW
  const endLo = (last.lo + 1) | 0
  const endHi = endLo === 0 ? (last.hi + 1) | 0 : last.hi
  if (((iova_lo | endLo) & (ioas.alignment - 1)) !== 0) throw EINVAL
  if ((page_size_hi | page_size_lo) === 0) throw EINVAL
  const maskLo = (page_size_lo - 1) | 0
  const maskHi = page_size_lo === 0 ? (page_size_hi - 1) | 0 : page_size_hi
  if ((((iova_lo | endLo) & maskLo) | ((iova_hi | endHi) & maskHi)) !== 0) throw EINVAL
  return { hi: iova_hi, lo: iova_lo, lastHi: last.hi, lastLo: last.lo }
}

/** Area by area from the first address on, as far as they follow each other without a hole. */
function readAreas(ioas: IoasObject, range: Range, dirty: DirtyOps, noClear: boolean, mark: DirtyMark): void {
  let { hi, lo } = range
  for (let slot = ioas.areas.find(hi, lo); slot >= 0; slot = ioas.areas.find(hi, lo)) {
    const area = ioas.areas.valueAt(slot)
    const ends = compareU64(area.lastHi, area.lastLo, range.lastHi, range.lastLo) >= 0
    const { lastHi, lastLo } = ends ? range : area
    dirty.readAndClear({ hi, lo, lastHi, lastLo }, noClear, clipped(mark, hi, lo))
    if (ends) return
    lo = (area.lastLo + 1) | 0
    hi = lo === 0 ? (area.lastHi + 1) | 0 : area.lastHi
  }
}

/** A driver may tell of a large page from its start on. */
function clipped(mark: DirtyMark, firstHi: number, firstLo: number): DirtyMark {
  const below = new Sum()
  return (hi, lo, lengthBytes) => {
    below.subtract(firstHi, firstLo, hi, lo)
    const skip = below.overflow ? 0 : (below.hi >>> 0) * 4294967296 + (below.lo >>> 0)
    if (skip === 0) mark(hi, lo, lengthBytes)
    else if (skip < lengthBytes) mark(firstHi, firstLo, lengthBytes - skip)
  }
}

function rangeOf(area: {
  readonly startHi: number
  readonly startLo: number
  readonly lastHi: number
  readonly lastLo: number
}): Range {
  return { hi: area.startHi, lo: area.startLo, lastHi: area.lastHi, lastLo: area.lastLo }
}
