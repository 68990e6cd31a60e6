// SPDX-License-Identifier: MIT
import { pageHi, pageLo } from '../../base/u64.ts'
import { type DmaEngineOptions, dmaEngineConfig } from '../../hardware/endpoints/dma-engine/config.ts'
import { DmaEngine } from '../../hardware/endpoints/dma-engine/engine.ts'
import {
  createTransfer,
  type Transfer,
  type TransferOptions,
} from '../../hardware/endpoints/dma-engine/transfer.ts'
import { PhysicalMemory } from '../../hardware/memory.ts'
import { Ats } from '../../hardware/pci/ats.ts'
import { FunctionConfigSpace } from '../../hardware/pci/config-space.ts'
import { PageRequest, type PciFunction, type TranslationAgent } from '../../hardware/pci/messages.ts'
import { PasidCapability } from '../../hardware/pci/pasid.ts'
import { Pri } from '../../hardware/pci/pri.ts'
import { createWorld, type World, type WorldOptions } from '../../trace/world.ts'
import { attachGroupHandle } from '../iommu/attach.ts'
import { AttachHandle } from '../iommu/attach-handle.ts'
import { attachDevicePasid } from '../iommu/attach-pasid.ts'
import { Device } from '../iommu/device.ts'
import { type Domain, IOMMU_READ, IOMMU_WRITE } from '../iommu/domain.ts'
import type { IommuDevice, IommuDriver, NestedOptions, PagingOptions } from '../iommu/driver.ts'
import type { FaultGroup, FaultHandler } from '../iommu/fault.ts'
import { IommuCore } from '../iommu/probe.ts'
import type { IopfQueue } from '../iopf/queue.ts'
import { freeGroup, respondGroup } from '../iopf/respond.ts'
import { FrameAllocator } from '../mm/frame-allocator.ts'

/** What a rig asks of a unit's silicon. */
export interface RigUnit extends TranslationAgent {
  readonly pageRequests: { readonly queued: number; readonly overflowed: number }
  readonly faults: { readonly recorded: number }
  connect(port: PciFunction): void
}

/** What a rig asks of a driver. */
export interface RigDriver extends IommuDriver {
  readonly queue: IopfQueue
  readonly blockedDomain: Domain
  readonly identityDomain: Domain
  readonly domains: { readonly count: number }
  readonly commands: { readonly unfinishedWaits: number }
  readonly faultLog: { readonly count: number }
  readonly pageRequests: {
    readonly bad: number
    readonly overflows: number
    readonly overflowed: boolean
    readonly service: () => void
  }
  domainAllocPaging(device: IommuDevice | undefined, options: PagingOptions): Domain
  domainAllocNested(device: IommuDevice, parent: Domain, options: NestedOptions): Domain
  stop(): void
}

export interface RigOptions {
  readonly engine?: DmaEngineOptions
  readonly engines?: number
  readonly world?: WorldOptions
}

/** What models are made with. */
export interface RigParts {
  readonly world: World
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
}

/** A real unit, its driver, and engines behind it. */
export class Rig<U extends RigUnit = RigUnit, D extends RigDriver = RigDriver> {
  readonly world: World
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  readonly unit: U
  readonly driver: D
  readonly core: IommuCore
  readonly engines: DmaEngine[] = []
  readonly devices: Device[] = []
  /** Frames in use before the driver came. */
  readonly framesBefore: number

  constructor(options: RigOptions, create: (parts: RigParts) => { readonly unit: U; readonly driver: D }) {
    this.world = createWorld(options.world)
    this.memory = new PhysicalMemory({ bytes: 64 * 2 ** 20 })
    this.frames = new FrameAllocator({ memory: this.memory, failpoints: this.world.failpoints })
    this.framesBefore = this.frames.inUse
    const { world, memory, frames } = this
    const { unit, driver } = create({ world, memory, frames })
    this.unit = unit
    this.driver = driver
    this.core = new IommuCore(this.world)
    for (let i = 0; i < (options.engines ?? 1); i++) this.plug(i, options.engine)
  }

  get device(): Device {
    return this.devices[0]!
  }

  get engine(): DmaEngine {
    return this.engines[0]!
  }

  plug(index: number, options: DmaEngineOptions = {}): void {
    const rid = 0x100 + 8 * index
    const name = `dma${index}`
    const { world, unit, memory } = this
    const engine = new DmaEngine(world, { name, rid, agent: unit, memory, config: dmaEngineConfig(options) })
    unit.connect(engine)
    const device = new Device({ name, rid, config: engine.configSpace })
    this.core.probe(device, this.driver)
    this.engines.push(engine)
    this.devices.push(device)
  }

