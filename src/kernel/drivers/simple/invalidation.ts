// SPDX-License-Identifier: MIT
import { pageHi, pageLo } from '../../../base/u64.ts'
import { COMMAND_RANGE_ALL } from '../../../hardware/iommus/simple/layout.ts'
import { blockAt, blocksOf, coveringOrder } from '../blocks.ts'
import type { CommandRing } from './command-ring.ts'
import type { Attachment, SimpleDomain } from './simple-domain.ts'

/** A range that needs more naturally aligned blocks than this is covered by one larger block. */
const BLOCKS_MAX = 16

/**
 * IOTLB and device caches (ATC): whoever takes a translation away invalidates here before a frame is used anew. Each
 * call returns when the unit and the devices have forgotten.
 */
export class Invalidation {
  readonly #commands: CommandRing

  constructor(commands: CommandRing) {
    this.#commands = commands
  }

  /** `pages` 4 KiB pages from `firstPage` on, for everybody who uses the domain. Nobody does: nothing is cached. */
  range(domain: SimpleDomain, firstPage: number, pages: number): void {
    if (domain.attachments.length === 0) return
    if (blocksOf(firstPage, pages, BLOCKS_MAX) > BLOCKS_MAX) this.#cover(domain, firstPage, pages)
    else this.#exact(domain, firstPage, pages)
    this.#commands.sync()
  }

  /** The 4 KiB page at the address (whose low 12 bits do not count). */
  page(domain: SimpleDomain, hi: number, lo: number): void {
    if (domain.attachments.length === 0) return
    this.#block(domain, hi, lo & ~0xfff, 12)
    this.#commands.sync()
  }

  everything(domain: SimpleDomain): void {
    if (domain.attachments.length === 0) return
    this.#block(domain, 0, 0, COMMAND_RANGE_ALL)
    this.#commands.sync()
  }

  /** What one attachment may have cached; the domain's tag is dropped for all. */
  attachment(domain: SimpleDomain, { rid, pasid, ats }: Attachment): void {
    this.#commands.invalidateIotlb(domain.tag, 0, 0, COMMAND_RANGE_ALL)
    if (ats) this.#commands.invalidateAtc(rid, pasid, 0, 0, COMMAND_RANGE_ALL)
    this.#commands.sync()
  }

  #exact(domain: SimpleDomain, firstPage: number, pages: number): void {
    const end = firstPage + pages
    for (let page = firstPage; page < end; ) {
      const size = blockAt(page, end - page)
      this.#block(domain, pageHi(page), pageLo(page), 12 + Math.log2(size))
      page += size
    }
  }

  #cover(domain: SimpleDomain, firstPage: number, pages: number): void {
    const order = coveringOrder(firstPage, pages)
    const page = firstPage - (firstPage % 2 ** order)
    this.#block(domain, pageHi(page), pageLo(page), 12 + order)
  }

  #block(domain: SimpleDomain, hi: number, lo: number, shift: number): void {
    const commands = this.#commands
    commands.invalidateIotlb(domain.tag, hi, lo, shift)
    const { attachments } = domain
    for (let i = 0; i < attachments.length; i++) {
      const attachment = attachments[i]!
      if (attachment.ats) commands.invalidateAtc(attachment.rid, attachment.pasid, hi, lo, shift)
    }
  }
}
