// SPDX-License-Identifier: MIT
import { EADDRINUSE, EINVAL, EMSGSIZE, ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import { ByteRange } from '../../../base/range-map.ts'
import { compareU64 } from '../../../base/u64.ts'
import { type IoasAllowIovas, type IoasIovaRanges, IovaRange } from '../../abi/index.ts'
import type { Caller } from '../../files.ts'
import type { Context } from '../context.ts'
import type { IoasObject } from './ioas.ts'
import { getIoas } from '../lookup.ts'
import { type AllowedRanges, noAllowedRanges } from './reserved.ts'
import { Sum } from './span.ts'

const RANGE_BYTES = IovaRange.SIZE
const RANGES_ASKED_MAX = 0xffffffff

/** An array of `struct iommu_iova_range` in the caller's memory. */
class RangeArray {
  readonly #caller: Caller
  readonly #hi: number
  readonly #lo: number
  readonly #bytes: Uint8Array = new Uint8Array(RANGE_BYTES)
  readonly #view: DataView = new DataView(this.#bytes.buffer)
  readonly #range: IovaRange = new IovaRange()
  readonly #address: Sum = new Sum()

  constructor(caller: Caller, hi: number, lo: number) {
    this.#caller = caller
    this.#hi = hi
    this.#lo = lo
  }

  /** EFAULT. The result is reused. */
  read(index: number): IovaRange {
    const { hi, lo } = this.#seek(index)
    this.#caller.memory.copyIn(hi, lo, this.#bytes, 0, RANGE_BYTES)
    return IovaRange.decode(this.#view, 0, this.#range)
  }

  /** EFAULT. */
  write(index: number, hole: ByteRange): void {
    this.#range.start_hi = hole.startHi
    this.#range.start_lo = hole.startLo
    this.#range.last_hi = hole.lastHi
    this.#range.last_lo = hole.lastLo
    this.#range.encode(this.#view, 0)
    const { hi, lo } = this.#seek(index)
    this.#caller.memory.copyOut(hi, lo, this.#bytes, 0, RANGE_BYTES)
  }

  #seek(index: number): Sum {
    const offset = index * RANGE_BYTES
    this.#address.add(this.#hi, this.#lo, Math.floor(offset / 4294967296), offset | 0)
    return this.#address
  }
}

/** IOMMU_IOAS_IOVA_RANGES: EOPNOTSUPP, ENOENT, EFAULT, EMSGSIZE with the number needed (`spec/02` §3.6). */
export function ioasIovaRanges(context: Context, command: IoasIovaRanges, caller: Caller): void {
  if (command.__reserved !== 0) throw EOPNOTSUPP
  const ioas = getIoas(context, command.ioas_id)
  const capacity = Math.min(command.num_iovas >>> 0, RANGES_ASKED_MAX)
  const array = new RangeArray(caller, command.allowed_iovas_hi, command.allowed_iovas_lo)
  const hole = new ByteRange()
  let count = 0
  let hi = 0
  let lo = 0
  while (ioas.reserved.nextHole(hi, lo, hole)) {
    if (count < capacity) array.write(count, hole)
    count++
    if ((hole.lastHi & hole.lastLo) === -1) break
    lo = (hole.lastLo + 1) | 0
    hi = lo === 0 ? (hole.lastHi + 1) | 0 : hole.lastHi
  }
  command.num_iovas = count
  command.out_iova_alignment_hi = 0
  command.out_iova_alignment_lo = ioas.alignment
  if (count > capacity) throw EMSGSIZE
}

/** IOMMU_IOAS_ALLOW_IOVAS: EOPNOTSUPP, ENOENT, EFAULT, EINVAL, ENOMEM, EADDRINUSE; replaces the whole list (`spec/02` §3.6). */
export function ioasAllowIovas(context: Context, command: IoasAllowIovas, caller: Caller): void {
  if (command.__reserved !== 0) throw EOPNOTSUPP
  const ioas = getIoas(context, command.ioas_id)
  const array = new RangeArray(caller, command.allowed_iovas_hi, command.allowed_iovas_lo)
  const allowed = noAllowedRanges()
  for (let i = 0; i < command.num_iovas >>> 0; i++) {
    const { start_hi, start_lo, last_hi, last_lo } = array.read(i)
    if (compareU64(start_hi, start_lo, last_hi, last_lo) >= 0) throw EINVAL
    if (context.world.failpoints.hit('alloc_allowed')) throw ENOMEM
    if (!allowed.insert(start_hi, start_lo, last_hi, last_lo, true)) throw EINVAL
  }
  checkNotReserved(ioas, allowed)
  ioas.allowed = allowed
}

function checkNotReserved(ioas: IoasObject, allowed: AllowedRanges): void {
  for (let slot = allowed.first(); slot >= 0; slot = allowed.next(slot))
    if (
      ioas.reserved.overlaps(
        allowed.startHiAt(slot),
        allowed.startLoAt(slot),
        allowed.lastHiAt(slot),
        allowed.lastLoAt(slot),
      )
    )
      throw EADDRINUSE
}
