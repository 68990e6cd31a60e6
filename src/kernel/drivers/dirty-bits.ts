// SPDX-License-Identifier: MIT
import { pageOf } from '../../base/u64.ts'
import type { LeafSink } from '../../hardware/page-tables/leaf-operations.ts'
import type { PageTable } from '../../hardware/page-tables/page-table.ts'
import type { DirtyMark, DirtyOps } from '../iommu/domain.ts'

/** Pages of one harvest: an area is shorter than an address space, a count of its pages is a small integer. */
const PAGES_MAX: number = 2 ** 30

/**
 * The dirty bits that the unit's walks set. Walks always set them; tracking is whether anybody asks. Who forgets a bit
 * has the caches dropped too, or the next write would not set it again.
 */
export class DirtyBits implements DirtyOps {
  readonly #table: PageTable
  readonly #invalidate: (firstPage: number, pages: number) => void

  constructor(table: PageTable, invalidate: (firstPage: number, pages: number) => void) {
    this.#table = table
    this.#invalidate = invalidate
  }

  setTracking(): void {}

  readAndClear(
    range: { readonly hi: number; readonly lo: number; readonly lastHi: number; readonly lastLo: number },
    noClear: boolean,
    mark: DirtyMark | undefined,
  ): void {
    const first = pageOf(range.hi, range.lo)
    const pages = Math.min(pageOf(range.lastHi, range.lastLo) - first + 1, PAGES_MAX)
    const sink: LeafSink | undefined =
      mark === undefined ? undefined : { leaf: (hi, lo, shift) => mark(hi, lo, 2 ** shift) }
    const count = this.#table.harvestDirty(range.hi, range.lo, pages, !noClear, sink)
    if (count > 0 && !noClear) this.#invalidate(first, pages)
  }
}
