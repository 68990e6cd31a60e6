// SPDX-License-Identifier: MIT
import { EEXIST, EINVAL, ENOMEM, EOPNOTSUPP, EOVERFLOW } from '../../../base/errno.ts'
import { compareU64 } from '../../../base/u64.ts'
import { IOMMU_CACHE, IOMMU_READ, IOMMU_WRITE } from '../../../kernel/iommu/domain.ts'
import {
  IOMMU_IOAS_MAP_FIXED_IOVA,
  IOMMU_IOAS_MAP_READABLE,
  IOMMU_IOAS_MAP_WRITEABLE,
  type IoasMap,
} from '../../abi/index.ts'
import type { Caller } from '../../files.ts'
import type { Area } from './areas.ts'
import type { Context } from '../context.ts'
import type { IoasObject } from './ioas.ts'
import { getIoas } from '../lookup.ts'
import { Iova, allocateIova } from './iova-alloc.ts'
import { ACCOUNT_NONE } from './pages.ts'
import { Sum, isAllOnes } from './span.ts'

// An imported constant is a load at each use, one of the module itself is part of the code.
const READABLE = IOMMU_IOAS_MAP_READABLE
const WRITEABLE = IOMMU_IOAS_MAP_WRITEABLE
const FIXED_IOVA = IOMMU_IOAS_MAP_FIXED_IOVA
const PERMISSIONS = READABLE | WRITEABLE
const KNOWN_FLAGS = PERMISSIONS | FIXED_IOVA
const ACCESS = IOMMU_CACHE
const ACCESS_READ = IOMMU_READ
const ACCESS_WRITE = IOMMU_WRITE
const PAGE_MASK = 4095
/** Longest mapping: 2^64-1-4096. */
const LENGTH_MAX_LO = -1 - 4096

const last = new Sum()
const sourceLast = new Sum()
const iova = new Iova()

/** IOMMU_IOAS_MAP, checks in the order of `spec/02` §3.3. */
export function ioasMap(context: Context, command: IoasMap, caller: Caller): void {
  const { flags } = command
  if ((flags & ~KNOWN_FLAGS) !== 0 || command.__reserved !== 0) throw EOPNOTSUPP
  if (isAllOnes(command.iova_hi, command.iova_lo) || isAllOnes(command.length_hi, command.length_lo))
    throw EOVERFLOW
  if ((flags & PERMISSIONS) === 0) throw EINVAL
  mapUserMemory(context, getIoas(context, command.ioas_id), command, caller)
}

/** Rows 5 to 10, for VFIO's map too. EOVERFLOW, EINVAL, ENOSPC, EEXIST, EFAULT, ENOMEM, and the driver's. */
export function mapUserMemory(context: Context, ioas: IoasObject, command: IoasMap, caller: Caller): void {
  const plain = isPlain(command)
  if (!plain) checkSource(command)
  if (context.world.failpoints.hit('alloc_area')) throw ENOMEM
  if (plain) checkReserved(ioas)
  else placeArea(ioas, command)
  const area = openArea(context, ioas, command, caller)
  try {
    ioas.fillArea(area)
  } catch (thrown) {
    ioas.areas.remove(ioas.areas.find(area.startHi, area.startLo))
    ioas.pool.give(area)
    throw thrown
  }
  command.iova_hi = area.startHi
  command.iova_lo = area.startLo
}

/**
 * Whole pages of memory at fixed pages, nowhere across 4 GiB: the only thing of rows 5 to 9 that can be wrong is what is
 * there already. Leaves their last bytes in `sourceLast` and `last`, and the address in `iova`.
 */
function isPlain(command: IoasMap): boolean {
  const { flags, length_hi, length_lo, user_va_lo, iova_lo } = command
  if (length_hi !== 0 || length_lo <= 0 || (flags & FIXED_IOVA) === 0) return false
  if (((length_lo | user_va_lo | iova_lo) & PAGE_MASK) !== 0) return false
  sourceLast.hi = command.user_va_hi
  sourceLast.lo = (user_va_lo + length_lo - 1) | 0
  iova.hi = last.hi = command.iova_hi
  iova.lo = iova_lo
  last.lo = (iova_lo + length_lo - 1) | 0
  return sourceLast.lo !== -1 && sourceLast.lo >>> 0 > user_va_lo >>> 0 && last.lo >>> 0 > iova_lo >>> 0
}

/** Rows 5: the memory's own bounds. Leaves its last byte in `sourceLast`. */
function checkSource(command: IoasMap): void {
  sourceLast.add(command.user_va_hi, command.user_va_lo, command.length_hi, command.length_lo)
  if (sourceLast.overflow) throw EOVERFLOW
  if ((command.length_hi | command.length_lo) === 0) throw EINVAL
  if (compareU64(command.length_hi, command.length_lo, -1, LENGTH_MAX_LO) > 0) throw EINVAL
  sourceLast.addLength(command.user_va_hi, command.user_va_lo, command.length_hi, command.length_lo)
}

/** Rows 6, 7, 9: where the area goes, into `iova` and `last`. */
function placeArea(ioas: IoasObject, command: IoasMap): void {
  const mask = ioas.alignment - 1
  const { length_hi, length_lo } = command
  if ((length_lo & mask) !== 0) throw EINVAL
  if ((command.flags & FIXED_IOVA) === 0) {
    allocateIova(ioas, command.user_va_hi, command.user_va_lo, length_hi, length_lo, iova)
    last.addLength(iova.hi, iova.lo, length_hi, length_lo)
  } else {
    iova.hi = command.iova_hi
    iova.lo = command.iova_lo
    checkFixed(ioas, mask, length_hi, length_lo)
  }
  if ((command.user_va_lo & PAGE_MASK & mask) !== 0) throw occupied(ioas) ? EEXIST : EINVAL
}

function occupied(ioas: IoasObject): boolean {
  return ioas.areas.firstOverlap(iova.hi, iova.lo, last.hi, last.lo) >= 0
}

function checkFixed(ioas: IoasObject, mask: number, lengthHi: number, lengthLo: number): void {
  if ((iova.lo & mask) !== 0) throw EINVAL
  last.addLength(iova.hi, iova.lo, lengthHi, lengthLo)
  if (last.overflow) throw EOVERFLOW
  checkReserved(ioas)
}

function checkReserved(ioas: IoasObject): void {
  if (ioas.reserved.overlaps(iova.hi, iova.lo, last.hi, last.lo)) throw EINVAL
}

/** The area at `iova` … `last`, in the map, not yet in the domains. EEXIST: the place is occupied. */
function openArea(context: Context, ioas: IoasObject, command: IoasMap, caller: Caller): Area {
  const writable = (command.flags & WRITEABLE) !== 0
  const readable = (command.flags & READABLE) !== 0
  const area = ioas.pool.take()
  area.startHi = iova.hi
  area.startLo = iova.lo
  area.lastHi = last.hi
  area.lastLo = last.lo
  area.pageIndex = 0
  area.pageOffset = command.user_va_lo & PAGE_MASK
  area.access = ACCESS | (readable ? ACCESS_READ : 0) | (writable ? ACCESS_WRITE : 0)
  area.pages.open(
    caller,
    command.user_va_hi,
    command.user_va_lo,
    sourceLast.hi,
    sourceLast.lo,
    writable,
    caller.capIpcLock ? ACCOUNT_NONE : context.accountMode,
  )
  if ((command.flags & PERMISSIONS) === 0) area.pages.share()
  if (ioas.areas.insert(area.startHi, area.startLo, area.lastHi, area.lastLo, area)) return area
  ioas.pool.give(area)
  throw EEXIST
}
