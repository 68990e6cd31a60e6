// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { EOPNOTSUPP } from '../../../base/errno.ts'
import type { Interrupt } from '../../../hardware/interrupt.ts'
import { CAP_PASID_BITS_MASK, REG_CAPABILITY } from '../../../hardware/iommus/simple/layout.ts'
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import {
  NO_PASID,
  PRG_INVALID_REQUEST,
  PRG_RESPONSE_FAILURE,
  PRG_SUCCESS,
} from '../../../hardware/pci/messages.ts'
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
  type NestedOptions,
  type PagingOptions,
} from '../../iommu/driver.ts'
import {
  FAULT_PASID_VALID,
  type Fault,
  type FaultHandler,
  type FaultPolicy,
  RESPONSE_INVALID,
  RESPONSE_SUCCESS,
  type ResponseCode,
} from '../../iommu/fault.ts'
import { IopfQueue } from '../../iopf/queue.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'
import type { Mm } from '../../mm/mm.ts'
import { Attachments } from './attachments.ts'
import { CommandRing } from './command-ring.ts'
import { deviceFlags, disableFeatures, enableFeatures, sharedPasids } from './device-features.ts'
import { DomainFactory } from './domain-factory.ts'
import { FaultEnable } from './fault-enable.ts'
import { FaultLogHandler } from './fault-log.ts'
import { type FormatName, formatNumber, formatOf } from './formats.ts'
import { Invalidation } from './invalidation.ts'
import { PageRequestHandler } from './page-requests.ts'
import type { RegisterAccess } from '../registers.ts'
import { SimpleDevice, SimpleDevices, simpleDeviceOf } from './simple-device.ts'
import { blockedDomain, identityDomain, type SimpleDomain } from './simple-domain.ts'
import { allocateUnitMemory, type RingSizes, startUnit, stopUnit, type UnitMemory } from './start.ts'
import { EntryTable, writeDevice } from './tables.ts'
import { HW_INFO_BYTES, HW_INFO_SIMPLE } from './user-abi.ts'

export interface SimpleDriverOptions {
  /** Of the unit, for the trace and messages. */
  readonly name: string
  readonly unit: RegisterAccess
  readonly interrupts: { readonly pageRequest: Interrupt; readonly fault: Interrupt }
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  /** Of the kernel's own page tables. Default x86-64-4. */
  readonly format?: FormatName
  /** What a new group starts in. Default identity. */
  readonly defaultDomain?: 'identity' | 'blocked' | 'paging'
  /** Devices with the same key share a group. Default: a group each. */
  readonly groupOf?: (device: IommuDevice) => object | undefined
  /** Default 256 commands, 2048 page requests, 256 faults. */
  readonly rings?: Partial<RingSizes>
  /** Page requests that a device may have outstanding (its capacity limits them), for all or by device. Default 2048. */
  readonly priRequests?: number | ((device: IommuDevice) => number)
  /** Default false, as VT-d and AMD have it. */
  readonly userPasidTable?: boolean
  readonly policy?: Partial<FaultPolicy>
  /** Virtual nanoseconds from a fault's work being queued to its run. */
  readonly workLatencyNanos?: number
}

const RING_SIZES: RingSizes = { commands: 256, pageRequests: 2048, faults: 256 }
const PRI_REQUESTS = 2048

/** The driver of the `simple` unit: it sees registers, memory and interrupts, and nothing else of the unit. */
export class SimpleDriver implements IommuDriver {
  readonly name: string
  readonly maxPasids: number
  readonly userPasidTable: boolean
  readonly blockedDomain: SimpleDomain = blockedDomain(this)
  readonly identityDomain: SimpleDomain = identityDomain(this)
  /** The fault queue of all devices behind the unit. */
  readonly queue: IopfQueue
  readonly commands: CommandRing
  readonly pageRequests: PageRequestHandler
  readonly faultLog: FaultLogHandler
  readonly domains: DomainFactory
  readonly #options: SimpleDriverOptions
  readonly #capability: number
  readonly #unitMemory: UnitMemory
  readonly #attachments: Attachments
  readonly #faults: FaultEnable
  readonly #devices = new SimpleDevices()

