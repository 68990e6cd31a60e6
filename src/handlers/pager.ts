// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { isErrno } from '../base/errno.ts'
import { hiOf, loOf, PAGE_BYTES, pageHi, pageLo, pageOf } from '../base/u64.ts'
import type { PhysicalMemory } from '../hardware/memory.ts'
import {
  IOMMU_IOAS_MAP_FIXED_IOVA,
  IOMMU_IOAS_MAP_READABLE,
  IOMMU_IOAS_MAP_WRITEABLE,
  IOMMU_PGFAULT_PERM_WRITE,
  IoasMap,
  IoasUnmap,
} from '../iommufd/abi/index.ts'
import type { Ioas } from '../iommufd/iommufd.ts'
import type { Mm } from '../kernel/mm/mm.ts'
import { EVENTS } from '../trace/events.ts'
import type { World } from '../trace/world.ts'
import type { PageSource } from './page-source.ts'
import type { ResidentSet, SlotOwner } from './resident-set.ts'
import { WindowFrames } from './window-frames.ts'

/** Virtual time of what a pager does, nanoseconds a page. */
export interface PagerCosts {
  readonly pageInNanos: number
  readonly pageOutNanos: number
  readonly mapNanos: number
  readonly unmapNanos: number
}

export const NO_PAGER_COSTS: PagerCosts = { pageInNanos: 0, pageOutNanos: 0, mapNanos: 0, unmapNanos: 0 }

/** A range of I/O virtual addresses that a page source stands behind. */
export interface PagerRegion {
  /** Page aligned. */
  readonly iova: bigint
  readonly source: PageSource
  /** Devices may write: their pages are written back to the source. Needs `source.writePage`. */
  readonly writeable: boolean
}

export interface PagerOptions {
  readonly ioas: Ioas
  /** The process that pages: its memory is what devices see. */
  readonly mm: Mm
  readonly memory: PhysicalMemory
  /** Address of one page of the process's memory a slot of `resident`. Pagers that share the set share the window. */
  readonly window: bigint
  readonly resident: ResidentSet
  /** They do not overlap. */
  readonly regions: readonly PagerRegion[]
  /** Pages mapped after the faulting one, where the region has them. Default 0. */
  readonly faultAround?: number
  readonly costs?: PagerCosts
}

/** One region with its pages numbered from `firstId` among the pager's pages. */
class Region {
  readonly firstPage: number
  readonly pages: number
  readonly firstId: number
  readonly source: PageSource
  readonly writeable: boolean

  constructor(region: PagerRegion, firstId: number) {
    assert(region.iova % 4096n === 0n, `region at 0x${region.iova.toString(16)} is not page aligned`)
    this.firstPage = pageOf(hiOf(region.iova), loOf(region.iova))
    this.pages = Math.ceil(region.source.lengthBytes / PAGE_BYTES)
    this.firstId = firstId
    this.source = region.source
    this.writeable = region.writeable
    assert(
      !region.writeable || region.source.writePage !== undefined,
      'a writeable region needs a source with writePage',
    )
  }
}

const NO_SLOT = -1
const PAGE = PAGE_BYTES
const PAGE_MASK: number = ~(PAGE_BYTES - 1)
// An imported constant is a load at each use, one of the module itself is part of the code.
const PERM_WRITE = IOMMU_PGFAULT_PERM_WRITE
const MAP_READABLE = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE
const MAP_WRITEABLE = MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE

/** How the page of a slot is mapped. UNMAPPED only after a mapping that failed: the next fault tries again. */
const UNMAPPED = 0
const READABLE = 1
const WRITEABLE = 2

/**
 * Demand paging for one I/O address space: a fault brings the page from its source into a slot of the process's
 * memory and maps it there. When the shared resident set is full, the oldest page is unmapped (which invalidates it in
 * the IOMMU and in the device), written back if devices could write it, and faults again when it is touched.
 */
export class Pager implements SlotOwner {
  pagesIn: number
  pagesOut: number
  /** Virtual time of the work done since it was last set to 0. */
  spentNanos: number
  readonly #world: World
  readonly #ioas: Ioas
  readonly #resident: ResidentSet
  readonly #bytes: Uint8Array
  readonly #faultAround: number
  readonly #costs: PagerCosts
  readonly #regions: Region[]
  /** Where the page asked for last lies. */
  #region: Region | undefined
  /** Slot of each page id. */
  readonly #slotOf: Int32Array
  /** Page id of each slot that is this pager's. */
  readonly #idOf: Int32Array
  readonly #mapping: Uint8Array
  readonly #windowPage: number
  readonly #frames: WindowFrames
  readonly #map: IoasMap
  readonly #unmap: IoasUnmap

