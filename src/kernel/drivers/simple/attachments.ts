// SPDX-License-Identifier: MIT
import { EINVAL, EOPNOTSUPP } from '../../../base/errno.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { World } from '../../../trace/world.ts'
import type { Domain } from '../../iommu/domain.ts'
import type { CommandRing } from './command-ring.ts'
import type { FaultEnable } from './fault-enable.ts'
import type { Invalidation } from './invalidation.ts'
import type { SimpleDevice } from './simple-device.ts'
import { Attachment, SimpleDomain } from './simple-domain.ts'
import { clearSpace, ridSpace, writeSpace } from './tables.ts'

export interface AttachmentParts {
  readonly owner: object
  readonly world: World
  /** All of physical memory as int32, for the tables. */
  readonly words: Int32Array
  readonly commands: CommandRing
  readonly invalidation: Invalidation
  readonly faults: FaultEnable
}

/**
 * Puts domains into the unit's tables. In this order: faults on for the new domain (its failure changes nothing), the
 * entry, caches, faults of the old domain drained and off.
 */
export class Attachments {
  readonly #parts: AttachmentParts

  constructor(parts: AttachmentParts) {
    this.#parts = parts
  }

  /** EINVAL for a domain of another driver; ENODEV when it has a fault handler and the device no PRI; ENOMEM. */
  attachRid(device: SimpleDevice, domain: Domain): void {
    this.#switch(device, NO_PASID, ridSpace(device.entry), this.#own(domain))
  }

  /** Also EOPNOTSUPP when the device's PASIDs are off. */
  attachPasid(device: SimpleDevice, pasid: number, domain: Domain): void {
    const { pasidTable } = device
    if (pasidTable === undefined) throw EOPNOTSUPP
    const next = this.#own(domain)
    this.#switch(device, pasid, pasidTable.entry(pasid), next)
  }

  /** The PASID has no entry any more. Nothing happens when it has none. */
  blockPasid(device: SimpleDevice, pasid: number): void {
    if (!device.pasidDomains.has(pasid)) return
    this.#switch(device, pasid, device.pasidTable!.entry(pasid), undefined)
  }

  #own(domain: Domain): SimpleDomain {
    if (!(domain instanceof SimpleDomain) || domain.owner !== this.#parts.owner) throw EINVAL
    return domain
  }

  #switch(device: SimpleDevice, pasid: number, spaceAt: number, next: SimpleDomain | undefined): void {
    const { words, faults } = this.#parts
    const current = device.domainOf(pasid)
    if (next !== undefined) faults.enable(device, next)
    if (next === undefined) clearSpace(words, spaceAt, 0)
    else writeSpace(words, spaceAt, next)
    this.#forget(device, pasid, current)
    if (current?.iopfHandler !== undefined) faults.drain(device, pasid)
    faults.disable(device, current)
    next?.addAttachment(new Attachment(device.rid, pasid, device.atsEnabled, spaceAt))
    device.setDomain(pasid, next)
    if (this.#parts.world.trace.enabled) this.#trace(device.rid, pasid, current, next)
  }

  /** Whatever is cached of the entry and of the old domain's translations. */
  #forget(device: SimpleDevice, pasid: number, current: SimpleDomain | undefined): void {
    const { commands, invalidation } = this.#parts
    if (pasid === NO_PASID) commands.invalidateContext(device.rid)
    else commands.invalidatePasid(device.rid, pasid)
    if (current === undefined) return commands.sync()
    const index = current.attachments.findIndex((entry) => entry.rid === device.rid && entry.pasid === pasid)
    invalidation.attachment(current, current.attachments[index]!)
    current.attachments.splice(index, 1)
  }

  /** The static domains, tag 0, are nothing to be attached to. */
  #trace(
    rid: number,
    pasid: number,
    current: SimpleDomain | undefined,
    next: SimpleDomain | undefined,
  ): void {
    const { trace } = this.#parts.world
    const from = current?.tag ?? 0
    const to = next?.tag ?? 0
    if (from !== 0 && to !== 0) trace.emit(EVENTS.replace, 0, rid, pasid, from, to)
    else if (to !== 0) trace.emit(EVENTS.attach, 0, rid, pasid, to)
    else if (from !== 0) trace.emit(EVENTS.detach, 0, rid, pasid, from)
  }
}