  /** A page-table domain with the handler, attached to the RID. */
  attachRid(handler?: FaultHandler, device: Device = this.device): Domain {
    const domain = this.driver.domainAllocPaging(device, { flags: 0, iopfHandler: handler })
    attachGroupHandle(domain, device.group!, new AttachHandle())
    return domain
  }

  attachPasid(pasid: number, handler?: FaultHandler, device: Device = this.device): Domain {
    const domain = this.driver.domainAllocPaging(device, { flags: 0, iopfHandler: handler })
    attachDevicePasid(domain, device, pasid, new AttachHandle())
    return domain
  }

  /** Submits a transfer of the first engine. */
  submit(options: TransferOptions, engine: DmaEngine = this.engine): Transfer {
    const transfer = createTransfer(options)
    engine.submit(transfer)
    return transfer
  }

  run(): void {
    this.world.scheduler.runUntilIdle()
  }

  /** Steps until the unit has written so many records to its ring. */
  runUntilQueued(count: number): void {
    while (this.unit.pageRequests.queued < count) this.world.scheduler.step()
  }

  /** A probed device that sends what a test makes it send. */
  plugFake(rid: number, options: { responsePasidRequired?: boolean } = {}): FakeFunction {
    const fake = new FakeFunction(this.unit, rid, options.responsePasidRequired ?? true)
    this.unit.connect(fake)
    this.core.probe(fake.device, this.driver)
    return fake
  }
}

/** A function with all capabilities that sends any page request and writes down the responses. */
export class FakeFunction implements PciFunction {
  readonly rid: number
  readonly device: Device
  /** `pasid grpid code`, one a response. */
  readonly responses: string[] = []
  readonly privates: number[] = []
  readonly #unit: RigUnit

  constructor(unit: RigUnit, rid: number, responsePasidRequired: boolean) {
    const ats = new Ats({ invalidateQueueDepth: 32 }, () => undefined)
    const listener = { requestsStopped: (): void => undefined, groupDropped: (): void => undefined }
    const pri = new Pri({ capacity: 512, responsePasidRequired }, listener)
    const pasid = new PasidCapability({ width: 20, exec: true, priv: true }, ats)
    this.rid = rid
    this.#unit = unit
    this.device = new Device({ name: `fake${rid}`, rid, config: new FunctionConfigSpace([ats, pri, pasid]) })
  }

  send(request: Partial<PageRequest>): void {
    this.#unit.pageRequest(
      Object.assign(new PageRequest(), { rid: this.rid, access: 1, last: true }, request),
    )
  }

  invalidateRequest(_pasid: number, _hi: number, _lo: number, _shift: number, itag: number): void {
    this.#unit.invalidateCompletion(this.rid, 1 << itag)
  }

  pageGroupResponse(pasid: number, grpid: number, code: number, private0: number, private1: number): void {
    this.responses.push(`${pasid} ${grpid} ${code}`)
    this.privates.push(private0, private1)
  }
}

/** Maps a fresh frame, readable and writable, wherever a page faults, and answers SUCCESS; keeps count. */
export class MappingHandler implements FaultHandler {
  readonly frames: number[] = []
  domain: Domain | undefined = undefined
  groups = 0
  faults = 0
  readonly #allocator: FrameAllocator

  constructor(allocator: FrameAllocator) {
    this.#allocator = allocator
  }

  handle(group: FaultGroup): boolean {
    this.groups++
    for (let fault = group.first; ; fault = fault.next!) {
      this.faults++
      if (this.domain!.iovaToFrame(fault.addrHi, fault.addrLo) < 0) this.map(fault.addrHi, fault.addrLo)
      if (fault === group.last) break
    }
    respondGroup(group, 0)
    freeGroup(group)
    return true
  }

  map(hi: number, lo: number): void {
    const frame = this.#allocator.allocZeroed()
    this.frames.push(frame)
    this.domain!.map(hi, lo, frame, 1, IOMMU_READ | IOMMU_WRITE)
  }

  free(): void {
    for (const frame of this.frames.splice(0)) this.#allocator.put(frame)
  }
}

/** Unmaps pages by number. */
export function unmapPages(domain: Domain, page: number, pages: number): number {
  return domain.unmap(pageHi(page), pageLo(page), pages)
}