  constructor(world: World, options: PagerOptions) {
    this.pagesIn = 0
    this.pagesOut = 0
    this.spentNanos = 0
    this.#world = world
    this.#ioas = options.ioas
    this.#resident = options.resident
    this.#bytes = options.memory.bytes
    this.#faultAround = options.faultAround ?? 0
    this.#costs = options.costs ?? NO_PAGER_COSTS
    let ids = 0
    this.#regions = options.regions.map((region) => {
      const numbered = new Region(region, ids)
      ids += numbered.pages
      return numbered
    })
    this.#region = this.#regions[0]
    this.#slotOf = new Int32Array(ids).fill(NO_SLOT)
    this.#idOf = new Int32Array(options.resident.capacity)
    this.#mapping = new Uint8Array(options.resident.capacity)
    this.#windowPage = pageOf(hiOf(options.window), loOf(options.window))
    this.#frames = new WindowFrames(options.mm, this.#windowPage, options.resident.capacity)
    this.#map = new IoasMap()
    this.#map.ioas_id = options.ioas.id
    this.#map.length_lo = PAGE_BYTES
    this.#unmap = new IoasUnmap()
    this.#unmap.ioas_id = options.ioas.id
  }

  /**
   * Makes the page resident with the access asked for (IOMMU_PGFAULT_PERM_ bits). `false`: there is no such page, the
   * access is not allowed, or the mapping failed; the answer is then INVALID.
   */
  repair(hi: number, lo: number, perm: number): boolean {
    const page = pageOf(hi, lo)
    const region = this.#regionOf(page)
    if (region === undefined) return false
    const write = (perm & PERM_WRITE) !== 0
    if (write && !region.writeable) return false
    const id = (region.firstId + (page - region.firstPage)) | 0
    if (!this.#makeResident(region, id, hi, lo & PAGE_MASK, write)) return false
    if (this.#faultAround > 0) this.#makeResidentAround(region, id, write)
    return true
  }

  /** Called by the resident set. */
  evict(slot: number): void {
    const id = this.#idOf[slot]!
    const region = this.#regionOfId(id)
    const page = region.firstPage + (id - region.firstId)
    const trace = this.#world.trace
    const mapping = this.#mapping[slot]!
    if (trace.enabled)
      trace.emit(EVENTS.evict, 0, pageHi(page), pageLo(page), 1, mapping === WRITEABLE ? 1 : 0)
    if (mapping !== UNMAPPED) this.#unmapPage(pageHi(page), pageLo(page), slot)
    if (mapping === WRITEABLE) this.#writeBack(region, id, slot)
    this.#slotOf[id] = NO_SLOT
  }

  /** (hi, lo) is the page's address. */
  #makeResident(region: Region, id: number, hi: number, lo: number, write: boolean): boolean {
    const slot = this.#slotOf[id]!
    if (slot === NO_SLOT) return this.#pageIn(region, id, hi, lo, write)
    return this.#mapping[slot]! >= (write ? WRITEABLE : READABLE) || this.#remap(hi, lo, slot, write)
  }

  #makeResidentAround(region: Region, id: number, write: boolean): void {
    const end = Math.min(id + this.#faultAround, region.firstId + region.pages - 1)
    for (let next = id + 1; next <= end; next++) {
      const page = region.firstPage + (next - region.firstId)
      this.#makeResident(region, next, pageHi(page), pageLo(page), write)
    }
  }

  #pageIn(region: Region, id: number, hi: number, lo: number, write: boolean): boolean {
    const slot = this.#resident.take(this)
    try {
      const frame = this.#frames.at(slot)
      region.source.readPage(id - region.firstId, this.#bytes, frame * PAGE)
      this.#mapPage(hi, lo, slot, write)
    } catch (thrown) {
      this.#resident.untake(slot)
      if (isErrno(thrown)) return false
      throw thrown
    }
    this.pagesIn++
    this.spentNanos += this.#costs.pageInNanos
    this.#slotOf[id] = slot
    this.#idOf[slot] = id
    const trace = this.#world.trace
    if (trace.enabled) trace.emit(EVENTS.page_in, 0, hi, lo, 1)
    return true
  }

  /** Bytes that a device wrote stay in the slot. */
  #remap(hi: number, lo: number, slot: number, write: boolean): boolean {
    if (this.#mapping[slot] !== UNMAPPED) this.#unmapPage(hi, lo, slot)
    try {
      this.#mapPage(hi, lo, slot, write)
      return true
    } catch (thrown) {
      if (isErrno(thrown)) return false
      throw thrown
    }
  }

  #mapPage(hi: number, lo: number, slot: number, write: boolean): void {
    const command = this.#map
    const va = this.#windowPage + slot
    command.flags = write ? MAP_WRITEABLE : MAP_READABLE
    command.user_va_hi = pageHi(va)
    command.user_va_lo = pageLo(va)
    command.iova_hi = hi
    command.iova_lo = lo
    this.#ioas.mapCommand(command)
    this.#mapping[slot] = write ? WRITEABLE : READABLE
    this.spentNanos += this.#costs.mapNanos
  }

  #unmapPage(hi: number, lo: number, slot: number): void {
    const command = this.#unmap
    command.iova_hi = hi
    command.iova_lo = lo
    command.length_hi = 0
    command.length_lo = PAGE
    this.#ioas.unmapCommand(command)
    this.#mapping[slot] = UNMAPPED
    this.spentNanos += this.#costs.unmapNanos
  }

  #writeBack(region: Region, id: number, slot: number): void {
    const index = id - region.firstId
    region.source.writePage!(index, this.#bytes, this.#frames.at(slot) * PAGE)
    this.pagesOut++
    this.spentNanos += this.#costs.pageOutNanos
    const trace = this.#world.trace
    if (!trace.enabled) return
    const page = region.firstPage + index
    trace.emit(EVENTS.write_back, 0, pageHi(page), pageLo(page), 1)
  }

  #regionOf(page: number): Region | undefined {
    const last = this.#region
    if (last !== undefined && page >= last.firstPage && page - last.firstPage < last.pages) return last
    return this.#find(page)
  }

  #find(page: number): Region | undefined {
    for (let index = 0; index < this.#regions.length; index++) {
      const region = this.#regions[index]!
      if (page < region.firstPage || page >= region.firstPage + region.pages) continue
      this.#region = region
      return region
    }
    return undefined
  }

  #regionOfId(id: number): Region {
    for (let index = this.#regions.length - 1; index > 0; index--) {
      const region = this.#regions[index]!
      if (id >= region.firstId) return region
    }
    return this.#regions[0]!
  }
}
