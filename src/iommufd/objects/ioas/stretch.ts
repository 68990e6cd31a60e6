// SPDX-License-Identifier: MIT
import type { RangeMap } from '../../../base/range-map.ts'
import { compareU64 } from '../../../base/u64.ts'
import type { Area } from './areas.ts'

/** The areas that show a range without a hole, one after the other. */
export class Stretch {
  area: Area | undefined = undefined
  /** The part of the range that `area` shows. */
  hi = 0
  lo = 0
  lastHi = 0
  lastLo = 0
  /** The end of the range has been passed. */
  complete = false
  readonly #areas: RangeMap<Area>
  readonly #endHi: number
  readonly #endLo: number

  constructor(areas: RangeMap<Area>, hi: number, lo: number, lastHi: number, lastLo: number) {
    this.#areas = areas
    this.#endHi = lastHi
    this.#endLo = lastLo
    this.#enter(hi, lo)
  }

  /** To the next area; `area` is undefined past the end of the range, and at a hole. */
  next(): void {
    if (this.lastHi === this.#endHi && this.lastLo === this.#endLo) {
      this.area = undefined
      this.complete = true
      return
    }
    const lo = (this.lastLo + 1) | 0
    this.#enter(lo === 0 ? (this.lastHi + 1) | 0 : this.lastHi, lo)
  }

  #enter(hi: number, lo: number): void {
    const slot = this.#areas.find(hi, lo)
    this.area = slot < 0 ? undefined : this.#areas.valueAt(slot)
    if (this.area === undefined) return
    const ends = compareU64(this.area.lastHi, this.area.lastLo, this.#endHi, this.#endLo) >= 0
    this.hi = hi
    this.lo = lo
    this.lastHi = ends ? this.#endHi : this.area.lastHi
    this.lastLo = ends ? this.#endLo : this.area.lastLo
  }
}
