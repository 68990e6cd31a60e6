// SPDX-License-Identifier: MIT
import { EBUSY, EINVAL, ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import type { RangeMap } from '../../../base/range-map.ts'
import type { Domain } from '../../../kernel/iommu/domain.ts'
import type { Failpoints } from '../../../sim/failpoint.ts'
import type { Area, AreaPool } from './areas.ts'

/** What of an IOAS takes part in a cut. */
interface CutSpace {
  readonly areas: RangeMap<Area>
  readonly pool: AreaPool
  readonly domains: readonly Domain[]
  readonly alignment: number
  readonly largePages: boolean
}

/**
 * Makes two areas of the one that shows the byte (hi, lo) and goes on behind it: the first ends there. In the domains
 * nothing changes. After an area's first byte nothing is cut either. EBUSY, EOPNOTSUPP, EINVAL, ENOMEM (`spec/02` §10,
 * §12; order observed on 7.2.13).
 */
export function cutArea(space: CutSpace, hi: number, lo: number, failpoints: Failpoints): void {
  const { areas } = space
  const slot = areas.find(hi, lo)
  if (slot < 0) return
  const area = areas.valueAt(slot)
  if ((area.lastHi === hi && area.lastLo === lo) || (area.startHi === hi && area.startLo === lo)) return
  checkCut(space, area, lo)
  if (failpoints.hit('alloc_area')) throw ENOMEM
  areas.remove(slot)
  const upper = splitOff(space, area, hi, lo)
  areas.insert(area.startHi, area.startLo, area.lastHi, area.lastLo, area)
  areas.insert(upper.startHi, upper.startLo, upper.lastHi, upper.lastLo, upper)
}

function checkCut(space: CutSpace, area: Area, lo: number): void {
  if (area.preventAccess) throw EBUSY
  if (area.pages.buffer !== undefined) throw EOPNOTSUPP
  const mask = space.alignment - 1
  if (((lo + 1) & mask) !== 0 || (area.pageOffsetOf(lo + 1) & mask) !== 0) throw EINVAL
  if (space.domains.length > 0 && space.largePages) throw EINVAL
  if (area.accessCount > 0) throw EINVAL
}

/** A new area for what lies above the byte; the old one ends with it. */
function splitOff(space: CutSpace, area: Area, hi: number, lo: number): Area {
  const upper = space.pool.takeSharing(area.pages)
  upper.startLo = (lo + 1) | 0
  upper.startHi = upper.startLo === 0 ? (hi + 1) | 0 : hi
  upper.lastHi = area.lastHi
  upper.lastLo = area.lastLo
  upper.pageIndex = area.pageIndexOf(upper.startHi, upper.startLo)
  upper.pageOffset = area.pageOffsetOf(upper.startLo)
  upper.access = area.access
  area.lastHi = hi
  area.lastLo = lo
  // What is pinned for the domains is held by both; a page that the cut goes through, by each of them.
  if (space.domains.length > 0 && area.lastPageIndex === upper.pageIndex)
    area.pages.hold(upper.pageIndex, upper.pageIndex)
  return upper
}
