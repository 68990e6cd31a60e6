// SPDX-License-Identifier: MIT
import { EINVAL, ENOSPC, EOVERFLOW } from '../../../base/errno.ts'
import { ByteRange } from '../../../base/range-map.ts'
import { PAGE_BYTES, compareU64 } from '../../../base/u64.ts'
import type { IoasObject } from './ioas.ts'
import { Sum } from './span.ts'

/** Alignment of automatic addresses ends here: a huge page. */
const ALIGN_MAX = 2 * 1024 * 1024

/** Lowest and highest automatic address: [PAGE, 2^64-1-PAGE]. */
const LOWEST_LO = PAGE_BYTES
const HIGHEST_LO = -1 - PAGE_BYTES

/** What is looked for. */
class Wanted {
  align = 1
  /** Of the memory in its page. */
  offset = 0
  lengthHi = 0
  lengthLo = 0
}

const wanted = new Wanted()
const window = new ByteRange()
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
  wanted.align = alignmentOf(addressHi, addressLo, lengthHi, lengthLo)
  wanted.offset = addressLo & (PAGE_BYTES - 1)
  wanted.lengthHi = lengthHi
  wanted.lengthLo = lengthLo
  if (wanted.align < ioas.alignment) throw EINVAL
  if (!fitsAllowed(ioas, out)) throw ENOSPC
}

/** First fit in the allowed ranges, or everywhere when there are none. */
function fitsAllowed(ioas: IoasObject, out: Iova): boolean {
  const { allowed } = ioas
  if (allowed.size === 0) {
    openWindow(0, 0, -1, -1)
    return fits(ioas, out)
  }
  for (let slot = allowed.first(); slot >= 0; slot = allowed.next(slot)) {
    openWindow(
      allowed.startHiAt(slot),
      allowed.startLoAt(slot),
      allowed.lastHiAt(slot),
      allowed.lastLoAt(slot),
    )
    if (fits(ioas, out)) return true
  }
  return false
}

/** The range without the first and the last page of the whole space. */
function openWindow(startHi: number, startLo: number, lastHi: number, lastLo: number): void {
  window.startHi = startHi
  window.startLo = startHi === 0 && startLo >>> 0 < LOWEST_LO ? LOWEST_LO : startLo
  window.lastHi = lastHi
  window.lastLo = compareU64(lastHi, lastLo, -1, HIGHEST_LO) > 0 ? HIGHEST_LO : lastLo
}

function alignmentOf(addressHi: number, addressLo: number, lengthHi: number, lengthLo: number): number {
  const bytes = lengthHi === 0 ? lengthLo >>> 0 : ALIGN_MAX
  const ofLength = bytes >= ALIGN_MAX ? ALIGN_MAX : 1 << (32 - Math.clz32(bytes - 1))
  if ((addressHi | addressLo) === 0 || (addressLo & (ALIGN_MAX - 1)) === 0) return ofLength
  return Math.min(ofLength, addressLo & -addressLo)
}

/**
 * First fit in one window. The window's own start is moved to the first suitable address before its holes are looked at
 * (observed on 7.2.13; `spec/02` §3.4 does not say so): in a space with one byte at 0x1000 taken, 1 byte of memory at
 * …800 goes to 0x1800, not to 0x1801.
 */
function fits(ioas: IoasObject, out: Iova): boolean {
  if (!rangeFits(window, out)) return false
  let { hi, lo } = out
  while (nextHole(ioas, hi, lo)) {
    if (compareU64(hole.startHi, hole.startLo, window.lastHi, window.lastLo) > 0) return false
    if (compareU64(hole.lastHi, hole.lastLo, window.lastHi, window.lastLo) >= 0) {
      hole.lastHi = window.lastHi
      hole.lastLo = window.lastLo
      return rangeFits(hole, out)
    }
    if (rangeFits(hole, out)) return true
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

/** Whether what is wanted fits into the range at the first suitable address, which goes into `out`. */
function rangeFits(range: ByteRange, out: Iova): boolean {
  const { align, offset, lengthHi, lengthLo } = wanted
  aligned.add(range.startHi, range.startLo, 0, align - 1)
  if (aligned.overflow) return false
  const { hi } = aligned
  const lo = (aligned.lo & -align) | offset
  if (compareU64(hi, lo, range.lastHi, range.lastLo) >= 0) return false
  room.subtract(range.lastHi, range.lastLo, hi, lo)
  const needHi = lengthLo === 0 ? (lengthHi - 1) | 0 : lengthHi
  if (compareU64(room.hi, room.lo, needHi, (lengthLo - 1) | 0) < 0) return false
  out.hi = hi
  out.lo = lo
  return true
}
