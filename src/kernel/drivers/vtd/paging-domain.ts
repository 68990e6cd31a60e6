// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { EINVAL } from '../../../base/errno.ts'
import { pageHi, pageLo, pageOf } from '../../../base/u64.ts'
import { PASID_SSADE } from '../../../hardware/iommus/vtd/layout-tables.ts'
import type { PageTableFormat } from '../../../hardware/page-tables/format.ts'
import type { PageTable } from '../../../hardware/page-tables/page-table.ts'
import {
  ACCESS_EXEC,
  ACCESS_PRIV,
  ACCESS_READ,
  ACCESS_WRITE,
  Translation,
} from '../../../hardware/pci/messages.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { World } from '../../../trace/world.ts'
import {
  DOMAIN_UNMANAGED,
  type DirtyOps,
  IOMMU_NOEXEC,
  IOMMU_PRIV,
  IOMMU_READ,
  IOMMU_WRITE,
} from '../../iommu/domain.ts'
import type { PagingOptions } from '../../iommu/driver.ts'
import { DirtyBits } from '../dirty-bits.ts'
import type { Invalidation } from './invalidation.ts'
import type { EntryImage } from './tables.ts'
import { VtdDomain } from './vtd-domain.ts'

/** What page-table domains are made with. */
export interface PagingParts {
  readonly world: World
  /** All of physical memory as int32, for the PASID entries. */
  readonly words: Int32Array
  readonly invalidation: Invalidation
  readonly giveDid: (did: number) => void
}

export interface PagingTable {
  readonly table: PageTable
  readonly image: EntryImage
  /** The first stage walks it, else the second. */
  readonly isFirstStage: boolean
  readonly nestParent: boolean
  readonly dirty: boolean
}

/** A page table of the kernel's that the unit walks, as first or as second stage. */
export class PagingDomain extends VtdDomain {
  readonly table: PageTable
  readonly nestParent: boolean
  override readonly dirty: DirtyOps | undefined
  /** First-stage tables of users on this one: what changes here changes them. */
  readonly nested: VtdDomain[] = []
  readonly #trace: Recorder
  readonly #words: Int32Array
  readonly #invalidation: Invalidation
  readonly #giveDid: (did: number) => void
  readonly #found = new Translation()

  constructor(owner: object, parts: PagingParts, options: PagingOptions, made: PagingTable) {
    const { table, isFirstStage } = made
    const { granuleShift, virtualBits, signExtended } = table.format
    super(
      {
        type: options.type ?? DOMAIN_UNMANAGED,
        owner,
        iopfHandler: options.iopfHandler,
        cookieType: options.cookieType ?? 0,
        pageShift: granuleShift,
        ...pageSizes(table.format),
        lastPage: 2 ** (virtualBits - 12 - (signExtended ? 1 : 0)) - 1,
      },
      made.image,
      isFirstStage,
    )
    this.table = table
    this.nestParent = made.nestParent
    this.dirty = made.dirty ? new SecondStageDirt(this) : undefined
    this.#trace = parts.world.trace
    this.#words = parts.words
    this.#invalidation = parts.invalidation
    this.#giveDid = parts.giveDid
  }

  /** Whether walks set accessed and dirty bits. */
  get tracks(): boolean {
    return (this.flags & PASID_SSADE) !== 0
  }

