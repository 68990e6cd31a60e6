// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { pageOf } from '../../../base/u64.ts'
import type { PagingOptions } from '../../iommu/driver.ts'
import type { CommandQueue } from './command-queue.ts'
import type { Stage2 } from './entries.ts'
import { type Invalidation, stage2Owner, type TlbOwner } from './invalidation.ts'
import { OwnTable, pagingDomain, type PagingParts } from './paging.ts'
import { SmmuDomain } from './smmu-domain.ts'

/** A page table of the kernel's, walked as stage 2: guest memory. Its tag is its VMID, which its guests share. */
export class Stage2Domain extends SmmuDomain implements Stage2 {
  readonly vmid: number
  /** Guests' stage-1 tables on this one: what changes here changes them. */
  readonly nested: SmmuDomain[] = []
  readonly #own: OwnTable
  readonly #invalidation: Invalidation
  readonly #commands: CommandQueue
  readonly #owner: TlbOwner
  readonly #giveTag: (tag: number) => void

  constructor(
    parts: PagingParts & { readonly commands: CommandQueue },
    own: OwnTable,
    options: PagingOptions & { readonly vmid: number; readonly bits: number },
  ) {
    super({ ...pagingDomain(parts.owner, options, options.bits), attachesPasid: false }, options.vmid)
    this.vmid = options.vmid
    this.#own = own
    this.#invalidation = parts.invalidation
    this.#commands = parts.commands
    this.#owner = stage2Owner(options.vmid)
    this.#giveTag = parts.giveTag
  }

  get root(): number {
    return this.#own.table.root
  }

  override map(hi: number, lo: number, frame: number, pages: number, access: number): void {
    this.#own.map(this.tag, hi, lo, frame, pages, access)
  }

  override unmap(hi: number, lo: number, pages: number): number {
    const count = this.#own.unmap(this.tag, hi, lo, pages)
    if (count > 0) this.#forget(hi, lo, pages)
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
    assert(this.nested.length === 0, `domain ${this.tag} is freed under a nested one`)
    super.onFree()
    this.#own.table.destroy()
    this.#giveTag(this.tag)
  }

  /** Stage 2 by address; what was cached of both stages has guest addresses, and goes altogether. */
  #forget(hi: number, lo: number, pages: number): void {
    if (this.#nestedUsers()) {
      this.#invalidation.tlbAll(this.#owner)
      for (const { attachments } of this.nested) {
        for (const { device, pasid } of attachments)
          if (device.atsEnabled) this.#commands.invalidateWholeAtc(device.sid, pasid)
      }
      if (this.attachments.length === 0) this.#commands.sync()
    }
    if (pages === 1) this.#invalidation.page(this, this.#owner, hi, lo)
    else this.#invalidation.range(this, this.#owner, pageOf(hi, lo), pages)
  }

  #nestedUsers(): boolean {
    return this.nested.some(({ attachments }) => attachments.length > 0)
  }
}
