// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { DOMAIN_BLOCKED, DOMAIN_IDENTITY, Domain, type DomainOptions } from '../../iommu/domain.ts'
import type { Stage1 } from './entries.ts'
import type { CdTable } from './tables.ts'

/** What a domain knows of a device that uses it. */
export interface AttachedDevice {
  readonly sid: number
  /** It has a cache of its own. */
  readonly atsEnabled: boolean
  readonly cdTable: CdTable | undefined
}

/** A device's RID (PASID NO_PASID) or PASID that translates with a domain: where invalidations have to go. */
export class Attachment {
  readonly device: AttachedDevice
  readonly pasid: number

  constructor(device: AttachedDevice, pasid: number) {
    this.device = device
    this.pasid = pasid
  }
}

/** A domain of the SMMUv3 driver, and who uses it. */
export class SmmuDomain extends Domain {
  /** For the trace; 0: a static one. */
  readonly tag: number
  readonly attachments: Attachment[] = []

  constructor(options: DomainOptions, tag: number) {
    super(options)
    this.tag = tag
  }

  attach(device: AttachedDevice, pasid: number): void {
    this.attachments.push(new Attachment(device, pasid))
  }

  detach(device: AttachedDevice, pasid: number): void {
    const index = this.attachments.findIndex((entry) => entry.device === device && entry.pasid === pasid)
    assert(index >= 0, `domain ${this.tag} is not attached to ${device.sid} PASID ${pasid}`)
    this.attachments.splice(index, 1)
  }

  protected override onFree(): void {
    assert(this.attachments.length === 0, `domain ${this.tag} is freed while it is attached`)
  }
}

/** A domain that a CD describes: the kernel's own tables, or a process's. Its tag is its ASID. */
export class Stage1Domain extends SmmuDomain implements Stage1 {
  readonly root: number
  /** The process has ended: walks are disabled, quietly. */
  silent = false

  constructor(options: DomainOptions, asid: number, root: number) {
    super(options, asid)
    this.root = root
  }

  get asid(): number {
    return this.tag
  }
}

/** Every access is refused; for a PASID: no CD. One a driver. */
export function blockedDomain(owner: object): SmmuDomain {
  return new SmmuDomain({ type: DOMAIN_BLOCKED, owner }, 0)
}

/** Addresses are physical. One a driver. */
export function identityDomain(owner: object): SmmuDomain {
  return new SmmuDomain({ type: DOMAIN_IDENTITY, owner, attachesPasid: false }, 0)
}
