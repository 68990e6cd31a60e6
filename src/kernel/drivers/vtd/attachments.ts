// SPDX-License-Identifier: MIT
import { EINVAL, EOPNOTSUPP } from '../../../base/errno.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { World } from '../../../trace/world.ts'
import { DOMAIN_BLOCKED, DOMAIN_IDENTITY, type Domain } from '../../iommu/domain.ts'
import type { FaultEnable } from './fault-enable.ts'
import type { InvalidationQueue } from './invalidation-queue.ts'
import type { Invalidation } from './invalidation.ts'
import { clearEntry, writeEntry } from './tables.ts'
import type { VtdDevice } from './vtd-device.ts'
import { Attachment, VtdDomain } from './vtd-domain.ts'

/** Requests without PASID have this one (RID_PASID). */
const RID_PASID = 0

export interface AttachmentParts {
  readonly owner: object
  readonly world: World
  /** All of physical memory as int32, for the PASID entries. */
  readonly words: Int32Array
  /** The unit's walks can snoop. */
  readonly snoop: boolean
  readonly commands: InvalidationQueue
  readonly invalidation: Invalidation
  readonly faults: FaultEnable
}

/**
 * Puts domains into PASID entries. In this order: faults on for the new domain (its failure changes nothing), the entry,
 * caches, faults of the old domain drained and off.
 */
export class Attachments {
  readonly #parts: AttachmentParts

  constructor(parts: AttachmentParts) {
    this.#parts = parts
  }

  /** EINVAL for a domain of another driver or one that fits no entry; ENODEV when it has a fault handler and the device no PRI; ENOMEM. */
  attachRid(device: VtdDevice, domain: Domain): void {
    this.#switch(device, NO_PASID, RID_PASID, this.#own(domain))
  }

  /** Also EOPNOTSUPP when the device's PASIDs are off. */
  attachPasid(device: VtdDevice, pasid: number, domain: Domain): void {
    if (!device.pasidEnabled) throw EOPNOTSUPP
    this.#switch(device, pasid, pasid, this.#own(domain))
  }

  /** The PASID has no entry any more. Nothing happens when it has none. */
  blockPasid(device: VtdDevice, pasid: number): void {
    if (device.pasidDomains.has(pasid)) this.#switch(device, pasid, pasid, undefined)
  }

  #own(domain: Domain): VtdDomain {
    if (!(domain instanceof VtdDomain) || domain.owner !== this.#parts.owner) throw EINVAL
    return domain
  }

  #switch(device: VtdDevice, pasid: number, entryPasid: number, next: VtdDomain | undefined): void {
    const { words, snoop, faults, world } = this.#parts
    const at = device.pasidTable.entry(entryPasid)
    const current = device.domainOf(pasid)
    if (next !== undefined) this.#enable(device, next)
    if (next === undefined || !next.hasEntry) clearEntry(words, at, next?.flags ?? 0)
    else writeEntry(words, at, next, snoop)
    this.#leave(device, pasid, current)
    faults.disable(device, current)
    next?.addAttachment(new Attachment(device.rid, pasid, entryPasid, device.atsEnabled, at))
    device.setDomain(pasid, next)
    if (world.trace.enabled) this.#trace(device.rid, pasid, current, next)
  }

  #enable(device: VtdDevice, next: VtdDomain): void {
    const { faults } = this.#parts
    faults.enable(device, next)
    try {
      next.checkEntry()
    } catch (error) {
      faults.disable(device, next)
      throw error
    }
  }

  /** Whatever is cached of the old entry and of its translations goes, then the requests that were under way. */
  #leave(device: VtdDevice, pasid: number, current: VtdDomain | undefined): void {
    if (current === undefined) return
    const { commands, invalidation, faults } = this.#parts
    const attachment = current.takeAttachment(device.rid, pasid)
    if (current.type === DOMAIN_BLOCKED) return
    invalidation.attachment(current, attachment)
    commands.sync()
    if (current.iopfHandler !== undefined) faults.drain(device, current, attachment)
  }

  /** The static domains are nothing to be attached to. */
  #trace(rid: number, pasid: number, current: VtdDomain | undefined, next: VtdDomain | undefined): void {
    const { trace } = this.#parts.world
    const from = tracedDid(current)
    const to = tracedDid(next)
    if (from !== 0 && to !== 0) trace.emit(EVENTS.replace, 0, rid, pasid, from, to)
    else if (to !== 0) trace.emit(EVENTS.attach, 0, rid, pasid, to)
    else if (from !== 0) trace.emit(EVENTS.detach, 0, rid, pasid, from)
  }
}

function tracedDid(domain: VtdDomain | undefined): number {
  return domain === undefined || domain.type === DOMAIN_IDENTITY ? 0 : domain.did
}
