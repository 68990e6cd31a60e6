// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { EOPNOTSUPP } from '../../../base/errno.ts'
import type { Interrupt } from '../../../hardware/interrupt.ts'
import { CONTEXT_PRE, PASID_SRE } from '../../../hardware/iommus/vtd/layout-tables.ts'
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import type { World } from '../../../trace/world.ts'
import { Device } from '../../iommu/device.ts'
import { DOMAIN_DMA, type Domain } from '../../iommu/domain.ts'
import {
  CAP_CACHE_COHERENCY,
  CAP_DEFERRED_FLUSH,
  CAP_DIRTY_TRACKING,
  CAP_ENFORCE_CACHE_COHERENCY,
  CAP_PCI_ATS_SUPPORTED,
  type HwInfo,
  type IommuDevice,
  type IommuDriver,
  type NestedOptions,
  type PagingOptions,
} from '../../iommu/driver.ts'
import {
  FAULT_PASID_VALID,
  type Fault,
  type FaultHandler,
  type FaultPolicy,
  type ResponseCode,
} from '../../iommu/fault.ts'
import { IopfQueue } from '../../iopf/queue.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'
import type { Mm } from '../../mm/mm.ts'
import type { RegisterAccess } from '../registers.ts'
import { Attachments } from './attachments.ts'
import { readCapabilities, type VtdCapabilities } from './capabilities.ts'
import { contextFlags, disableFeatures, enableFeatures, sharedPasids } from './device-features.ts'
import { DomainFactory } from './domain-factory.ts'
import { FaultEnable } from './fault-enable.ts'
import { FaultLogHandler } from './fault-log.ts'
import { InvalidationQueue } from './invalidation-queue.ts'
import { Invalidation } from './invalidation.ts'
import { PageRequestHandler } from './page-requests.ts'
import { allocateUnitMemory, type QueueSizes, startUnit, stopUnit, type UnitMemory } from './start.ts'
import { clearContext, PasidTable } from './tables.ts'
import { HW_INFO_BYTES, HW_INFO_CAP, HW_INFO_ECAP, HW_INFO_INTEL_VTD } from './user-abi.ts'
import { VtdDevice, VtdDevices, vtdDeviceOf } from './vtd-device.ts'
import { blockedDomain, identityDomain, type VtdDomain } from './vtd-domain.ts'

export interface VtdDriverOptions {
  /** Of the unit, for the trace and messages. */
  readonly name: string
  readonly unit: RegisterAccess
  readonly interrupts: { readonly pageRequest: Interrupt; readonly fault: Interrupt }
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  /** The kernel's own page tables have 57-bit addresses, where the unit can. Default false. */
  readonly fiveLevel?: boolean
  /** What a new group starts in. Default identity. */
  readonly defaultDomain?: 'identity' | 'blocked' | 'paging'
  /** Devices with the same key share a group. Default: a group each. */
  readonly groupOf?: (device: IommuDevice) => object | undefined
  /** Default 256 commands, 2048 page requests (`spec/04` §1.1). */
  readonly queues?: Partial<QueueSizes>
  /** Page requests that a device may have outstanding (its capacity limits them), for all or by device. Default 2048. */
  readonly priRequests?: number | ((device: IommuDevice) => number)
  readonly policy?: Partial<FaultPolicy>
  /** Virtual nanoseconds from a fault's work being queued to its run. */
  readonly workLatencyNanos?: number
}

const QUEUE_SIZES: QueueSizes = { commands: 256, pageRequests: 2048 }
const PRI_REQUESTS = 2048
const CPU_VIRTUAL_BITS = 48
const CPU_VIRTUAL_BITS_WIDE = 57

