// SPDX-License-Identifier: MIT
import { EINVAL, EOPNOTSUPP } from '../../../base/errno.ts'
import { pageOf, toNumber } from '../../../base/u64.ts'
import {
  FSPM_4_LEVEL,
  FSPM_5_LEVEL,
  PASID_EAFE,
  PASID_FSPM_SHIFT,
  PASID_NXE,
  PASID_PGTT_MASK,
  PASID_PGTT_SHIFT,
  PASID_SRE,
  PASID_WPE,
  PGTT_NESTED,
} from '../../../hardware/iommus/vtd/layout-tables.ts'
import { COOKIE_IOMMUFD, DOMAIN_NESTED } from '../../iommu/domain.ts'
import type { FaultHandler } from '../../iommu/fault.ts'
import type { UserArray, UserData } from '../../iommu/user-data.ts'
import type { VtdCapabilities } from './capabilities.ts'
import type { Invalidation } from './invalidation.ts'
import type { PagingDomain } from './paging-domain.ts'
import * as abi from './user-abi.ts'
import { VtdDomain } from './vtd-domain.ts'

const PAGES_ALL: number = 2 ** 52
const WIDTH_4_LEVEL = 48
const WIDTH_5_LEVEL = 57

/** What the user says of its first-stage table. */
export interface NestedTable {
  /** VTD_S1_; others do not count. */
  readonly flags: number
  readonly tableHi: number
  readonly tableLo: number
  readonly width: number
}

/** Decodes the user's data (`spec/04` §1.6): nothing in it is checked before the attach. EINVAL for its length, EFAULT. */
export function decodeNested(userData: UserData): NestedTable {
  const data = userData.copyStruct(abi.NESTED_DATA_VTD_S1, abi.NESTED_BYTES, abi.NESTED_BYTES)
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  return {
    flags: view.getInt32(abi.NESTED_FLAGS, true),
    tableLo: view.getInt32(abi.NESTED_TABLE, true) & ~0xfff,
    tableHi: view.getInt32(abi.NESTED_TABLE + 4, true),
    width: view.getUint32(abi.NESTED_WIDTH, true),
  }
}

export interface NestedParts {
  readonly did: number
  readonly iopfHandler: FaultHandler | undefined
  readonly capabilities: VtdCapabilities
  readonly invalidation: Invalidation
  readonly giveDid: (did: number) => void
}

/** A user's first-stage table in guest-physical memory, on a second stage that translates that. */
export class NestedDomain extends VtdDomain {
  readonly parent: PagingDomain
  readonly #table: NestedTable
  readonly #parts: NestedParts

  constructor(owner: object, parent: PagingDomain, table: NestedTable, parts: NestedParts) {
    super(
      { type: DOMAIN_NESTED, owner, iopfHandler: parts.iopfHandler, cookieType: COOKIE_IOMMUFD },
      {
        flags: (parent.flags & ~PASID_PGTT_MASK) | (PGTT_NESTED << PASID_PGTT_SHIFT),
        did: parts.did,
        secondRoot: parent.secondRoot,
        rules: rulesOf(table),
        firstHi: table.tableHi,
        firstLo: table.tableLo,
      },
      true,
    )
    this.parent = parent
    this.#table = table
    this.#parts = parts
    parent.nested.push(this)
  }

  /** EINVAL: the unit has no such width, or not what a flag asks for (`spec/04` §1.6). */
  override checkEntry(): void {
    const { flags, width } = this.#table
    const { firstFiveLevel, supervisorRequests, extendedAccess } = this.#parts.capabilities
    if (width !== WIDTH_4_LEVEL && (width !== WIDTH_5_LEVEL || !firstFiveLevel)) throw EINVAL
    if ((flags & abi.VTD_S1_SRE) !== 0 && !supervisorRequests) throw EINVAL
    if ((flags & abi.VTD_S1_EAFE) !== 0 && !extendedAccess) throw EINVAL
  }

  /** EINVAL, EOPNOTSUPP (flags, reserved), EFAULT: the requests before it are done (`spec/04` §1.6). */
  override invalidateUser(array: UserArray): void {
    array.handled = 0
    if (array.type !== abi.INVALIDATE_DATA_VTD_S1) throw EINVAL
    for (let index = 0; index < array.entryCount; index++) {
      const bytes = abi.INVALIDATE_BYTES
      this.#invalidateOne(array.copyEntry(index, abi.INVALIDATE_DATA_VTD_S1, bytes, bytes))
      array.handled = index + 1
    }
  }

  #invalidateOne(request: Uint8Array): void {
    const view = new DataView(request.buffer, request.byteOffset, request.length)
    const word = (offset: number): number => view.getInt32(offset, true)
    const unknown = word(abi.INVALIDATE_FLAGS) & ~abi.VTD_INV_FLAGS_LEAF
    if ((unknown | word(abi.INVALIDATE_RESERVED)) !== 0) throw EOPNOTSUPP
    const [lo, hi] = [word(abi.INVALIDATE_ADDRESS), word(abi.INVALIDATE_ADDRESS + 4)]
    const [pagesLo, pagesHi] = [word(abi.INVALIDATE_PAGES), word(abi.INVALIDATE_PAGES + 4)]
    const all = (pagesHi & pagesLo) === -1
    if ((lo & 0xfff) !== 0 || (all && (hi | lo) !== 0)) throw EINVAL
    this.#forget(pageOf(hi, lo), all ? PAGES_ALL : toNumber(pagesHi, pagesLo))
  }

  /** A range that runs over the end of all addresses is everything. */
  #forget(firstPage: number, pages: number): void {
    const { invalidation } = this.#parts
    if (firstPage + pages >= PAGES_ALL) invalidation.everything(this)
    else if (pages > 0) invalidation.range(this, firstPage, pages)
  }

  protected override onFree(): void {
    super.onFree()
    this.parent.nested.splice(this.parent.nested.indexOf(this), 1)
    this.#parts.giveDid(this.did)
  }
}

/** Word 4 of the entry. No-execute is as on a CPU. */
function rulesOf({ flags, width }: NestedTable): number {
  const mode = width === WIDTH_5_LEVEL ? FSPM_5_LEVEL : FSPM_4_LEVEL
  return (
    PASID_NXE |
    (mode << PASID_FSPM_SHIFT) |
    ((flags & abi.VTD_S1_SRE) === 0 ? 0 : PASID_SRE) |
    ((flags & abi.VTD_S1_EAFE) === 0 ? 0 : PASID_EAFE) |
    ((flags & abi.VTD_S1_WPE) === 0 ? 0 : PASID_WPE)
  )
}
