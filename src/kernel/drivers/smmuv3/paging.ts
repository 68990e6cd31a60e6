// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../../hardware/memory.ts'
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
  type DomainOptions,
  IOMMU_NOEXEC,
  IOMMU_PRIV,
  IOMMU_READ,
  IOMMU_WRITE,
} from '../../iommu/domain.ts'
import type { PagingOptions } from '../../iommu/driver.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'
import type { Invalidation } from './invalidation.ts'

/** What page-table domains are made with. */
export interface PagingParts {
  readonly owner: object
  readonly world: World
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  readonly invalidation: Invalidation
  /** Gives ASID or VMID back. */
  readonly giveTag: (tag: number) => void
}

/** Sizes of leaves: 4 KiB, 2 MiB, 1 GiB. */
const PAGE_SIZES: number = (1 << 12) | (1 << 21) | (1 << 30)

/** The domain's options of a table with `bits` bits of input. */
export function pagingDomain(owner: object, options: PagingOptions, bits: number): DomainOptions {
  return {
    type: options.type ?? DOMAIN_UNMANAGED,
    owner,
    iopfHandler: options.iopfHandler,
    cookieType: options.cookieType ?? 0,
    pageSizesLo: PAGE_SIZES,
    lastPage: 2 ** (bits - 12) - 1,
  }
}

/** A page table of the kernel's that the unit walks: what stage-1 and stage-2 domains do alike. */
export class OwnTable {
  readonly table: PageTable
  readonly #trace: Recorder
  readonly #found: Translation = new Translation()

  /** ENOMEM. */
  constructor(parts: PagingParts, format: PageTableFormat) {
    this.table = new PageTable({ memory: parts.memory, format, frames: parts.frames })
    this.#trace = parts.world.trace
  }

  map(tag: number, hi: number, lo: number, frame: number, pages: number, access: number): void {
    this.table.map(hi, lo, frame, pages, tableAccess(access))
    if (this.#trace.enabled) this.#traceMap(tag, hi, lo, pages, access)
  }

  /** What is cached of it is the caller's. */
  unmap(tag: number, hi: number, lo: number, pages: number): number {
    const count = this.table.unmap(hi, lo, pages)
    if (this.#trace.enabled) this.#traceUnmap(tag, hi, lo, pages)
    return count
  }

  frameOf(hi: number, lo: number): number {
    return this.table.lookup(hi, lo, this.#found) ? this.#found.frame : -1
  }

  #traceMap(tag: number, hi: number, lo: number, pages: number, access: number): void {
    const bytes = pages * 4096
    this.#trace.emit(EVENTS.map, 0, tag, hi, lo, (bytes / 4294967296) | 0, bytes | 0, access)
  }

  #traceUnmap(tag: number, hi: number, lo: number, pages: number): void {
    const bytes = pages * 4096
    this.#trace.emit(EVENTS.unmap, 0, tag, hi, lo, (bytes / 4294967296) | 0, bytes | 0)
  }
}

function tableAccess(access: number): number {
  let bits = 0
  if ((access & IOMMU_READ) !== 0) bits |= ACCESS_READ
  if ((access & IOMMU_WRITE) !== 0) bits |= ACCESS_WRITE
  if ((access & IOMMU_NOEXEC) === 0) bits |= ACCESS_EXEC
  return (access & IOMMU_PRIV) === 0 ? bits : bits | ACCESS_PRIV
}
