// SPDX-License-Identifier: MIT
import { compareU64 } from '../../../base/u64.ts'

/** Sum of two 64-bit values, for a reused object: no garbage. */
export class Sum {
  hi = 0
  lo = 0
  /** The true sum does not fit into 64 bits. */
  overflow = false

  add(aHi: number, aLo: number, bHi: number, bLo: number): void {
    const lo = (aLo >>> 0) + (bLo >>> 0)
    const hi = (aHi >>> 0) + (bHi >>> 0) + (lo > 0xffffffff ? 1 : 0)
    this.lo = lo | 0
    this.hi = hi | 0
    this.overflow = hi > 0xffffffff
  }

  /** `start + length - 1`, for a length that is not 0. */
  addLength(startHi: number, startLo: number, lengthHi: number, lengthLo: number): void {
    const lo = (lengthLo - 1) | 0
    this.add(startHi, startLo, lengthLo === 0 ? (lengthHi - 1) | 0 : lengthHi, lo)
  }

  /** `a - b`; overflow when b is greater. */
  subtract(aHi: number, aLo: number, bHi: number, bLo: number): void {
    this.overflow = compareU64(aHi, aLo, bHi, bLo) < 0
    this.hi = (aHi - bHi - (aLo >>> 0 < bLo >>> 0 ? 1 : 0)) | 0
    this.lo = (aLo - bLo) | 0
  }
}

/** 2^64-1, which no address and no length may be. */
export function isAllOnes(hi: number, lo: number): boolean {
  return (hi & lo) === -1
}
