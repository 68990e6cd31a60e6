// SPDX-License-Identifier: MIT
import { PASID_FPD } from '../../../hardware/iommus/vtd/layout-tables.ts'
import { COOKIE_SVA, DOMAIN_SVA } from '../../iommu/domain.ts'
import type { FaultHandler } from '../../iommu/fault.ts'
import type { Mm, MmNotifier } from '../../mm/mm.ts'
import type { InvalidationQueue } from './invalidation-queue.ts'
import type { Invalidation } from './invalidation.ts'
import { clearEntry, type EntryImage } from './tables.ts'
import { VtdDomain } from './vtd-domain.ts'

export interface SvaParts {
  /** All of physical memory as int32, for the PASID entries. */
  readonly words: Int32Array
  readonly queue: InvalidationQueue
  readonly invalidation: Invalidation
  readonly giveDid: (did: number) => void
}

/** A process's page table, walked as first stage (`spec/01` §4.3). */
export class SvaDomain extends VtdDomain implements MmNotifier {
  readonly mm: Mm
  readonly #parts: SvaParts

  constructor(owner: object, parts: SvaParts, mm: Mm, options: { image: EntryImage; handler: FaultHandler }) {
    super(
      { type: DOMAIN_SVA, owner, iopfHandler: options.handler, cookieType: COOKIE_SVA, attachesRid: false },
      options.image,
      true,
    )
    this.mm = mm
    this.#parts = parts
    mm.addNotifier(this)
  }

  /** Pages of the process changed: IOTLB and device TLBs forget them before this returns. */
  invalidate(startPage: number, endPage: number): void {
    this.#parts.invalidation.range(this, startPage, endPage - startPage)
  }

  /** The process ends: entries are cleared with FPD, so that accesses abort and nobody hears of them. */
  release(): void {
    const { words, queue, invalidation } = this.#parts
    this.flags = PASID_FPD
    for (const attachment of this.attachments) {
      clearEntry(words, attachment.entryAt, PASID_FPD)
      invalidation.attachment(this, attachment)
    }
    queue.sync()
  }

  protected override onFree(): void {
    super.onFree()
    this.mm.removeNotifier(this)
    this.#parts.giveDid(this.did)
  }
}
