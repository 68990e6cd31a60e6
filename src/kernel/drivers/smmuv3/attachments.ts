// SPDX-License-Identifier: MIT
import { EBUSY, EINVAL, ENOENT, EOPNOTSUPP } from '../../../base/errno.ts'
import * as layout from '../../../hardware/iommus/smmuv3/layout.ts'
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { World } from '../../../trace/world.ts'
import { DOMAIN_BLOCKED, DOMAIN_IDENTITY, type Domain } from '../../iommu/domain.ts'
import { pciDisableAts, pciEnableAts } from '../../iommu/pci-features.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'
import type { CommandQueue } from './command-queue.ts'
import type { Entries } from './entries.ts'
import type { FaultEnable } from './fault-enable.ts'
import type { Features } from './features.ts'
import { type Invalidation, stage1Owner, stage2Owner } from './invalidation.ts'
import { NestedDomain } from './nested-domain.ts'
import type { SmmuDevice } from './smmu-device.ts'
import { type Attachment, SmmuDomain, Stage1Domain } from './smmu-domain.ts'
import { Stage2Domain } from './stage2-domain.ts'
import { CdTable } from './tables.ts'

const {
  S1DSS_BYPASS,
  S1DSS_SSID0,
  S1DSS_TERMINATE,
  STE_CONFIG_ABORT,
  STE_CONFIG_BYPASS,
  STE_CONFIG_MASK,
  STE_CONFIG_NESTED,
  STE_CONFIG_SHIFT,
  STE_EATS_MASK,
} = layout

export interface AttachmentParts {
  readonly owner: object
  readonly world: World
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  readonly features: Features
  readonly entries: Entries
  readonly commands: CommandQueue
  readonly invalidation: Invalidation
  readonly faults: FaultEnable
}

/**
 * Puts domains into stream table and CDs. In this order: what is needed (its lack changes nothing), faults on for the
 * new domain, the entries, caches, faults of the old domain drained and off.
 */
export class Attachments {
  readonly #parts: AttachmentParts

  constructor(parts: AttachmentParts) {
    this.#parts = parts
  }

  /**
   * EINVAL for a domain of another unit; of a stage-2 or nested domain EBUSY while PASIDs are in use, ENOENT when the guest
   * does not know the device; EOPNOTSUPP, ENOMEM.
   */
  attachRid(device: SmmuDevice, domain: Domain): void {
    const next = this.#own(domain)
    const guests = next instanceof Stage2Domain || next instanceof NestedDomain
    if (guests && device.pasidDomains.size > 0) throw EBUSY
    if (next instanceof NestedDomain && next.hasStage1 && !next.knows(device.device)) throw ENOENT
    const cd = next instanceof Stage1Domain ? this.#cdTable(device).entry(0) : undefined
    this.#parts.faults.enable(device, next)
    const current = device.ridDomain
    const ats = this.#wantsAts(device, next)
    if (!ats) this.#disableAts(device)
    device.setDomain(NO_PASID, next)
    if (cd !== undefined && next instanceof Stage1Domain)
      this.#parts.entries.writeCd(cd, next, device.stallEnabled)
    this.#writeStream(device, ats)
    if (ats) this.#enableAts(device)
    this.#leave(device, NO_PASID, current)
    next.attach(device, NO_PASID)
    this.#trace(device.sid, NO_PASID, current, next)
  }

  /** EOPNOTSUPP without PASIDs; EINVAL for a domain that no CD describes, or when the RID's translates by stage 2; ENOMEM. */
  attachPasid(device: SmmuDevice, pasid: number, domain: Domain): void {
    const next = this.#own(domain)
    if (device.substreamBits === 0) throw EOPNOTSUPP
    const { ridDomain } = device
    if (!(next instanceof Stage1Domain)) throw EINVAL
    if (ridDomain instanceof Stage2Domain || ridDomain instanceof NestedDomain) throw EINVAL
    const { entries, faults, commands } = this.#parts
    const cd = this.#cdTable(device).entry(pasid)
    faults.enable(device, next)
    const current = device.pasidDomains.get(pasid)
    entries.writeCd(cd, next, device.stallEnabled)
    if (next.silent) entries.silenceCd(cd)
    device.setDomain(pasid, next)
    commands.forgetContext(device.sid, pasid)
    if (device.pasidDomains.size === 1 && current === undefined) this.#firstPasid(device)
    this.#leave(device, pasid, current)
    next.attach(device, pasid)
    this.#trace(device.sid, pasid, current, next)
  }

  /** The PASID has no CD any more. Nothing happens when it has none. */
  blockPasid(device: SmmuDevice, pasid: number): void {
    const current = device.pasidDomains.get(pasid)
    if (current === undefined) return
    const { entries, commands } = this.#parts
    entries.clearCd(device.cdTable!.entry(pasid))
    commands.forgetContext(device.sid, pasid)
    device.setDomain(pasid, undefined)
    this.#leave(device, pasid, current)
    if (device.pasidDomains.size === 0) this.#lastPasid(device)
    this.#trace(device.sid, pasid, current, undefined)
  }

  /** Walks of an attachment's CD find nothing from now on. */
  readonly silence = ({ device, pasid }: Attachment): void => {
    const { entries, commands } = this.#parts
    entries.silenceCd(device.cdTable!.entry(pasid))
    commands.forgetContext(device.sid, pasid)
  }