/** The VT-d driver (`spec/04` §1): it sees registers, memory and interrupts, and nothing else of the unit. */
export class VtdDriver implements IommuDriver {
  readonly name: string
  readonly maxPasids: number
  readonly userPasidTable: boolean = false
  readonly blockedDomain: VtdDomain = blockedDomain(this)
  readonly identityDomain: VtdDomain
  /** The fault queue of all devices behind the unit. */
  readonly queue: IopfQueue
  readonly commands: InvalidationQueue
  readonly pageRequests: PageRequestHandler
  readonly faultLog: FaultLogHandler
  readonly domains: DomainFactory
  readonly #options: VtdDriverOptions
  readonly #capabilities: VtdCapabilities
  readonly #unitMemory: UnitMemory
  readonly #attachments: Attachments
  readonly #faults: FaultEnable
  readonly #devices = new VtdDevices()

  /** Starts the unit. ENOMEM. */
  constructor(world: World, options: VtdDriverOptions) {
    const { name, unit, memory, frames, interrupts } = options
    const capabilities = readCapabilities(unit)
    this.#options = options
    this.#capabilities = capabilities
    this.name = name
    this.maxPasids = capabilities.pasids
    this.identityDomain = identityDomain(this, capabilities.supervisorRequests ? PASID_SRE : 0)
    this.queue = faultQueue(world, options)
    const shared = allocateUnitMemory(memory, frames, { ...QUEUE_SIZES, ...options.queues })
    this.#unitMemory = shared
    const commands = new InvalidationQueue(world, unit, shared.commands, shared.statusFrame)
    const invalidation = new Invalidation(commands, capabilities.invalidationOrderMax)
    const fiveLevel = options.fiveLevel ?? false
    this.commands = commands
    this.pageRequests = new PageRequestHandler({
      world,
      unit,
      ring: shared.pageRequests,
      commands,
      devices: this.#devices,
      queue: this.queue,
      virtualBits: fiveLevel ? CPU_VIRTUAL_BITS_WIDE : CPU_VIRTUAL_BITS,
    })
    this.faultLog = new FaultLogHandler({
      unit,
      offset: capabilities.faultOffset,
      records: capabilities.faultRecords,
      devices: this.#devices,
    })
    const common = { owner: this, world, memory, frames, invalidation, capabilities, fiveLevel }
    this.domains = new DomainFactory({ ...common, queue: commands })
    this.#faults = new FaultEnable({
      queue: this.queue,
      requests: this.pageRequests,
      commands,
      invalidation,
    })
    const { words } = memory
    const snoop = capabilities.walkSnoop
    this.#attachments = new Attachments({ ...common, words, snoop, commands, faults: this.#faults })
    interrupts.pageRequest.connect(this.pageRequests.service)
    interrupts.fault.connect(this.faultLog.service)
    startUnit(unit, shared, () => {
      commands.invalidateAll()
      commands.sync()
    })
  }

  /** Switches the unit off; all devices were released. */
  stop(): void {
    const { unit, interrupts, frames } = this.#options
    assert(this.#devices.size === 0, `${this.name} is stopped with devices behind it`)
    interrupts.pageRequest.connect(undefined)
    interrupts.fault.connect(undefined)
    this.queue.free()
    stopUnit(unit, this.#unitMemory, frames)
  }

  /** Gives the device its context entry and PASID directory and switches its features on. ENOMEM. */
  probeDevice(device: IommuDevice): void {
    assert(
      device instanceof Device && this.#devices.get(device.rid) === undefined,
      `second device ${device.rid}`,
    )
    const { memory, frames, priRequests = PRI_REQUESTS } = this.#options
    const contextAt = this.#unitMemory.root.contextEntry(device.rid)
    const pasids = sharedPasids(device.config, this.#capabilities)
    const vtd = new VtdDevice(device, contextAt, new PasidTable(memory, frames, pasids))
    const requests = typeof priRequests === 'number' ? priRequests : priRequests(device)
    enableFeatures(vtd, this.#capabilities, requests)
    this.#writeContext(vtd, contextFlags(vtd, this.#capabilities))
    this.#devices.add(vtd)
    device.driverData = vtd
  }

  /** PRI off in the unit and drained, off the fault queue, PRI off in the device, then the rest (`spec/01` §3.1). */
  releaseDevice(device: IommuDevice): void {
    const vtd = vtdDeviceOf(device)
    this.#writeContext(vtd, contextFlags(vtd, this.#capabilities) & ~CONTEXT_PRE)
    this.#faults.drainAll(vtd)
    for (const pasid of vtd.pasidDomains.keys()) this.#attachments.blockPasid(vtd, pasid)
    this.#attachments.attachRid(vtd, this.blockedDomain)
    this.queue.removeDevice(device)
    disableFeatures(vtd)
    this.blockedDomain.takeAttachment(vtd.rid, NO_PASID)
    clearContext(this.#options.memory.words, vtd.contextAt)
    this.commands.invalidateContext(vtd.rid)
    this.commands.sync()
    vtd.pasidTable.free()
    this.#devices.delete(vtd)
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

  domainAllocNested(_device: IommuDevice, parent: Domain, options: NestedOptions): Domain {
    return this.domains.nested(parent, options)
  }

  attachDevice(domain: Domain, device: IommuDevice): void {
    this.#attachments.attachRid(vtdDeviceOf(device), domain)
  }

  setDevicePasid(domain: Domain, device: IommuDevice, pasid: number): void {
    const vtd = vtdDeviceOf(device)
    if (domain === this.blockedDomain) this.#attachments.blockPasid(vtd, pasid)
    else this.#attachments.attachPasid(vtd, pasid, domain)
  }

  /**
   * The request's own requester id; a PASID and private data if and only if the request had them. The kernel's code goes
   * out as it is: FAILURE is 2, which devices treat as Response Failure (`spec/04` §0).
   */
  pageResponse(device: IommuDevice, request: Fault, code: ResponseCode): void {
    const pasid = (request.flags & FAULT_PASID_VALID) !== 0 ? request.pasid : NO_PASID
    const { grpid, private0, private1 } = request
    this.commands.pageGroupResponse(device.rid, pasid, grpid, code, private0, private1)
  }

  capable(device: IommuDevice, capability: number): boolean {
    switch (capability) {
      case CAP_CACHE_COHERENCY:
      case CAP_DEFERRED_FLUSH:
        return true
      case CAP_ENFORCE_CACHE_COHERENCY:
        return this.#capabilities.snoopControl
      case CAP_DIRTY_TRACKING:
        return this.#capabilities.dirty
      default:
        return capability === CAP_PCI_ATS_SUPPORTED && vtdDeviceOf(device).atsEnabled
    }
  }

  /** EOPNOTSUPP: another type than HW_INFO_INTEL_VTD. */
  hwInfo(_device: IommuDevice, type: number): HwInfo {
    if (type !== 0 && type !== HW_INFO_INTEL_VTD) throw EOPNOTSUPP
    const { capLo, capHi, ecapLo, ecapHi } = this.#capabilities
    const data = new Uint8Array(HW_INFO_BYTES)
    const view = new DataView(data.buffer)
    view.setInt32(HW_INFO_CAP, capLo, true)
    view.setInt32(HW_INFO_CAP + 4, capHi, true)
    view.setInt32(HW_INFO_ECAP, ecapLo, true)
    view.setInt32(HW_INFO_ECAP + 4, ecapHi, true)
    return { type: HW_INFO_INTEL_VTD, data }
  }

  #writeContext(vtd: VtdDevice, flags: number): void {
    vtd.pasidTable.writeContext(vtd.contextAt, flags)
    this.commands.invalidateContext(vtd.rid)
    this.commands.sync()
  }
}

function faultQueue(world: World, { name, policy, workLatencyNanos }: VtdDriverOptions): IopfQueue {
  return new IopfQueue(world, {
    name,
    ...(policy === undefined ? {} : { policy }),
    ...(workLatencyNanos === undefined ? {} : { workLatencyNanos }),
  })
}
