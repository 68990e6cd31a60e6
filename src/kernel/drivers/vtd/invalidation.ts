// SPDX-License-Identifier: MIT
import { pageHi, pageLo } from '../../../base/u64.ts'
import { blockAt, blocksOf, coveringOrder } from '../blocks.ts'
import { EVERYTHING, type InvalidationQueue } from './invalidation-queue.ts'
import type { Attachment, VtdDomain } from './vtd-domain.ts'

/** A range that needs more naturally aligned blocks than this is covered by one larger block. */
const BLOCKS_MAX = 16

/**
 * IOTLB and device TLBs: whoever takes a translation away invalidates here before a frame is used anew. Each call
 * returns when the unit and the devices have forgotten. First stage and nested: by (domain, PASID); second stage: by domain.
 */
export class Invalidation {
  readonly #queue: InvalidationQueue
  /** Blocks of at most 2^n bytes are told apart. */
  readonly #shiftMax: number

  /** `orderMax`: of pages; -1: the unit forgets whole domains only. */
  constructor(queue: InvalidationQueue, orderMax: number) {
    this.#queue = queue
    this.#shiftMax = orderMax < 0 ? 0 : 12 + orderMax
  }

  /** `pages` 4 KiB pages from `firstPage` on, for everybody who uses the domain. Nobody does: nothing is cached. */
  range(domain: VtdDomain, firstPage: number, pages: number): void {
    if (domain.attachments.length === 0) return
    if (blocksOf(firstPage, pages, BLOCKS_MAX) > BLOCKS_MAX) this.#cover(domain, firstPage, pages)
    else this.#exact(domain, firstPage, pages)
    this.#queue.sync()
  }

  /** The 4 KiB page at the address (whose low 12 bits do not count). */
  page(domain: VtdDomain, hi: number, lo: number): void {
    if (domain.attachments.length === 0) return
    this.#block(domain, hi, lo & ~0xfff, 12)
    this.#queue.sync()
  }

  everything(domain: VtdDomain): void {
    if (domain.attachments.length === 0) return
    this.#block(domain, 0, 0, EVERYTHING)
    this.#queue.sync()
  }

  /** PASID entries of the domain were changed: their cached copies, then the translations. */
  entries(domain: VtdDomain): void {
    for (const { entryPasid } of domain.attachments) this.#queue.invalidatePasid(domain.did, entryPasid)
    this.everything(domain)
  }

  /** An attachment whose entry has gone: entry, translations, device TLB. Not waited for. */
  attachment(domain: VtdDomain, attachment: Attachment): void {
    this.#queue.invalidatePasid(domain.did, attachment.entryPasid)
    this.translations(domain, attachment)
  }

  /** What may be cached of one attachment's translations. Not waited for. */
  translations(domain: VtdDomain, { rid, pasid, entryPasid, ats }: Attachment): void {
    if (domain.hasFirstStage) this.#queue.invalidatePasidIotlb(domain.did, entryPasid)
    else this.#queue.invalidateDomain(domain.did)
    if (ats) this.#queue.invalidateDeviceTlb(rid, pasid, 0, 0, EVERYTHING)
  }

  #exact(domain: VtdDomain, firstPage: number, pages: number): void {
    const end = firstPage + pages
    for (let page = firstPage; page < end; ) {
      const size = blockAt(page, end - page)
      this.#block(domain, pageHi(page), pageLo(page), 12 + Math.log2(size))
      page += size
    }
  }

  #cover(domain: VtdDomain, firstPage: number, pages: number): void {
    const order = coveringOrder(firstPage, pages)
    const page = firstPage - (firstPage % 2 ** order)
    this.#block(domain, pageHi(page), pageLo(page), 12 + order)
  }

  #block(domain: VtdDomain, hi: number, lo: number, shift: number): void {
    const { attachments, did } = domain
    const queue = this.#queue
    const whole = shift > this.#shiftMax
    if (!domain.hasFirstStage) {
      if (whole) queue.invalidateDomain(did)
      else queue.invalidateDomainPages(did, hi, lo, shift)
    }
    for (let i = 0; i < attachments.length; i++) {
      const { rid, pasid, entryPasid, ats } = attachments[i]!
      if (domain.hasFirstStage && whole) queue.invalidatePasidIotlb(did, entryPasid)
      else if (domain.hasFirstStage) queue.invalidatePasidPages(did, entryPasid, hi, lo, shift)
      if (ats) queue.invalidateDeviceTlb(rid, pasid, hi, lo, shift)
    }
  }
}
