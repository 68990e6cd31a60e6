// SPDX-License-Identifier: MIT
import { COOKIE_SVA, DOMAIN_SVA } from '../../iommu/domain.ts'
import type { FaultHandler } from '../../iommu/fault.ts'
import type { Mm, MmNotifier } from '../../mm/mm.ts'
import type { Attachment } from './smmu-domain.ts'
import { type Invalidation, stage1Owner, type TlbOwner } from './invalidation.ts'
import { Stage1Domain } from './smmu-domain.ts'

export interface SvaParts {
  readonly invalidation: Invalidation
  readonly giveTag: (tag: number) => void
  /** Disables the walks of an attachment's CD, quietly. */
  readonly silence: (attachment: Attachment) => void
}

/** A process's page table, walked by the unit as it is (`spec/01` §4.3). */
export class SvaDomain extends Stage1Domain implements MmNotifier {
  readonly mm: Mm
  readonly #parts: SvaParts
  readonly #owner: TlbOwner

  constructor(
    owner: object,
    parts: SvaParts,
    mm: Mm,
    options: { readonly asid: number; readonly handler: FaultHandler },
  ) {
    const iopf = { iopfHandler: options.handler, cookieType: COOKIE_SVA }
    super({ type: DOMAIN_SVA, owner, ...iopf, attachesRid: false }, options.asid, mm.table.root)
    this.mm = mm
    this.#parts = parts
    this.#owner = stage1Owner(options.asid)
    mm.addNotifier(this)
  }

  /** Pages of the process changed: TLB and device caches forget them before this returns. */
  invalidate(startPage: number, endPage: number): void {
    this.#parts.invalidation.range(this, this.#owner, startPage, endPage - startPage)
  }

  /** The process ends: its CDs stay valid and lead nowhere, so that accesses abort and nobody hears of them. */
  release(): void {
    const { invalidation, silence } = this.#parts
    this.silent = true
    for (const attachment of this.attachments) {
      const { device, pasid } = attachment
      silence(attachment)
      invalidation.attachment(this, this.#owner, device.sid, pasid, device.atsEnabled)
    }
  }

  protected override onFree(): void {
    super.onFree()
    this.mm.removeNotifier(this)
    this.#parts.giveTag(this.tag)
  }
}
