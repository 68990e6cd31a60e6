// SPDX-License-Identifier: MIT
import { EVENTS } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { World } from '../../../trace/world.ts'
import type { PhysicalMemory } from '../../memory.ts'
import * as messages from '../../pci/messages.ts'
import type { Iotlb } from '../iotlb.ts'
import * as queues from './layout-queues.ts'
import * as tables from './layout-tables.ts'
import type { TableReader } from './tables.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { NO_PASID } = messages
const {
  QI_ADDRESS_RESERVED,
  QI_AM_MASK,
  QI_CONTEXT_DEVICE,
  QI_CONTEXT_FM_SHIFT,
  QI_CONTEXT_RESERVED0,
  QI_CONTEXT_RESERVED1,
  QI_CONTEXT_SID_MASK,
  QI_DID_SHIFT,
  QI_G_MASK,
  QI_IOTLB_DOMAIN,
  QI_IOTLB_GLOBAL,
  QI_IOTLB_PAGE,
  QI_IOTLB_RESERVED0,
  QI_PASID_CACHE_DOMAIN,
  QI_PASID_CACHE_GLOBAL,
  QI_PASID_CACHE_PASID,
  QI_PASID_IOTLB_ALL,
  QI_PASID_IOTLB_PAGE,
  QI_PASID_MASK,
  QI_PASID_RESERVED0,
  QI_PASID_RESERVED1,
} = queues
const { PGTT_NESTED, PGTT_SECOND_STAGE } = tables

/** The whole address space, as a shift. */
const EVERYTHING = 64

/**
 * Invalidations of the unit's own caches, by descriptor. Each function takes the descriptor's first word in memory and
 * returns `false` for one that is malformed.
 */
export class CacheInvalidations {
  readonly #trace: Recorder
  readonly #words: Int32Array
  readonly #tables: TableReader
  readonly #iotlb: Iotlb

  constructor(world: World, memory: PhysicalMemory, tableReader: TableReader, iotlb: Iotlb) {
    this.#trace = world.trace
    this.#words = memory.words
    this.#tables = tableReader
    this.#iotlb = iotlb
  }

  /** VT-d 6.5.2.1. Entries of scalable mode have no domain: that granularity is all of them. */
  context(at: number, word0: number): boolean {
    const word1 = this.#words[at + 1]!
    const granularity = word0 & QI_G_MASK
    if (((word0 & QI_CONTEXT_RESERVED0) | (word1 & QI_CONTEXT_RESERVED1)) !== 0 || granularity === 0)
      return false
    if (granularity === QI_CONTEXT_DEVICE)
      this.#tables.invalidateContext(word1 & QI_CONTEXT_SID_MASK, word1 >>> QI_CONTEXT_FM_SHIFT)
    else this.#tables.invalidateAllContexts()
    return true
  }

  /** VT-d 6.5.2.2. */
  pasidCache(at: number, word0: number): boolean {
    const pasid = this.#words[at + 1]!
    if (((word0 & QI_PASID_RESERVED0) | (pasid & QI_PASID_RESERVED1)) !== 0) return false
    switch (word0 & QI_G_MASK) {
      case QI_PASID_CACHE_GLOBAL:
        this.#tables.invalidateAllPasids()
        return true
      case QI_PASID_CACHE_DOMAIN:
        this.#tables.invalidatePasids(word0 >>> QI_DID_SHIFT, NO_PASID)
        return true
      case QI_PASID_CACHE_PASID:
        this.#tables.invalidatePasids(word0 >>> QI_DID_SHIFT, pasid & QI_PASID_MASK)
        return true
      default:
        return false
    }
  }

  /**
   * VT-d 6.5.2.3. By page: the second stage's addresses; nested entries of the domain all go, since they are not tagged
   * with addresses of the second stage; entries of the first stage alone stay.
   */
  iotlb(at: number, word0: number): boolean {
    const words = this.#words
    const lo = words[at + 2]!
    if (((word0 & QI_IOTLB_RESERVED0) | words[at + 1]! | (lo & QI_ADDRESS_RESERVED)) !== 0) return false
    const did = word0 >>> QI_DID_SHIFT
    switch (word0 & QI_G_MASK) {
      case QI_IOTLB_GLOBAL:
        this.#traceRange(-1, NO_PASID, 0, 0, EVERYTHING)
        this.#iotlb.invalidate(-1, 0, 0, EVERYTHING)
        return true
      case QI_IOTLB_DOMAIN:
        this.#domain(did)
        return true
      case QI_IOTLB_PAGE:
        this.#domainPages(did, words[at + 3]!, lo)
        return true
      default:
        return false
    }
  }

  /** VT-d 6.5.2.4. */
  pasidIotlb(at: number, word0: number): boolean {
    const words = this.#words
    const pasid = words[at + 1]!
    const lo = words[at + 2]!
    const reserved = (word0 & QI_PASID_RESERVED0) | (pasid & QI_PASID_RESERVED1) | (lo & QI_ADDRESS_RESERVED)
    const granularity = word0 & QI_G_MASK
    if (reserved !== 0 || (granularity !== QI_PASID_IOTLB_ALL && granularity !== QI_PASID_IOTLB_PAGE))
      return false
    const shift = granularity === QI_PASID_IOTLB_ALL ? EVERYTHING : shiftOf(lo)
    this.#pasid(word0 >>> QI_DID_SHIFT, pasid, words[at + 3]!, lo, shift)
    return true
  }

  #domain(did: number): void {
    this.#traceRange(did, NO_PASID, 0, 0, EVERYTHING)
    const { tags } = this.#tables
    for (let tag = tags.first(did); tag !== 0; tag = tags.next(tag))
      this.#iotlb.invalidate(tag, 0, 0, EVERYTHING)
  }

  #domainPages(did: number, hi: number, lo: number): void {
    const shift = shiftOf(lo)
    this.#traceRange(did, NO_PASID, hi, lo, shift)
    const { tags } = this.#tables
    for (let tag = tags.first(did); tag !== 0; tag = tags.next(tag)) {
      const kind = tags.kindOf(tag)
      if (kind === PGTT_SECOND_STAGE) this.#iotlb.invalidate(tag, hi, lo, shift)
      else if (kind === PGTT_NESTED) this.#iotlb.invalidate(tag, 0, 0, EVERYTHING)
    }
  }

  #pasid(did: number, pasid: number, hi: number, lo: number, shift: number): void {
    this.#traceRange(did, pasid, hi, lo, shift)
    const { tags } = this.#tables
    for (let tag = tags.first(did); tag !== 0; tag = tags.next(tag))
      if (tags.hasPasid(tag, pasid)) this.#iotlb.invalidate(tag, hi, lo, shift)
  }

  #traceRange(did: number, pasid: number, hi: number, lo: number, shift: number): void {
    const trace = this.#trace
    if (!trace.enabled) return
    const pages = 2 ** (shift - 12)
    trace.emit(EVENTS.iotlb_invalidate, 0, did, pasid, hi, lo & ~0xfff, (pages / 2 ** 32) | 0, pages | 0)
  }
}

/** AM: 2^AM pages, naturally aligned: address bits below do not count. */
function shiftOf(lo: number): number {
  return Math.min(12 + (lo & QI_AM_MASK), EVERYTHING)
}
