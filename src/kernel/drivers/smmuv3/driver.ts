// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { EINVAL, EOPNOTSUPP, isErrno } from '../../../base/errno.ts'
import type { Interrupt } from '../../../hardware/interrupt.ts'
import * as layout from '../../../hardware/iommus/smmuv3/layout.ts'
import * as queues from '../../../hardware/iommus/smmuv3/layout-queues.ts'
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import type { World } from '../../../trace/world.ts'
import { Device } from '../../iommu/device.ts'
import { DOMAIN_DMA, type Domain } from '../../iommu/domain.ts'
import {
  CAP_CACHE_COHERENCY,
  CAP_DIRTY_TRACKING,
  CAP_NOEXEC,
  CAP_PCI_ATS_SUPPORTED,
  type HwInfo,
  type IommuDevice,
  type IommuDriver,
  type PagingOptions,
  type ViommuOptions,
} from '../../iommu/driver.ts'
import {
  type Fault,
  type FaultHandler,
  type FaultPolicy,
  RESPONSE_SUCCESS,
  type ResponseCode,
} from '../../iommu/fault.ts'
import { pciDisablePasid, pciEnablePasid, pciHasAts, pciMaxPasids } from '../../iommu/pci-features.ts'
import { IopfQueue } from '../../iopf/queue.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'
import type { Mm } from '../../mm/mm.ts'
import type { RegisterAccess } from '../registers.ts'
import { Attachments } from './attachments.ts'
import { CommandQueue } from './command-queue.ts'
import { DomainFactory } from './domain-factory.ts'
import { Entries } from './entries.ts'
import { EventHandler } from './event-handler.ts'
import { FaultEnable } from './fault-enable.ts'
import { type Features, readFeatures } from './features.ts'
import { Invalidation } from './invalidation.ts'
import { PriHandler } from './pri-handler.ts'
import { SmmuDevice, SmmuDevices, smmuDeviceOf } from './smmu-device.ts'
import { blockedDomain, identityDomain, type SmmuDomain } from './smmu-domain.ts'
import { Stage2Domain } from './stage2-domain.ts'
import { allocateUnitMemory, type QueueSizes, startUnit, stopUnit, type UnitMemory } from './start.ts'
import { HW_INFO_ARM_SMMUV3, HW_INFO_BYTES, VIOMMU_TYPE_ARM_SMMUV3 } from './user-abi.ts'
import { SmmuViommu } from './viommu.ts'

const { RESUME_AB, RESUME_AC } = queues

export interface Smmuv3DriverOptions {
  /** Of the unit, for the trace and messages. */
  readonly name: string
  readonly unit: RegisterAccess
  readonly interrupts: { readonly event: Interrupt; readonly pri: Interrupt; readonly gerror: Interrupt }
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  /** What a new group starts in. Default identity. */
  readonly defaultDomain?: 'identity' | 'blocked' | 'paging'
  /** Devices with the same key share a group. Default: a group each. */
  readonly groupOf?: (device: IommuDevice) => object | undefined
  /** log2 of the entries. Default 256 commands, 2048 events, 256 page requests. */
  readonly queues?: Partial<QueueSizes>
  /** Firmware's `dma-can-stall`. Default: devices that cannot ask for translations can. */
  readonly canStall?: (device: IommuDevice) => boolean
  /** The kernel is built with SVA. Default true. */
  readonly sva?: boolean
  readonly policy?: Partial<FaultPolicy>
  /** Virtual nanoseconds from a fault's work being queued to its run. */
  readonly workLatencyNanos?: number
}

const QUEUE_SIZES: QueueSizes = { commands: 8, events: 11, pri: 8 }

/** The driver of an SMMUv3: it sees registers, memory and interrupts, and nothing else of the unit. */
export class Smmuv3Driver implements IommuDriver {
  readonly name: string
  readonly maxPasids: number
  /** A guest owns its CDs: faults of PASIDs that the host never attached are the RID's (`spec/01` §3.2). */
  readonly userPasidTable = true
  readonly blockedDomain: SmmuDomain = blockedDomain(this)
  readonly identityDomain: SmmuDomain = identityDomain(this)
  /** The fault queue of all devices behind the unit. */
  readonly queue: IopfQueue
  readonly features: Features
  readonly commands: CommandQueue
  readonly events: EventHandler
  readonly pri: PriHandler
  readonly domains: DomainFactory
  readonly #options: Smmuv3DriverOptions
  readonly #unitMemory: UnitMemory
  readonly #entries: Entries
  readonly #attachments: Attachments
  readonly #faults: FaultEnable
  readonly #devices: SmmuDevices = new SmmuDevices()

