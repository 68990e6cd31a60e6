// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import {
  SPACE_BLOCKED,
  SPACE_IDENTITY,
  SPACE_TYPE_SHIFT,
  SPACE_VALID,
} from '../../../hardware/iommus/simple/layout.ts'
import { DOMAIN_BLOCKED, DOMAIN_IDENTITY, Domain, type DomainOptions } from '../../iommu/domain.ts'
import type { AddressSpace } from './tables.ts'

/** A device's RID (PASID NO_PASID) or PASID that translates with a domain: where invalidations have to go. */
export class Attachment {
  readonly rid: number
  readonly pasid: number
  /** Whether the device has a cache of its own. */
  readonly ats: boolean
  /** Word index of the address space in the tables. */
  readonly spaceAt: number

  constructor(rid: number, pasid: number, ats: boolean, spaceAt: number) {
    this.rid = rid
    this.pasid = pasid
    this.ats = ats
    this.spaceAt = spaceAt
  }
}

/** A domain of the simple driver: what stands in the unit's tables for it, and who uses it. */
export class SimpleDomain extends Domain implements AddressSpace {
  spaceFlags: number
  readonly tag: number
  readonly root: number
  readonly rootHigh: number
  readonly stage2Root: number
  readonly attachments: Attachment[] = []

  constructor(options: DomainOptions, space: AddressSpace) {
    super(options)
    this.spaceFlags = space.spaceFlags
    this.tag = space.tag
    this.root = space.root
    this.rootHigh = space.rootHigh
    this.stage2Root = space.stage2Root
  }

  addAttachment(attachment: Attachment): void {
    this.attachments.push(attachment)
  }

  removeAttachment(rid: number, pasid: number): void {
    const index = this.attachments.findIndex((entry) => entry.rid === rid && entry.pasid === pasid)
    assert(index >= 0, `domain ${this.tag} is not attached to ${rid} PASID ${pasid}`)
    this.attachments.splice(index, 1)
  }

  protected override onFree(): void {
    assert(this.attachments.length === 0, `domain ${this.tag} is freed while it is attached`)
  }
}

/** Every access is refused; for a PASID: no entry. One a driver. */
export function blockedDomain(owner: object): SimpleDomain {
  return staticDomain(owner, DOMAIN_BLOCKED, SPACE_BLOCKED)
}

/** Addresses are physical. One a driver. */
export function identityDomain(owner: object): SimpleDomain {
  return staticDomain(owner, DOMAIN_IDENTITY, SPACE_IDENTITY)
}

function staticDomain(owner: object, type: number, space: number): SimpleDomain {
  const spaceFlags = SPACE_VALID | (space << SPACE_TYPE_SHIFT)
  return new SimpleDomain({ type, owner }, { spaceFlags, tag: 0, root: 0, rootHigh: 0, stage2Root: 0 })
}
