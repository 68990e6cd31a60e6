// SPDX-License-Identifier: MIT
import { pageOf } from '../../../base/u64.ts'
import { DirtyBits } from '../dirty-bits.ts'
import type { DirtyOps } from '../../iommu/domain.ts'
import type { PagingOptions } from '../../iommu/driver.ts'
import { type Invalidation, stage1Owner, type TlbOwner } from './invalidation.ts'
import { OwnTable, pagingDomain, type PagingParts } from './paging.ts'
import { Stage1Domain } from './smmu-domain.ts'

const BITS = 48

/** A page table of the kernel's, walked as stage 1. */
export class PagingDomain extends Stage1Domain {
  override readonly dirty: DirtyOps | undefined
  readonly #own: OwnTable
  readonly #invalidation: Invalidation
  readonly #owner: TlbOwner
  readonly #giveTag: (tag: number) => void

  /** `own`: its table. */
  constructor(
    parts: PagingParts,
    own: OwnTable,
    options: PagingOptions & { readonly asid: number; readonly tracksDirty: boolean },
  ) {
    const { asid } = options
    super(pagingDomain(parts.owner, options, BITS), asid, own.table.root)
    this.#own = own
    this.#invalidation = parts.invalidation
    this.#owner = stage1Owner(asid)
    this.#giveTag = parts.giveTag
    this.dirty = options.tracksDirty
      ? new DirtyBits(own.table, (page, pages) => this.#invalidation.range(this, this.#owner, page, pages))
      : undefined
  }

  override map(hi: number, lo: number, frame: number, pages: number, access: number): void {
    this.#own.map(this.tag, hi, lo, frame, pages, access)
  }

  override unmap(hi: number, lo: number, pages: number): number {
    const count = this.#own.unmap(this.tag, hi, lo, pages)
    if (count === 0) return 0
    if (pages === 1) this.#invalidation.page(this, this.#owner, hi, lo)
    else this.#invalidation.range(this, this.#owner, pageOf(hi, lo), pages)
    return count
  }

  override mapGranules(hi: number, lo: number, granule: number, count: number, access: number): void {
    this.map(hi, lo, granule, count, access)
  }

  override unmapGranules(hi: number, lo: number, count: number): number {
    return this.unmap(hi, lo, count)
  }

  override iovaToFrame(hi: number, lo: number): number {
    return this.#own.frameOf(hi, lo)
  }

  protected override onFree(): void {
    super.onFree()
    this.#own.table.destroy()
    this.#giveTag(this.tag)
  }
}
