// SPDX-License-Identifier: MIT
import { EINVAL } from '../../../base/errno.ts'
import {
  SPACE_FAULT_DISABLE,
  SPACE_FORMAT_SHIFT,
  SPACE_SVA,
  SPACE_TYPE_SHIFT,
  SPACE_VALID,
} from '../../../hardware/iommus/simple/layout.ts'
import { COOKIE_SVA, DOMAIN_SVA } from '../../iommu/domain.ts'
import type { FaultHandler } from '../../iommu/fault.ts'
import type { Mm, MmNotifier } from '../../mm/mm.ts'
import type { CommandRing } from './command-ring.ts'
import { numberOfFormat } from './formats.ts'
import type { Invalidation } from './invalidation.ts'
import { SimpleDomain } from './simple-domain.ts'
import { clearSpace } from './tables.ts'

export interface SvaParts {
  /** All of physical memory as int32, for the tables. */
  readonly words: Int32Array
  readonly commands: CommandRing
  readonly invalidation: Invalidation
  readonly giveTag: (tag: number) => void
}

/** A process's page table, walked by the unit as it is (`spec/01` §4.3). */
export class SvaDomain extends SimpleDomain implements MmNotifier {
  readonly mm: Mm
  readonly #parts: SvaParts

  /** EINVAL when the unit cannot walk the process's table. */
  constructor(owner: object, parts: SvaParts, mm: Mm, options: { tag: number; handler: FaultHandler }) {
    const format = numberOfFormat(mm.table.format)
    if (format < 0) throw EINVAL
    super(
      {
        type: DOMAIN_SVA,
        owner,
        iopfHandler: options.handler,
        cookieType: COOKIE_SVA,
        attachesRid: false,
      },
      {
        spaceFlags: SPACE_VALID | (SPACE_SVA << SPACE_TYPE_SHIFT) | (format << SPACE_FORMAT_SHIFT),
        tag: options.tag,
        root: mm.table.root,
        rootHigh: 0,
        stage2Root: 0,
      },
    )
    this.mm = mm
    this.#parts = parts
    mm.addNotifier(this)
  }

  /** Pages of the process changed: IOTLB and device caches forget them before this returns. */
  invalidate(startPage: number, endPage: number): void {
    this.#parts.invalidation.range(this, startPage, endPage - startPage)
  }

  /** The process ends: entries are cleared with faults disabled, so that accesses abort and nobody hears of them. */
  release(): void {
    const { words, commands, invalidation } = this.#parts
    this.spaceFlags = SPACE_FAULT_DISABLE
    for (const attachment of this.attachments) {
      clearSpace(words, attachment.spaceAt, SPACE_FAULT_DISABLE)
      commands.invalidatePasid(attachment.rid, attachment.pasid)
      invalidation.attachment(this, attachment)
    }
  }

  protected override onFree(): void {
    super.onFree()
    this.mm.removeNotifier(this)
    this.#parts.giveTag(this.tag)
  }
}
