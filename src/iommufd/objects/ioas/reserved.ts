// SPDX-License-Identifier: MIT
import { type ByteRange, RangeMap } from '../../../base/range-map.ts'
import { compareU64 } from '../../../base/u64.ts'

class Reserved {
  readonly startHi: number
  readonly startLo: number
  readonly lastHi: number
  readonly lastLo: number
  /** A device or a domain; `undefined`: reserved until the end of the IOAS. */
  readonly owner: object | undefined

  constructor(startHi: number, startLo: number, lastHi: number, lastLo: number, owner: object | undefined) {
    this.startHi = startHi
    this.startLo = startLo
    this.lastHi = lastHi
    this.lastLo = lastLo
    this.owner = owner
  }
}

/** Address ranges that nothing may be mapped in. They may overlap: each owner takes back its own. */
export class ReservedRanges {
  /** By ascending start. A handful: apertures and devices' windows. */
  #ranges: Reserved[] = []

  get size(): number {
    return this.#ranges.length
  }

  add(startHi: number, startLo: number, lastHi: number, lastLo: number, owner: object | undefined): void {
    const at = this.#ranges.findIndex(
      (range) => compareU64(range.startHi, range.startLo, startHi, startLo) > 0,
    )
    const range = new Reserved(startHi, startLo, lastHi, lastLo, owner)
    this.#ranges.splice(at < 0 ? this.#ranges.length : at, 0, range)
  }

  removeOwner(owner: object): void {
    this.#ranges = this.#ranges.filter((range) => range.owner !== owner)
  }

  overlaps(startHi: number, startLo: number, lastHi: number, lastLo: number): boolean {
    const ranges = this.#ranges
    for (let i = 0; i < ranges.length; i++) {
      const range = ranges[i]!
      if (compareU64(range.startHi, range.startLo, lastHi, lastLo) > 0) return false
      if (compareU64(range.lastHi, range.lastLo, startHi, startLo) >= 0) return true
    }
    return false
  }

  /** The first hole that reaches to the address or beyond, cut off below it; `false`: none. As `RangeMap.nextHole`. */
  nextHole(hi: number, lo: number, out: ByteRange): boolean {
    out.startHi = hi
    out.startLo = lo
    out.lastHi = -1
    out.lastLo = -1
    for (const range of this.#ranges) {
      if (compareU64(range.startHi, range.startLo, out.startHi, out.startLo) > 0) {
        out.lastLo = (range.startLo - 1) | 0
        out.lastHi = range.startLo === 0 ? (range.startHi - 1) | 0 : range.startHi
        return true
      }
      if (compareU64(range.lastHi, range.lastLo, out.startHi, out.startLo) < 0) continue
      if ((range.lastHi & range.lastLo) === -1) return false
      out.startLo = (range.lastLo + 1) | 0
      out.startHi = out.startLo === 0 ? (range.lastHi + 1) | 0 : range.lastHi
    }
    return true
  }
}

/** Ranges that automatic addresses are taken from; none: everywhere. */
export type AllowedRanges = RangeMap<true>

export function noAllowedRanges(): AllowedRanges {
  return new RangeMap<true>()
}
