// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { pageHi, pageLo, pageOf } from '../../base/u64.ts'
import type { Vma } from './vma.ts'

/** The areas of an address space, ascending, never overlapping. */
export class VmaList {
  readonly #areas: Vma[] = []
  #last: Vma | undefined = undefined

  get length(): number {
    return this.#areas.length
  }

  at(index: number): Vma | undefined {
    return this.#areas[index]
  }

  /** The area that holds the address. */
  find(hi: number, lo: number): Vma | undefined {
    const page = pageOf(hi, lo)
    const last = this.#last
    if (last !== undefined && page >= last.start && page < last.end) return last
    const area = this.#areas[this.#indexAt(hi, lo)]
    if (area === undefined || page < area.start) return undefined
    this.#last = area
    return area
  }

  /** Index of the first area that ends after `page`. */
  indexAfter(page: number): number {
    return this.#indexAt(pageHi(page), pageLo(page))
  }

  /** Whether any area touches [start, end). */
  overlaps(start: number, end: number): boolean {
    const area = this.#areas[this.indexAfter(start)]
    return area !== undefined && area.start < end
  }

  /** Adds an area where nothing is, joined with neighbours that it continues. */
  insert(area: Vma): void {
    const index = this.indexAfter(area.start)
    assert(
      this.#areas[index] === undefined || this.#areas[index].start >= area.end,
      `area at ${area.start} overlaps`,
    )
    this.#areas.splice(index, 0, area)
    this.join(area.start, area.end)
  }

  /** The area that `page` lies inside of, not at its start: one that a cut there would divide. */
  cutAt(page: number): Vma | undefined {
    const area = this.#areas[this.indexAfter(page)]
    return area !== undefined && area.start < page ? area : undefined
  }

  /** Afterwards no area sticks out of [start, end). */
  cut(start: number, end: number): void {
    this.#split(start)
    this.#split(end)
  }

  /** Takes out the areas of [start, end), after `cut`; released last, because a file may go with the last of its areas. */
  remove(start: number, end: number): void {
    const from = this.indexAfter(start)
    let to = from
    while (to < this.#areas.length && this.#areas[to]!.start < end) to++
    this.#last = undefined
    for (const area of this.#areas.splice(from, to - from)) area.release()
  }

  /** Joins areas at and inside the borders of [start, end) that continue each other. */
  join(start: number, end: number): void {
    let index = Math.max(this.indexAfter(start) - 1, 0)
    while (index + 1 < this.#areas.length && this.#areas[index]!.start < end) {
      const lower = this.#areas[index]!
      const upper = this.#areas[index + 1]!
      if (lower.continuesWith(upper)) this.#join(lower, upper, index)
      else index++
    }
  }

  /** Highest start of `pages` free pages below `top`, or -1. */
  gapBelow(top: number, pages: number, align: number = 1): number {
    let ceiling = top
    for (let index = this.#areas.length - 1; index >= 0; index--) {
      const area = this.#areas[index]!
      const start = below(ceiling - pages, align)
      if (start >= area.end) return start
      ceiling = Math.min(ceiling, area.start)
    }
    return below(ceiling - pages, align)
  }

  /** Lowest start of `pages` free pages from `bottom` on and below `top`, or -1. */
  gapAbove(bottom: number, top: number, pages: number, align: number = 1): number {
    let floor = Math.ceil(bottom / align) * align
    for (let index = this.indexAfter(bottom); index < this.#areas.length; index++) {
      const area = this.#areas[index]!
      if (area.start - floor >= pages) break
      floor = Math.ceil(area.end / align) * align
    }
    return floor + pages <= top ? floor : -1
  }

  /** The pair keeps page numbers, which are doubles, from being boxed. */
  #indexAt(hi: number, lo: number): number {
    const page = pageOf(hi, lo)
    let low = 0
    let high = this.#areas.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#areas[middle]!.end <= page) low = middle + 1
      else high = middle
    }
    return low
  }

  #split(page: number): void {
    const index = this.indexAfter(page)
    const area = this.#areas[index]
    if (area !== undefined && area.start < page) this.#areas.splice(index + 1, 0, area.split(page))
  }

  #join(lower: Vma, upper: Vma, index: number): void {
    lower.end = upper.end
    upper.release()
    this.#areas.splice(index + 1, 1)
    this.#last = undefined
  }
}

/** The last aligned page at or below `page`; negative: none. */
function below(page: number, align: number): number {
  return page < 0 ? -1 : page - (page % align)
}
