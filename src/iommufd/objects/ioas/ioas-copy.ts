// SPDX-License-Identifier: MIT
import { EINVAL, ENOENT, ENOMEM, EOPNOTSUPP, EOVERFLOW } from '../../../base/errno.ts'
import type { IoasCopy } from '../../abi/index.ts'
import type { Context } from '../context.ts'
import { getIoas } from '../lookup.ts'
import type { IoasObject } from './ioas.ts'
import { Iova } from './iova-alloc.ts'
import { MAP_FLAGS, PERMISSION_FLAGS, type Piece, mapPieces } from './placement.ts'
import { Sum, isAllOnes } from './span.ts'
import { Stretch } from './stretch.ts'

/** Flag of the test ABI: the source address is an area's number (low word) and an offset (high word). */
export const TEST_SYZKALLER_ADDRESS: number = 1 << 16

const last = new Sum()
const length = new Sum()
const iova = new Iova()

/** IOMMU_IOAS_COPY, checks in the order of `spec/02` §3.3: areas that share the source's pages. */
export function ioasCopy(context: Context, command: IoasCopy): void {
  const { flags, length_hi, length_lo } = command
  const known = context.mock === undefined ? MAP_FLAGS : MAP_FLAGS | TEST_SYZKALLER_ADDRESS
  if ((flags & ~known) !== 0) throw EOPNOTSUPP
  checkNumbers(command)
  if ((flags & PERMISSION_FLAGS) === 0) throw EINVAL
  const source = getIoas(context, command.src_ioas_id)
  if (context.world.failpoints.hit('alloc_area')) throw ENOMEM
  const pieces = sourcePieces(source, command)
  const target = getIoas(context, command.dst_ioas_id)
  const request = {
    flags,
    iovaHi: command.dst_iova_hi,
    iovaLo: command.dst_iova_lo,
    lengthHi: length_hi,
    lengthLo: length_lo,
  }
  mapPieces(target, request, pieces, iova)
  command.dst_iova_hi = iova.hi
  command.dst_iova_lo = iova.lo
}

/** Row 2. */
function checkNumbers(command: IoasCopy): void {
  if (isAllOnes(command.length_hi, command.length_lo)) throw EOVERFLOW
  if (isAllOnes(command.src_iova_hi, command.src_iova_lo)) throw EOVERFLOW
  if (isAllOnes(command.dst_iova_hi, command.dst_iova_lo)) throw EOVERFLOW
}

/** Rows 5: a piece for each area of the range. EINVAL, EOVERFLOW, ENOENT. */
function sourcePieces(source: IoasObject, command: IoasCopy): [Piece, ...Piece[]] {
  iova.hi = command.src_iova_hi
  iova.lo = command.src_iova_lo
  if ((command.flags & TEST_SYZKALLER_ADDRESS) !== 0) convertSource(source, command)
  if ((command.length_hi | command.length_lo) === 0) throw EINVAL
  last.addLength(iova.hi, iova.lo, command.length_hi, command.length_lo)
  if (last.overflow) throw EOVERFLOW
  const pieces: Piece[] = []
  const stretch = new Stretch(source.areas, iova.hi, iova.lo, last.hi, last.lo)
  for (; stretch.area !== undefined; stretch.next()) pieces.push(pieceOf(stretch))
  const [first, ...rest] = pieces
  if (!stretch.complete || first === undefined) throw ENOENT
  return [first, ...rest]
}

/** The caller sees what became of its address: observed on 7.2.13. */
function convertSource(source: IoasObject, command: IoasCopy): void {
  syzkallerAddress(source, iova)
  command.flags &= ~TEST_SYZKALLER_ADDRESS
  command.src_iova_hi = iova.hi
  command.src_iova_lo = iova.lo
}

function pieceOf(stretch: Stretch): Piece {
  const { hi, lo, lastHi, lastLo } = stretch
  const area = stretch.area!
  length.subtract(lastHi, lastLo, hi, lo)
  length.add(length.hi, length.lo, 0, 1)
  return {
    pages: area.pages,
    pageIndex: area.pageIndexOf(hi, lo),
    pageOffset: area.pageOffsetOf(lo),
    lengthHi: length.hi,
    lengthLo: length.lo,
  }
}

/** What the test ABI means by `address`: area number and offset in, address out; 0 when there is no such area. */
export function syzkallerAddress(ioas: IoasObject, address: Iova): void {
  let slot = ioas.areas.first()
  for (let nth = address.lo >>> 0; slot >= 0 && nth > 0; nth--) slot = ioas.areas.next(slot)
  const offset = address.hi
  address.hi = address.lo = 0
  if (slot < 0) return
  last.add(ioas.areas.startHiAt(slot), ioas.areas.startLoAt(slot), 0, offset)
  address.hi = last.hi
  address.lo = last.lo
}