  override map(hi: number, lo: number, frame: number, pages: number, access: number): void {
    this.table.map(hi, lo, frame, pages, tableAccess(access))
    if (this.#trace.enabled) this.#traceMap(hi, lo, pages, access)
  }

  override unmap(hi: number, lo: number, pages: number): number {
    const count = this.table.unmap(hi, lo, pages)
    if (count > 0) this.#invalidate(hi, lo, pages)
    if (this.#trace.enabled) this.#traceUnmap(hi, lo, pages)
    return count
  }

  override mapGranules(hi: number, lo: number, granule: number, count: number, access: number): void {
    this.table.mapGranules(hi, lo, granule, count, tableAccess(access))
  }

  override unmapGranules(hi: number, lo: number, count: number): number {
    const done = this.table.unmapGranules(hi, lo, count)
    if (done > 0) this.#invalidate(hi, lo, count)
    return done
  }

  override iovaToFrame(hi: number, lo: number): number {
    return this.table.lookup(hi, lo, this.#found) ? this.#found.frame : -1
  }

  /** SSADE in every entry of this domain and of those nested on it. */
  setTracking(on: boolean): void {
    for (const domain of [this, ...this.nested]) {
      domain.flags = on ? domain.flags | PASID_SSADE : domain.flags & ~PASID_SSADE
      for (const { entryAt } of domain.attachments) this.#words[entryAt] = entryWord(this.#words, entryAt, on)
      this.#invalidation.entries(domain)
    }
  }

  forget(firstPage: number, pages: number): void {
    this.#invalidate(pageHi(firstPage), pageLo(firstPage), pages)
  }

  protected override onFree(): void {
    assert(this.nested.length === 0, `domain ${this.did} is freed under a nested one`)
    super.onFree()
    this.table.destroy()
    this.#giveDid(this.did)
  }

  #invalidate(hi: number, lo: number, pages: number): void {
    const invalidation = this.#invalidation
    if (pages === 1) invalidation.page(this, hi, lo)
    else invalidation.range(this, pageOf(hi, lo), pages)
    for (let i = 0; i < this.nested.length; i++) invalidation.everything(this.nested[i]!)
  }

  #traceMap(hi: number, lo: number, pages: number, access: number): void {
    const bytes = pages * 4096
    this.#trace.emit(EVENTS.map, 0, this.did, hi, lo, (bytes / 4294967296) | 0, bytes | 0, access)
  }

  #traceUnmap(hi: number, lo: number, pages: number): void {
    const bytes = pages * 4096
    this.#trace.emit(EVENTS.unmap, 0, this.did, hi, lo, (bytes / 4294967296) | 0, bytes | 0)
  }
}

/** Dirty bits of a second stage: there while SSADE is set. */
class SecondStageDirt implements DirtyOps {
  readonly #domain: PagingDomain
  readonly #bits: DirtyBits

  constructor(domain: PagingDomain) {
    this.#domain = domain
    this.#bits = new DirtyBits(domain.table, (page, pages) => domain.forget(page, pages))
  }

  setTracking(on: boolean): void {
    if (on !== this.#domain.tracks) this.#domain.setTracking(on)
  }

  /** EINVAL: nothing is tracked. Forgetting alone is always possible. */
  readAndClear(
    range: { readonly hi: number; readonly lo: number; readonly lastHi: number; readonly lastLo: number },
    noClear: boolean,
    mark: ((hi: number, lo: number, lengthBytes: number) => void) | undefined,
  ): void {
    if (mark !== undefined && !this.#domain.tracks) throw EINVAL
    this.#bits.readAndClear(range, noClear, mark)
  }
}

function entryWord(words: Int32Array, at: number, tracks: boolean): number {
  return tracks ? words[at]! | PASID_SSADE : words[at]! & ~PASID_SSADE
}

/** Sizes that a leaf can have. */
function pageSizes(format: PageTableFormat): { readonly pageSizesHi: number; readonly pageSizesLo: number } {
  let sizes = 0
  for (let level = 0; level <= format.leafLevelMax; level++) sizes |= 1 << (format.granuleShift + 9 * level)
  return { pageSizesHi: 0, pageSizesLo: sizes }
}

function tableAccess(access: number): number {
  let bits = 0
  if ((access & IOMMU_READ) !== 0) bits |= ACCESS_READ
  if ((access & IOMMU_WRITE) !== 0) bits |= ACCESS_WRITE
  if ((access & IOMMU_NOEXEC) === 0) bits |= ACCESS_EXEC
  return (access & IOMMU_PRIV) === 0 ? bits : bits | ACCESS_PRIV
}
