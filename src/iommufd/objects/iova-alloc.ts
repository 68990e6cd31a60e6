// SPDX-License-Identifier: MIT
import { EINVAL, ENOSPC, EOVERFLOW } from '../../base/errno.ts'
import { ByteRange } from '../../base/range-map.ts'
import { PAGE_BYTES, compareU64 } from '../../base/u64.ts'
import type { IoasObject } from './ioas.ts'
import { Sum } from './span.ts'

/** Alignment of automatic addresses ends here: a huge page. */
const ALIGN_MAX = 2 * 1024 * 1024

/** Lowest and highest automatic address: [PAGE, 2^64-1-PAGE]. */
const LOWEST_LO = PAGE_BYTES
const HIGHEST_LO = -1 - PAGE_BYTES

const hole = new ByteRange()
const reservedHole = new ByteRange()
const aligned = new Sum()
const room = new Sum()

/** Result of `allocateIova`. */
export class Iova {
  hi = 0
  lo = 0
}

/**
 * The automatic address for `length` bytes of memory at `address`: first fit (`spec/02` §3.4).
 * EOVERFLOW, EINVAL, ENOSPC.
 */
export function allocateIova(
  ioas: IoasObject,
  addressHi: number,
  addressLo: number,
  lengthHi: number,
  lengthLo: number,
  out: Iova,
): void {
  if ((lengthHi | lengthLo) === 0 || lengthHi < 0 || (lengthHi === 0x7fffffff && lengthLo === -1))
    throw EOVERFLOW
  const align = alignmentOf(addressHi, addressLo, lengthHi, lengthLo)
  if (align < ioas.alignment) throw EINVAL
  const offset = addressLo & (PAGE_BYTES - 1)
  const { allowed } = ioas
  if (allowed.size === 0) {
    if (fits(ioas, 0, LOWEST_LO, -1, HIGHEST_LO, align, offset, lengthHi, lengthLo, out)) return
    throw ENOSPC
  }
  for (let slot = allowed.first(); slot >= 0; slot = allowed.next(slot)) {
    const startHi = allowed.startHiAt(slot)
    const startLo = allowed.startLoAt(slot)
    const lastHi = allowed.lastHiAt(slot)
    const lastLo = allowed.lastLoAt(slot)
    if (fits(ioas, startHi, startLo, lastHi, lastLo, align, offset, lengthHi, lengthLo, out)) return
  }
  throw ENOSPC
}

function alignmentOf(addressHi: number, addressLo: number, lengthHi: number, lengthLo: number): number {
  const bytes = lengthHi === 0 ? lengthLo >>> 0 : ALIGN_MAX
  const ofLength = bytes >= ALIGN_MAX ? ALIGN_MAX : 1 << (32 - Math.clz32(bytes - 1))
  if ((addressHi | addressLo) === 0 || (addressLo & (ALIGN_MAX - 1)) === 0) return ofLength
  return Math.min(ofLength, addressLo & -addressLo)
}

/** First fit in one window. */
function fits(
  ioas: IoasObject,
  startHi: number,
  startLo: number,
  lastHi: number,
  lastLo: number,
  align: number,
  offset: number,
  lengthHi: number,
  lengthLo: number,
  out: Iova,
): boolean {
  let hi = startHi
  let lo = startLo
  if (hi === 0 && lo >>> 0 < LOWEST_LO) lo = LOWEST_LO
  let endHi = lastHi
  let endLo = lastLo
  if (compareU64(endHi, endLo, -1, HIGHEST_LO) > 0) {
    endHi = -1
    endLo = HIGHEST_LO
  }
  while (compareU64(hi, lo, endHi, endLo) <= 0 && nextHole(ioas, hi, lo)) {
    if (compareU64(hole.startHi, hole.startLo, endHi, endLo) > 0) return false
    if (compareU64(hole.lastHi, hole.lastLo, endHi, endLo) > 0) {
      hole.lastHi = endHi
      hole.lastLo = endLo
    }
    if (holeFits(align, offset, lengthHi, lengthLo, out)) return true
    if ((hole.lastHi & hole.lastLo) === -1) return false
    lo = (hole.lastLo + 1) | 0
    hi = lo === 0 ? (hole.lastHi + 1) | 0 : hole.lastHi
  }
  return false
}

/** The next piece from the address on that is neither in an area nor reserved, into `hole`. */
function nextHole(ioas: IoasObject, fromHi: number, fromLo: number): boolean {
  let hi = fromHi
  let lo = fromLo
  for (;;) {
    if (!ioas.areas.nextHole(hi, lo, hole)) return false
    if (!ioas.reserved.nextHole(hole.startHi, hole.startLo, reservedHole)) return false
    const past = compareU64(reservedHole.startHi, reservedHole.startLo, hole.lastHi, hole.lastLo) > 0
    if (!past) break
    hi = reservedHole.startHi
    lo = reservedHole.startLo
  }
  hole.startHi = reservedHole.startHi
  hole.startLo = reservedHole.startLo
  if (compareU64(reservedHole.lastHi, reservedHole.lastLo, hole.lastHi, hole.lastLo) < 0) {
    hole.lastHi = reservedHole.lastHi
    hole.lastLo = reservedHole.lastLo
  }
  return true
}

/** Whether the length fits into `hole` at the first suitable address, which goes into `out`. */
function holeFits(align: number, offset: number, lengthHi: number, lengthLo: number, out: Iova): boolean {
  aligned.add(hole.startHi, hole.startLo, 0, align - 1)
  if (aligned.overflow) return false
  const hi = aligned.hi
  const lo = (aligned.lo & -align) | offset
  if (compareU64(hi, lo, hole.lastHi, hole.lastLo) >= 0) return false
  room.subtract(hole.lastHi, hole.lastLo, hi, lo)
  const needHi = lengthLo === 0 ? (lengthHi - 1) | 0 : lengthHi
  if (compareU64(room.hi, room.lo, needHi, (lengthLo - 1) | 0) < 0) return false
  out.hi = hi
  out.lo = lo
  return true
}