  #own(domain: Domain): SmmuDomain {
    if (!(domain instanceof SmmuDomain) || domain.owner !== this.#parts.owner) throw EINVAL
    return domain
  }

  #cdTable(device: SmmuDevice): CdTable {
    const { memory, frames, features } = this.#parts
    device.cdTable ??= new CdTable(memory, frames, device.substreamBits, features.twoLevelContexts)
    return device.cdTable
  }

  /** Whether translation requests are answered with this domain on the RID. */
  #wantsAts(device: SmmuDevice, domain: SmmuDomain): boolean {
    if (!device.atsSupported) return false
    if (domain instanceof NestedDomain) return domain.hasStage1 && domain.wantsAts
    if (domain instanceof Stage1Domain || domain instanceof Stage2Domain) return true
    return device.pasidDomains.size > 0
  }

  #enableAts(device: SmmuDevice): void {
    if (device.atsEnabled) return
    pciEnableAts(device.device.config!, 12)
    device.atsEnabled = true
  }

  #disableAts(device: SmmuDevice): void {
    if (!device.atsEnabled) return
    pciDisableAts(device.device.config!)
    device.atsEnabled = false
  }

  /** The stream needs its CDs, whatever the RID translates with. */
  #firstPasid(device: SmmuDevice): void {
    const ats = this.#wantsAts(device, device.ridDomain!)
    this.#writeStream(device, ats)
    if (ats) this.#enableAts(device)
  }

  #lastPasid(device: SmmuDevice): void {
    const ats = this.#wantsAts(device, device.ridDomain!)
    if (!ats) this.#disableAts(device)
    this.#writeStream(device, ats)
  }

  /** The stream's entry for what the RID has now, and for PASIDs where there are some. */
  #writeStream(device: SmmuDevice, ats: boolean): void {
    const { entries, commands } = this.#parts
    const { entry, ridDomain, stallEnabled } = device
    const options = { ats, stallEnabled }
    if (ridDomain instanceof NestedDomain) this.#writeNested(device, ridDomain, options)
    else if (ridDomain instanceof Stage2Domain) entries.writeStage2(entry, ridDomain, options)
    else if (ridDomain instanceof Stage1Domain || device.pasidDomains.size > 0)
      entries.writeCdTable(entry, device.cdTable!, { ...options, s1dss: s1dssOf(ridDomain!) })
    else entries.writeUntabled(entry, untabled(ridDomain!))
    commands.forgetStream(device.sid)
    commands.sync()
  }

  #writeNested(
    device: SmmuDevice,
    domain: NestedDomain,
    options: { readonly ats: boolean; readonly stallEnabled: boolean },
  ): void {
    const { entries } = this.#parts
    const { parent } = domain
    if (domain.config === STE_CONFIG_ABORT) return entries.writeUntabled(device.entry, STE_CONFIG_ABORT)
    if (!domain.hasStage1) return entries.writeStage2(device.entry, parent, { ...options, ats: false })
    const [word0 = 0, word1 = 0, word2 = 0] = domain.words
    const config = (word0 & ~STE_CONFIG_MASK) | (STE_CONFIG_NESTED << STE_CONFIG_SHIFT)
    const requests = options.ats ? word2 : word2 & ~STE_EATS_MASK
    const stall = entries.stallDisabled(options.stallEnabled)
    entries.writeNested(device.entry, [config, word1, requests | stall, 0], parent, options)
  }

  /** Whatever is cached of the old domain, and its faults. */
  #leave(device: SmmuDevice, pasid: number, current: SmmuDomain | undefined): void {
    if (current === undefined) return this.#parts.commands.sync()
    const { invalidation, faults, commands } = this.#parts
    const owner = ownerOf(current)
    if (owner !== undefined) invalidation.attachment(current, owner, device.sid, pasid, device.atsEnabled)
    commands.sync()
    current.detach(device, pasid)
    if (current.iopfHandler !== undefined && device.stallEnabled) faults.drain(device, pasid, false)
    faults.disable(device, current)
  }

  /** The static domains, tag 0, are nothing to be attached to. */
  #trace(sid: number, pasid: number, current: SmmuDomain | undefined, next: SmmuDomain | undefined): void {
    const { trace } = this.#parts.world
    if (!trace.enabled) return
    const from = current?.tag ?? 0
    const to = next?.tag ?? 0
    if (from !== 0 && to !== 0) trace.emit(EVENTS.replace, 0, sid, pasid, from, to)
    else if (to !== 0) trace.emit(EVENTS.attach, 0, sid, pasid, to)
    else if (from !== 0) trace.emit(EVENTS.detach, 0, sid, pasid, from)
  }
}

function ownerOf(domain: SmmuDomain): ReturnType<typeof stage1Owner> | undefined {
  if (domain instanceof Stage1Domain) return stage1Owner(domain.asid)
  if (domain instanceof Stage2Domain) return stage2Owner(domain.vmid)
  return domain instanceof NestedDomain ? stage2Owner(domain.parent.vmid) : undefined
}

/** What requests without PASID do while there are CDs. */
function s1dssOf(domain: SmmuDomain): number {
  if (domain instanceof Stage1Domain) return S1DSS_SSID0
  return domain.type === DOMAIN_IDENTITY ? S1DSS_BYPASS : S1DSS_TERMINATE
}

function untabled(domain: SmmuDomain): number {
  return domain.type === DOMAIN_BLOCKED ? STE_CONFIG_ABORT : STE_CONFIG_BYPASS
}