  /** Starts the unit. ENOMEM. */
  constructor(world: World, options: Smmuv3DriverOptions) {
    const { name, unit, memory, frames, workLatencyNanos, interrupts } = options
    const features = readFeatures(unit)
    this.#options = options
    this.features = features
    this.name = name
    this.maxPasids = features.stage1 && features.substreamIdBits > 0 ? 2 ** features.substreamIdBits : 0
    this.queue = new IopfQueue(world, {
      name,
      ...(options.policy === undefined ? {} : { policy: options.policy }),
      ...(workLatencyNanos === undefined ? {} : { workLatencyNanos }),
    })
    const shared = allocateUnitMemory(features, memory, frames, { ...QUEUE_SIZES, ...options.queues })
    this.#unitMemory = shared
    const commands = new CommandQueue(world, unit, shared.commands)
    const invalidation = new Invalidation(commands, features.ranges)
    this.commands = commands
    this.events = new EventHandler({ unit, queue: shared.events, commands, devices: this.#devices })
    this.pri = new PriHandler(unit, shared.pri, commands)
    this.#entries = new Entries(memory.words, features)
    this.#faults = new FaultEnable(this.queue, this.events, commands, options.sva ?? true)
    const common = { owner: this, world, memory, frames, features, commands, invalidation }
    this.#attachments = new Attachments({ ...common, entries: this.#entries, faults: this.#faults })
    this.domains = new DomainFactory({ ...common, silence: this.#attachments.silence })
    interrupts.event.connect(this.events.service)
    interrupts.pri.connect(this.pri.service)
    interrupts.gerror.connect(commands.skipErrors)
    startUnit(unit, shared, features.pri)
  }

  /** Unrecoverable faults that were read. */
  get faultLog(): { readonly count: number; readonly lastReason: number } {
    return this.events
  }

  /** Switches the unit off; all devices were released. */
  stop(): void {
    const { unit, interrupts, frames } = this.#options
    assert(this.#devices.size === 0, `${this.name} is stopped with devices behind it`)
    for (const line of [interrupts.event, interrupts.pri, interrupts.gerror]) line.connect(undefined)
    this.queue.free()
    stopUnit(unit, this.#unitMemory, frames)
  }

  /** Gives the device its entry and switches its PASIDs on; ATS goes on and off with its domains. ENOMEM. */
  probeDevice(device: IommuDevice): void {
    assert(device instanceof Device && this.#devices.get(device.rid) === undefined, `second ${device.rid}`)
    const entry = this.#unitMemory.streams.entry(device.rid)
    const smmu = new SmmuDevice(device, entry, this.#canStall(device))
    const { config } = device
    smmu.atsSupported = this.features.ats && config !== undefined && pciHasAts(config)
    smmu.pasidEnabled = this.maxPasids > 0 && enablePasid(device)
    if (smmu.pasidEnabled) smmu.substreamBits = Math.log2(Math.min(pciMaxPasids(config!), this.maxPasids))
    this.#entries.writeUntabled(entry, layout.STE_CONFIG_ABORT)
    this.commands.forgetStream(smmu.sid)
    this.commands.sync()
    this.#devices.add(smmu)
    device.driverData = smmu
  }

  /** Its stream aborts; what has stalled is drained, and off the fault queue; then the rest. */
  releaseDevice(device: IommuDevice): void {
    const smmu = smmuDeviceOf(device)
    this.#faults.drain(smmu, NO_PASID, true)
    for (const pasid of smmu.pasidDomains.keys()) this.#attachments.blockPasid(smmu, pasid)
    this.#attachments.attachRid(smmu, this.blockedDomain)
    this.#faults.drain(smmu, NO_PASID, true)
    this.queue.removeDevice(device)
    this.blockedDomain.detach(smmu, NO_PASID)
    if (smmu.pasidEnabled) pciDisablePasid(device.config!)
    // What handlers still hold is answered to nobody any more.
    if (smmu.stallEnabled) this.commands.terminateStalls(smmu.sid)
    this.#entries.clear(smmu.entry)
    this.commands.forgetStream(smmu.sid)
    this.commands.sync()
    smmu.cdTable?.free()
    this.#devices.delete(smmu)
    device.driverData = undefined
  }

  deviceGroup(device: IommuDevice): object | undefined {
    return this.#options.groupOf?.(device)
  }

  defaultDomain(): Domain {
    const kind = this.#options.defaultDomain ?? 'identity'
    if (kind === 'paging') return this.domains.paging({ flags: 0, type: DOMAIN_DMA })
    return kind === 'identity' ? this.identityDomain : this.blockedDomain
  }

  domainAllocPaging(_device: IommuDevice | undefined, options: PagingOptions): Domain {
    return this.domains.paging(options)
  }

  domainAllocSva(_device: IommuDevice, mm: Mm, handler: FaultHandler): Domain {
    return this.domains.sva(mm, handler)
  }

  attachDevice(domain: Domain, device: IommuDevice): void {
    this.#attachments.attachRid(smmuDeviceOf(device), domain)
  }

  setDevicePasid(domain: Domain, device: IommuDevice, pasid: number): void {
    const smmu = smmuDeviceOf(device)
    if (domain === this.blockedDomain) this.#attachments.blockPasid(smmu, pasid)
    else this.#attachments.attachPasid(smmu, pasid, domain)
  }

  /** SUCCESS is a retry, everything else an abort; the STAG alone tells which transaction (`spec/04` §2.2). */
  pageResponse(device: IommuDevice, request: Fault, code: ResponseCode): void {
    this.commands.resume(device.rid, request.grpid, code === RESPONSE_SUCCESS ? RESUME_AC : RESUME_AB)
  }

  capable(device: IommuDevice, capability: number): boolean {
    if (capability === CAP_PCI_ATS_SUPPORTED) return smmuDeviceOf(device).atsSupported
    if (capability === CAP_DIRTY_TRACKING) return this.features.stage1 && this.features.dirty
    return capability === CAP_CACHE_COHERENCY || capability === CAP_NOEXEC
  }

  /** EOPNOTSUPP: another type than HW_INFO_ARM_SMMUV3. */
  hwInfo(_device: IommuDevice, type: number): HwInfo {
    if (type !== 0 && type !== HW_INFO_ARM_SMMUV3) throw EOPNOTSUPP
    const data = new Uint8Array(HW_INFO_BYTES)
    const view = new DataView(data.buffer)
    const { unit } = this.#options
    for (const [i, word] of this.features.idr.entries()) view.setInt32(8 + 4 * i, word, true)
    view.setInt32(32, unit.readRegister(layout.SMMU_IIDR), true)
    view.setInt32(36, unit.readRegister(layout.SMMU_AIDR), true)
    return { type: HW_INFO_ARM_SMMUV3, data }
  }

  viommuSupported(_device: IommuDevice, type: number): boolean {
    return type === VIOMMU_TYPE_ARM_SMMUV3 && this.features.stage1 && this.features.stage2
  }

  /** EINVAL: the parent is not one of this unit's stage-2 tables. */
  viommuInit(_device: IommuDevice, { parent, port }: ViommuOptions): SmmuViommu {
    if (!(parent instanceof Stage2Domain) || parent.owner !== this) throw EINVAL
    return new SmmuViommu({ owner: this, commands: this.commands, parent, port })
  }

  #canStall(device: IommuDevice): boolean {
    if (this.features.stall === 'none') return false
    if (this.features.stall === 'forced') return true
    const { canStall } = this.#options
    if (canStall !== undefined) return canStall(device)
    return device.config === undefined || !pciHasAts(device.config)
  }
}

/** A function without PASIDs, or that refuses, does without. */
function enablePasid({ config }: Device): boolean {
  if (config === undefined) return false
  try {
    pciEnablePasid(config)
    return true
  } catch (error) {
    if (isErrno(error)) return false
    throw error
  }
}
