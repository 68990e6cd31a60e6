// SPDX-License-Identifier: MIT
/**
 * 64-bit values without garbage. In the datapath an address is two int32, `hi` and `lo`; a page number is a double
 * (exact to 2^52); a `bigint` appears at the public edge only.
 */
const words = new Int32Array(2)
const quad = new BigUint64Array(words.buffer)
const littleEndianLo = new Uint8Array(new Int32Array([1]).buffer)[0] === 1 ? 0 : 1
const littleEndianHi = 1 - littleEndianLo

export const PAGE_SHIFT = 12
export const PAGE_BYTES = 4096

/** The unsigned 64-bit value of the pair. */
export function toBigint(hi: number, lo: number): bigint {
  words[littleEndianHi] = hi
  words[littleEndianLo] = lo
  return quad[0]!
}

/** High int32 of an unsigned 64-bit value (modulo 2^64). */
export function hiOf(value: bigint): number {
  quad[0] = value
  return words[littleEndianHi]!
}

/** Low int32 of an unsigned 64-bit value (modulo 2^64). */
export function loOf(value: bigint): number {
  quad[0] = value
  return words[littleEndianLo]!
}

/** Number of the 4 KiB page that holds the byte address: 0 … 2^52-1. */
export function pageOf(hi: number, lo: number): number {
  return (hi >>> 0) * 1048576 + (lo >>> 12)
}

/** High int32 of the byte address of a 4 KiB page. */
export function pageHi(page: number): number {
  return (page / 1048576) | 0
}

/** Low int32 of the byte address of a 4 KiB page: a shift takes the page modulo 2^32 (`%` on doubles is slow). */
export function pageLo(page: number): number {
  return page << 12
}

/** Unsigned comparison: negative, 0 or positive. */
export function compareU64(aHi: number, aLo: number, bHi: number, bLo: number): number {
  if (aHi !== bHi) return aHi >>> 0 < bHi >>> 0 ? -1 : 1
  if (aLo !== bLo) return aLo >>> 0 < bLo >>> 0 ? -1 : 1
  return 0
}

/** The pair as a number: exact up to 2^53, rounded above. For lengths that were checked before. */
export function toNumber(hi: number, lo: number): number {
  return (hi >>> 0) * 4294967296 + (lo >>> 0)
}

/** `0x` and sixteen digits. */
export function hex64(hi: number, lo: number): string {
  return `0x${(hi >>> 0).toString(16).padStart(8, '0')}${(lo >>> 0).toString(16).padStart(8, '0')}`
}