  /** Starts the unit. ENOMEM. */
  constructor(world: World, options: SimpleDriverOptions) {
    const { name, unit, memory, frames } = options
    const capability = unit.readRegister(REG_CAPABILITY)
    const pasidBits = capability & CAP_PASID_BITS_MASK
    const format = formatNumber(options.format ?? 'x86-64-4')
    this.#options = options
    this.#capability = capability
    this.name = name
    this.maxPasids = pasidBits === 0 ? 0 : 2 ** pasidBits
    this.userPasidTable = options.userPasidTable ?? false
    const workLatency = options.workLatencyNanos
    this.queue = new IopfQueue(world, {
      name,
      ...(options.policy === undefined ? {} : { policy: options.policy }),
      ...(workLatency === undefined ? {} : { workLatencyNanos: workLatency }),
    })
    const rings = allocateUnitMemory(unit, memory, frames, { ...RING_SIZES, ...options.rings })
    this.#unitMemory = rings
    const commands = new CommandRing(world, unit, rings.commands)
    const invalidation = new Invalidation(commands)
    this.commands = commands
    this.pageRequests = new PageRequestHandler({
      world,
      unit,
      ring: rings.pageRequests,
      commands,
      devices: this.#devices,
      queue: this.queue,
      virtualBits: Math.max(48, formatOf(format).virtualBits),
    })
    this.faultLog = new FaultLogHandler({ unit, ring: rings.faults, devices: this.#devices })
    const shared = { owner: this, world, commands, invalidation }
    this.domains = new DomainFactory({ ...shared, memory, frames, capability, format })
    this.#faults = new FaultEnable(this.queue, this.pageRequests, commands)
    this.#attachments = new Attachments({ ...shared, words: memory.words, faults: this.#faults })
    options.interrupts.pageRequest.connect(this.pageRequests.service)
    options.interrupts.fault.connect(this.faultLog.service)
    startUnit(unit, rings)
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

  /** Gives the device its entry and switches its features on. ENOMEM. */
  probeDevice(device: IommuDevice): void {
    assert(
      device instanceof Device && this.#devices.get(device.rid) === undefined,
      `second device ${device.rid}`,
    )
    const simple = new SimpleDevice(device, this.#unitMemory.deviceTable.entry(device.rid))
    const { priRequests = PRI_REQUESTS } = this.#options
    const requests = typeof priRequests === 'number' ? priRequests : priRequests(device)
    enableFeatures(simple, this.#capability, requests)
    try {
      this.#givePasidTable(simple)
    } catch (error) {
      disableFeatures(simple)
      throw error
    }
    this.#writeEntry(simple, simple.priEnabled)
    this.#devices.add(simple)
    device.driverData = simple
  }

  /** PRI off in the unit and drained, off the fault queue, PRI off in the device, then the rest (`spec/01` §3.1). */
  releaseDevice(device: IommuDevice): void {
    const simple = simpleDeviceOf(device)
    this.#writeEntry(simple, false)
    this.#faults.drainAll(simple)
    for (const pasid of simple.pasidDomains.keys()) this.#attachments.blockPasid(simple, pasid)
    this.#attachments.attachRid(simple, this.blockedDomain)
    this.queue.removeDevice(device)
    disableFeatures(simple)
    this.blockedDomain.removeAttachment(simple.rid, NO_PASID)
    writeDevice(this.#options.memory.words, simple.entry, 0, 0)
    this.commands.invalidateContext(simple.rid)
    this.commands.sync()
    simple.pasidTable?.free()
    this.#devices.delete(simple)
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
    this.#attachments.attachRid(simpleDeviceOf(device), domain)
  }

  setDevicePasid(domain: Domain, device: IommuDevice, pasid: number): void {
    const simple = simpleDeviceOf(device)
    if (domain === this.blockedDomain) this.#attachments.blockPasid(simple, pasid)
    else this.#attachments.attachPasid(simple, pasid, domain)
  }

  /** The request's own requester id; a PASID and private data if and only if the request had them. */
  pageResponse(device: IommuDevice, request: Fault, code: ResponseCode): void {
    const pasid = (request.flags & FAULT_PASID_VALID) !== 0 ? request.pasid : NO_PASID
    const { grpid, private0, private1 } = request
    this.commands.pageResponse(device.rid, pasid, grpid, wireCode(code), private0, private1)
  }

  capable(device: IommuDevice, capability: number): boolean {
    if (capability === CAP_PCI_ATS_SUPPORTED) return simpleDeviceOf(device).atsEnabled
    if (capability === CAP_DIRTY_TRACKING) return this.domains.marksDirty
    return capability === CAP_CACHE_COHERENCY || capability === CAP_NOEXEC
  }

  /** EOPNOTSUPP: another type than HW_INFO_SIMPLE. */
  hwInfo(_device: IommuDevice, type: number): HwInfo {
    if (type !== 0 && type !== HW_INFO_SIMPLE) throw EOPNOTSUPP
    const data = new Uint8Array(HW_INFO_BYTES)
    new DataView(data.buffer).setUint32(4, this.#capability, true)
    return { type: HW_INFO_SIMPLE, data }
  }

  #givePasidTable(simple: SimpleDevice): void {
    const { memory, frames } = this.#options
    const pasids = sharedPasids(simple, this.#capability)
    if (pasids > 0) simple.pasidTable = new EntryTable(memory, frames, pasids)
  }

  #writeEntry(simple: SimpleDevice, pri: boolean): void {
    const flags = deviceFlags(simple, sharedPasids(simple, this.#capability), pri)
    const directory = simple.pasidTable?.directory ?? 0
    writeDevice(this.#options.memory.words, simple.entry, flags, directory)
    this.commands.invalidateContext(simple.rid)
    this.commands.sync()
  }
}

/** The kernel's code as PCI spells it. */
function wireCode(code: ResponseCode): number {
  if (code === RESPONSE_SUCCESS) return PRG_SUCCESS
  return code === RESPONSE_INVALID ? PRG_INVALID_REQUEST : PRG_RESPONSE_FAILURE
}
