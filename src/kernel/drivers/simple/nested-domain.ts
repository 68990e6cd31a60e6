// SPDX-License-Identifier: MIT
import { EINVAL } from '../../../base/errno.ts'
import { pageOf, toNumber } from '../../../base/u64.ts'
import {
  SPACE_FORMAT_MASK,
  SPACE_FORMAT_SHIFT,
  SPACE_NESTED,
  SPACE_STAGE2_FORMAT_SHIFT,
  SPACE_TYPE_SHIFT,
  SPACE_VALID,
} from '../../../hardware/iommus/simple/layout.ts'
import { COOKIE_IOMMUFD, DOMAIN_NESTED } from '../../iommu/domain.ts'
import type { FaultHandler } from '../../iommu/fault.ts'
import type { UserArray, UserData } from '../../iommu/user-data.ts'
import type { Invalidation } from './invalidation.ts'
import type { PagingDomain } from './paging-domain.ts'
import { SimpleDomain } from './simple-domain.ts'
import {
  INVALIDATE_BYTES,
  INVALIDATE_DATA_SIMPLE,
  NESTED_DATA_BYTES,
  NESTED_DATA_SIMPLE,
} from './user-abi.ts'

const PAGES_ALL: number = 2 ** 52

/** What the user says of its stage-1 table. */
export interface NestedTable {
  readonly rootHi: number
  readonly rootLo: number
  readonly format: number
}

/** Decodes the user's data. EINVAL: wrong length, root not aligned to 4 KiB, reserved word not 0; EFAULT. */
export function decodeNested(userData: UserData): NestedTable {
  const data = userData.copyStruct(NESTED_DATA_SIMPLE, NESTED_DATA_BYTES, NESTED_DATA_BYTES)
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const rootLo = view.getInt32(0, true)
  const rootHi = view.getInt32(4, true)
  if ((rootLo & 0xfff) !== 0 || view.getUint32(12, true) !== 0) throw EINVAL
  return { rootHi, rootLo, format: view.getUint32(8, true) }
}

/** A user's stage-1 table in guest-physical memory, on a parent that translates that. */
export class NestedDomain extends SimpleDomain {
  readonly parent: PagingDomain
  readonly #invalidation: Invalidation
  readonly #giveTag: (tag: number) => void

  constructor(
    owner: object,
    parent: PagingDomain,
    table: NestedTable,
    options: {
      tag: number
      iopfHandler: FaultHandler | undefined
      invalidation: Invalidation
      giveTag: (tag: number) => void
    },
  ) {
    const stage2Format = (parent.spaceFlags & SPACE_FORMAT_MASK) >>> SPACE_FORMAT_SHIFT
    super(
      { type: DOMAIN_NESTED, owner, iopfHandler: options.iopfHandler, cookieType: COOKIE_IOMMUFD },
      {
        spaceFlags:
          SPACE_VALID |
          (SPACE_NESTED << SPACE_TYPE_SHIFT) |
          (table.format << SPACE_FORMAT_SHIFT) |
          (stage2Format << SPACE_STAGE2_FORMAT_SHIFT),
        tag: options.tag,
        root: (table.rootHi << 20) | (table.rootLo >>> 12),
        rootHigh: table.rootHi >>> 12,
        stage2Root: parent.root,
      },
    )
    this.parent = parent
    this.#invalidation = options.invalidation
    this.#giveTag = options.giveTag
    parent.nested.push(this)
  }

  /** The user changed its table: `pages` 4 KiB pages from `firstPage` on are forgotten. */
  invalidate(firstPage: number, pages: number): void {
    this.#invalidation.range(this, firstPage, pages)
  }

  /** EINVAL (type, length, reserved bits, an address that is no page's), EFAULT: the requests before it are done. */
  override invalidateUser(array: UserArray): void {
    array.handled = 0
    if (array.type !== INVALIDATE_DATA_SIMPLE) throw EINVAL
    for (let index = 0; index < array.entryCount; index++) {
      this.#invalidateOne(array.copyEntry(index, INVALIDATE_DATA_SIMPLE, INVALIDATE_BYTES, INVALIDATE_BYTES))
      array.handled = index + 1
    }
  }

  #invalidateOne(request: Uint8Array): void {
    const view = new DataView(request.buffer, request.byteOffset, request.length)
    const [lo, hi] = [view.getInt32(0, true), view.getInt32(4, true)]
    const [pagesLo, pagesHi] = [view.getInt32(8, true), view.getInt32(12, true)]
    if ((lo & 0xfff) !== 0 || (view.getInt32(16, true) | view.getInt32(20, true)) !== 0) throw EINVAL
    const firstPage = pageOf(hi, lo)
    const pages = toNumber(pagesHi, pagesLo)
    if ((pagesHi & pagesLo) === -1) this.#invalidation.everything(this)
    else if (firstPage + pages > PAGES_ALL) throw EINVAL
    else if (pages > 0) this.invalidate(firstPage, pages)
  }

  protected override onFree(): void {
    super.onFree()
    this.parent.nested.splice(this.parent.nested.indexOf(this), 1)
    this.#giveTag(this.tag)
  }
}
