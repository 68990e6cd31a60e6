// SPDX-License-Identifier: MIT
import { pageHi, pageLo } from '../../../base/u64.ts'
import * as queues from '../../../hardware/iommus/smmuv3/layout-queues.ts'
import { coveringOrder } from '../blocks.ts'
import type { CommandQueue } from './command-queue.ts'
import type { SmmuDomain } from './smmu-domain.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { CMD_TLBI_NH_VA, CMD_TLBI_S2_IPA, TLBI_ASID_SHIFT } = queues

/** Pages that are named one by one where the unit takes no ranges; more is everything of the ASID or VMID. */
const PAGES_MAX = 512
/** Pages that ranges can say; more is everything. */
const RANGE_PAGES_MAX: number = 2 ** 36
const RANGE_COUNT_MASK = 31

/** Which TLB entries are a domain's. */
export interface TlbOwner {
  /** By CMD_TLBI_NH_VA the ASID, by CMD_TLBI_S2_IPA the VMID. */
  readonly opcode: number
  readonly id: number
}

export function stage1Owner(asid: number): TlbOwner {
  return { opcode: CMD_TLBI_NH_VA, id: asid << TLBI_ASID_SHIFT }
}

export function stage2Owner(vmid: number): TlbOwner {
  return { opcode: CMD_TLBI_S2_IPA, id: vmid }
}

/**
 * TLB and device caches (ATC): whoever takes a translation away invalidates here before a frame is used anew. Each call
 * returns when the unit and the devices have forgotten.
 */
export class Invalidation {
  readonly #commands: CommandQueue
  readonly #ranges: boolean

  constructor(commands: CommandQueue, ranges: boolean) {
    this.#commands = commands
    this.#ranges = ranges
  }

  /** The 4 KiB page at the address, for everybody who uses the domain. Nobody does: nothing is cached. */
  page(domain: SmmuDomain, owner: TlbOwner, hi: number, lo: number): void {
    if (domain.attachments.length === 0) return
    this.#commands.tlbPage(owner.opcode, owner.id, hi, lo)
    this.#atc(domain, hi, lo, 0)
    this.#commands.sync()
  }

  /** `pages` 4 KiB pages from `firstPage` on. */
  range(domain: SmmuDomain, owner: TlbOwner, firstPage: number, pages: number): void {
    if (domain.attachments.length === 0) return
    this.tlbRange(owner, firstPage, pages)
    const order = coveringOrder(firstPage, pages)
    const start = firstPage - (firstPage % 2 ** order)
    this.#atc(domain, pageHi(start), pageLo(start), order)
    this.#commands.sync()
  }

  /** Everything that one attachment may have cached; the domain's own entries are dropped for all. */
  attachment(domain: SmmuDomain, owner: TlbOwner, sid: number, pasid: number, ats: boolean): void {
    this.tlbAll(owner)
    if (ats) this.#commands.invalidateWholeAtc(sid, pasid)
    if (domain.attachments.length > 0) this.#commands.sync()
  }

  /** Without waiting. */
  tlbAll({ opcode, id }: TlbOwner): void {
    if (opcode === CMD_TLBI_NH_VA) this.#commands.tlbAsid(id >>> TLBI_ASID_SHIFT)
    else this.#commands.tlbVmid(id)
  }

  /** Without waiting. */
  tlbRange(owner: TlbOwner, firstPage: number, pages: number): void {
    if (pages > (this.#ranges ? RANGE_PAGES_MAX : PAGES_MAX)) return this.tlbAll(owner)
    if (this.#ranges) return this.#inRanges(owner, firstPage, pages)
    for (let page = firstPage; page < firstPage + pages; page++)
      this.#commands.tlbPage(owner.opcode, owner.id, pageHi(page), pageLo(page))
  }

  /** As (NUM + 1) × 2^SCALE pages, small scales first, until nothing is left. */
  #inRanges({ opcode, id }: TlbOwner, firstPage: number, pages: number): void {
    let page = firstPage
    let left = pages
    for (let scale = 0; left > 0; scale++) {
      const count = left & RANGE_COUNT_MASK
      if ((left & 1) === 0 && left > RANGE_COUNT_MASK) {
        left = Math.floor(left / 2)
        continue
      }
      this.#commands.tlbRange(opcode, id, pageHi(page), pageLo(page), count, scale)
      page += count * 2 ** scale
      left = (left - count) / 2
    }
  }

  #atc(domain: SmmuDomain, hi: number, lo: number, order: number): void {
    const { attachments } = domain
    for (let i = 0; i < attachments.length; i++) {
      const { device, pasid } = attachments[i]!
      if (device.atsEnabled) this.#commands.invalidateAtc(device.sid, pasid, hi, lo, order)
    }
  }
}
