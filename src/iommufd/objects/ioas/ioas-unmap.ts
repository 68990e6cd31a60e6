// SPDX-License-Identifier: MIT
import { EBUSY, EDEADLK, EINVAL, ENOENT, EOVERFLOW } from '../../../base/errno.ts'
import { compareU64 } from '../../../base/u64.ts'
import type { IoasUnmap } from '../../abi/index.ts'
import type { Context } from '../context.ts'
import type { Area } from './areas.ts'
import type { IoasObject } from './ioas.ts'
import { getIoas } from '../lookup.ts'
import { Sum, isAllOnes } from './span.ts'

/**
 * How often one unmap, over all its areas, asks the accesses: the 101st area with pins ends it with EDEADLK (observed on
 * 7.2.13).
 */
const UNMAP_ROUNDS_MAX = 100

const last = new Sum()
/** Bytes that the last unmap has removed, also when it failed on the way. */
export const unmappedBytes: Sum = new Sum()
const areaBytes = new Sum()

/** IOMMU_IOAS_UNMAP (`spec/02` §3.5, §12): ENOENT, EOVERFLOW, EINVAL, EBUSY, EDEADLK. */
export function ioasUnmap(context: Context, command: IoasUnmap): void {
  const ioas = getIoas(context, command.ioas_id)
  const { iova_hi, iova_lo, length_hi, length_lo } = command
  if (length_hi === 0 && length_lo > 0 && unmapArea(ioas, iova_hi, iova_lo, (iova_lo + length_lo - 1) | 0))
    return
  if ((iova_hi | iova_lo) === 0 && isAllOnes(length_hi, length_lo)) {
    unmapRange(ioas, 0, 0, -1, -1)
  } else {
    if (isAllOnes(iova_hi, iova_lo) || isAllOnes(length_hi, length_lo)) throw EOVERFLOW
    unmapLength(ioas, iova_hi, iova_lo, length_hi, length_lo)
    if ((unmappedBytes.hi | unmappedBytes.lo) === 0) throw ENOENT
  }
  command.length_hi = unmappedBytes.hi
  command.length_lo = unmappedBytes.lo
}

/** Removes the one area that is just what was asked for; `false`, and nothing happens, when there is no such area. */
function unmapArea(ioas: IoasObject, hi: number, lo: number, lastLo: number): boolean {
  const { areas } = ioas
  const slot = areas.find(hi, lo)
  if (slot < 0) return false
  const area = areas.valueAt(slot)
  if (area.startLo !== lo || area.startHi !== hi || area.lastHi !== hi || area.lastLo !== lastLo) return false
  if (area.accessCount > 0) return false
  areas.remove(slot)
  ioas.releaseArea(area)
  return true
}

/** As `unmapRange`, by the range's length: EINVAL for 0, EOVERFLOW. */
export function unmapLength(
  ioas: IoasObject,
  startHi: number,
  startLo: number,
  lengthHi: number,
  lengthLo: number,
): void {
  unmappedBytes.hi = unmappedBytes.lo = 0
  if ((lengthHi | lengthLo) === 0) throw EINVAL
  last.addLength(startHi, startLo, lengthHi, lengthLo)
  if (last.overflow) throw EOVERFLOW
  unmapRange(ioas, startHi, startLo, last.hi, last.lo)
}

/**
 * Removes the areas in the range one by one, ascending; those before a failure are gone. No area there: nothing happens.
 * EBUSY (locked), ENOENT (an area is only partly in the range), EDEADLK. Counts into `unmappedBytes`.
 */
export function unmapRange(
  ioas: IoasObject,
  startHi: number,
  startLo: number,
  lastHi: number,
  lastLo: number,
): void {
  unmappedBytes.hi = unmappedBytes.lo = 0
  let rounds = 0
  let slot = ioas.areas.firstOverlap(startHi, startLo, lastHi, lastLo)
  while (slot >= 0) {
    const area = ioas.areas.valueAt(slot)
    if (compareU64(area.startHi, area.startLo, lastHi, lastLo) > 0) return
    if (area.lockCount > 0) throw EBUSY
    if (compareU64(area.startHi, area.startLo, startHi, startLo) < 0) throw ENOENT
    if (compareU64(area.lastHi, area.lastLo, lastHi, lastLo) > 0) throw ENOENT
    areaBytes.subtract(area.lastHi, area.lastLo, area.startHi, area.startLo)
    areaBytes.add(areaBytes.hi, areaBytes.lo, 0, 1)
    if (area.accessCount > 0) {
      takeFromAccesses(ioas, area)
      if (++rounds > UNMAP_ROUNDS_MAX) throw EDEADLK
      slot = ioas.areas.firstEndingAt(area.startHi, area.startLo)
      continue
    }
    unmappedBytes.add(unmappedBytes.hi, unmappedBytes.lo, areaBytes.hi, areaBytes.lo)
    slot = ioas.areas.remove(slot)
    ioas.releaseArea(area)
  }
}

/** Nobody pins the area any more, and everybody is asked to give up the pins there are. */
function takeFromAccesses(ioas: IoasObject, area: Area): void {
  const { startHi, startLo } = area
  const { hi, lo } = areaBytes
  area.preventAccess = true
  for (const access of ioas.accesses) access?.notifyUnmap(startHi, startLo, hi, lo)
}
