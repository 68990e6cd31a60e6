// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { pageHi, pageLo, pageOf } from '../../../base/u64.ts'
import {
  SPACE_FORMAT_SHIFT,
  SPACE_STAGE1,
  SPACE_TYPE_SHIFT,
  SPACE_VALID,
} from '../../../hardware/iommus/simple/layout.ts'
import type { PageTableFormat } from '../../../hardware/page-tables/format.ts'
import { PageTable } from '../../../hardware/page-tables/page-table.ts'
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
import type { FrameAllocator } from '../../mm/frame-allocator.ts'
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import { DirtyBits } from '../dirty-bits.ts'
import type { Invalidation } from './invalidation.ts'
import { SimpleDomain } from './simple-domain.ts'

/** What page-table domains are made with. */
export interface PagingParts {
  readonly world: World
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  readonly invalidation: Invalidation
  readonly giveTag: (tag: number) => void
}

/** A page table of the kernel's that the unit walks. */
export class PagingDomain extends SimpleDomain {
  readonly table: PageTable
  readonly nestParent: boolean
  override readonly dirty: DirtyOps | undefined
  /** Stage-1 domains on this one: what changes here changes them. */
  readonly nested: SimpleDomain[] = []
  readonly #trace: Recorder
  readonly #invalidation: Invalidation
  readonly #giveTag: (tag: number) => void
  readonly #found = new Translation()

  /** ENOMEM. `format` is the FORMAT_ number of `table.format`. */
  constructor(
    owner: object,
    parts: PagingParts,
    options: PagingOptions & {
      tag: number
      format: number
      table: PageTable
      nestParent: boolean
      dirty: boolean
    },
  ) {
    const { table, tag, iopfHandler } = options
    const { granuleShift, virtualBits, signExtended } = table.format
    super(
      {
        type: options.type ?? DOMAIN_UNMANAGED,
        owner,
        iopfHandler,
        cookieType: options.cookieType ?? 0,
        pageShift: granuleShift,
        ...pageSizes(table.format),
        lastPage: 2 ** (virtualBits - 12 - (signExtended ? 1 : 0)) - 1,
      },
      {
        spaceFlags: SPACE_VALID | (SPACE_STAGE1 << SPACE_TYPE_SHIFT) | (options.format << SPACE_FORMAT_SHIFT),
        tag,
        root: table.root,
        rootHigh: 0,
        stage2Root: 0,
      },
    )
    this.table = table
    this.dirty = options.dirty ? new DirtyBits(table, (page, pages) => this.#forget(page, pages)) : undefined
    this.nestParent = options.nestParent
    this.#trace = parts.world.trace
    this.#invalidation = parts.invalidation
    this.#giveTag = parts.giveTag
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
    const bytes = (lo & 4095) + count * 2 ** this.pageShift
    if (done > 0) this.#invalidate(hi, lo, Math.ceil(bytes / 4096))
    return done
  }

  override iovaToFrame(hi: number, lo: number): number {
    return this.table.lookup(hi, lo, this.#found) ? this.#found.frame : -1
  }

  protected override onFree(): void {
    assert(this.nested.length === 0, `domain ${this.tag} is freed under a nested one`)
    super.onFree()
    this.table.destroy()
    this.#giveTag(this.tag)
  }

  #invalidate(hi: number, lo: number, pages: number): void {
    const invalidation = this.#invalidation
    if (pages === 1) invalidation.page(this, hi, lo)
    else invalidation.range(this, pageOf(hi, lo), pages)
    for (let i = 0; i < this.nested.length; i++) invalidation.everything(this.nested[i]!)
  }

  #forget(firstPage: number, pages: number): void {
    this.#invalidate(pageHi(firstPage), pageLo(firstPage), pages)
  }

  #traceMap(hi: number, lo: number, pages: number, access: number): void {
    const bytes = pages * 4096
    this.#trace.emit(EVENTS.map, 0, this.tag, hi, lo, (bytes / 4294967296) | 0, bytes | 0, access)
  }

  #traceUnmap(hi: number, lo: number, pages: number): void {
    const bytes = pages * 4096
    this.#trace.emit(EVENTS.unmap, 0, this.tag, hi, lo, (bytes / 4294967296) | 0, bytes | 0)
  }
}

/** A new table of the format. ENOMEM. */
export function createTable(parts: PagingParts, format: PageTableFormat): PageTable {
  return new PageTable({ memory: parts.memory, format, frames: parts.frames })
}

/** Sizes that a leaf can have. */
function pageSizes(format: PageTableFormat): { readonly pageSizesHi: number; readonly pageSizesLo: number } {
  let [hi, lo] = [0, 0]
  for (let level = 0; level <= format.leafLevelMax; level++) {
    const shift = format.granuleShift + 9 * level
    if (shift < 32) lo |= 1 << shift
    else hi |= 1 << (shift - 32)
  }
  return { pageSizesHi: hi, pageSizesLo: lo }
}

function tableAccess(access: number): number {
  let bits = 0
  if ((access & IOMMU_READ) !== 0) bits |= ACCESS_READ
  if ((access & IOMMU_WRITE) !== 0) bits |= ACCESS_WRITE
  if ((access & IOMMU_NOEXEC) === 0) bits |= ACCESS_EXEC
  return (access & IOMMU_PRIV) === 0 ? bits : bits | ACCESS_PRIV
}
