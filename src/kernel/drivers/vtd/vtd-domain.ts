// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import {
  AW_48,
  PASID_AW_SHIFT,
  PASID_P,
  PASID_PGTT_SHIFT,
  PGTT_PASS_THROUGH,
} from '../../../hardware/iommus/vtd/layout-tables.ts'
import { DOMAIN_BLOCKED, DOMAIN_IDENTITY, Domain, type DomainOptions } from '../../iommu/domain.ts'
import type { EntryImage } from './tables.ts'

/** Domain ids: 0 is not used, 1 is pass-through's, the others one a domain. */
export const DID_PASS_THROUGH = 1
export const DID_FIRST = 2

/** A device's RID (PASID NO_PASID) or PASID that translates with a domain: where invalidations have to go. */
export class Attachment {
  readonly rid: number
  readonly pasid: number
  /** PASID of the entry: 0 for the RID. */
  readonly entryPasid: number
  /** Whether the device has a TLB of its own. */
  readonly ats: boolean
  /** Word index of the PASID entry. */
  readonly entryAt: number

  constructor(rid: number, pasid: number, entryPasid: number, ats: boolean, entryAt: number) {
    this.rid = rid
    this.pasid = pasid
    this.entryPasid = entryPasid
    this.ats = ats
    this.entryAt = entryAt
  }
}

/** A domain of the VT-d driver: what stands in PASID entries for it, and who uses it. */
export class VtdDomain extends Domain implements EntryImage {
  flags: number
  readonly did: number
  readonly secondRoot: number
  readonly rules: number
  readonly firstHi: number
  readonly firstLo: number
  /** Its translations are tagged with PASIDs: there is a first stage. */
  readonly hasFirstStage: boolean
  readonly attachments: Attachment[] = []

  constructor(options: DomainOptions, image: EntryImage, hasFirstStage: boolean) {
    super(options)
    this.flags = image.flags
    this.did = image.did
    this.secondRoot = image.secondRoot
    this.rules = image.rules
    this.firstHi = image.firstHi
    this.firstLo = image.firstLo
    this.hasFirstStage = hasFirstStage
  }

  /** Blocked: there is no entry. */
  get hasEntry(): boolean {
    return (this.flags & PASID_P) !== 0
  }

  /** Last check before it stands in an entry. EINVAL. */
  checkEntry(): void {}

  addAttachment(attachment: Attachment): void {
    this.attachments.push(attachment)
  }

  /** Asserts that it is attached there. */
  takeAttachment(rid: number, pasid: number): Attachment {
    const index = this.attachments.findIndex((entry) => entry.rid === rid && entry.pasid === pasid)
    const [attachment] = index < 0 ? [] : this.attachments.splice(index, 1)
    assert(attachment !== undefined, `domain ${this.did} is not attached to ${rid} PASID ${pasid}`)
    return attachment
  }

  protected override onFree(): void {
    assert(this.attachments.length === 0, `domain ${this.did} is freed while it is attached`)
  }
}

const NOTHING: EntryImage = { flags: 0, did: 0, secondRoot: 0, rules: 0, firstHi: 0, firstLo: 0 }

/** Every access is refused: no entry. One a driver. */
export function blockedDomain(owner: object): VtdDomain {
  return new VtdDomain({ type: DOMAIN_BLOCKED, owner }, NOTHING, false)
}

/** Addresses are physical. One a driver. `rules`: SRE. */
export function identityDomain(owner: object, rules: number): VtdDomain {
  const flags = PASID_P | (PGTT_PASS_THROUGH << PASID_PGTT_SHIFT) | (AW_48 << PASID_AW_SHIFT)
  const image = { ...NOTHING, flags, did: DID_PASS_THROUGH, rules }
  return new VtdDomain({ type: DOMAIN_IDENTITY, owner }, image, false)
}
