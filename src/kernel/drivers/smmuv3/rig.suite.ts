// SPDX-License-Identifier: MIT
import { type DmaEngineOptions, dmaEngineConfig } from '../../../hardware/endpoints/dma-engine/config.ts'
import { DmaEngine } from '../../../hardware/endpoints/dma-engine/engine.ts'
import {
  createTransfer,
  type Transfer,
  type TransferOptions,
} from '../../../hardware/endpoints/dma-engine/transfer.ts'
import { smmuv3Config, type Smmuv3Options } from '../../../hardware/iommus/smmuv3/config.ts'
import { Smmuv3 } from '../../../hardware/iommus/smmuv3/unit.ts'
import { PhysicalMemory } from '../../../hardware/memory.ts'
import { createWorld, type World, type WorldOptions } from '../../../trace/world.ts'
import { attachGroupHandle } from '../../iommu/attach.ts'
import { AttachHandle } from '../../iommu/attach-handle.ts'
import { attachDevicePasid } from '../../iommu/attach-pasid.ts'
import { Device } from '../../iommu/device.ts'
import { type Domain, IOMMU_READ, IOMMU_WRITE } from '../../iommu/domain.ts'
import type { FaultGroup, FaultHandler } from '../../iommu/fault.ts'
import { IommuCore } from '../../iommu/probe.ts'
import { freeGroup, respondGroup } from '../../iopf/respond.ts'
import { FrameAllocator } from '../../mm/frame-allocator.ts'
import { Smmuv3Driver, type Smmuv3DriverOptions } from './driver.ts'

export interface RigOptions {
  readonly unit?: Smmuv3Options
  readonly driver?: Partial<Smmuv3DriverOptions>
  readonly engine?: DmaEngineOptions
  readonly engines?: number
  readonly world?: WorldOptions
}

/** Engines of the kind that stalls: neither ATS nor PRI. */
const STALLING: DmaEngineOptions = { ats: undefined, pri: undefined }

/** A real unit, its driver, and engines behind it that stall. */
export class Rig {
  readonly world: World
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  readonly unit: Smmuv3
  readonly driver: Smmuv3Driver
  readonly core: IommuCore
  readonly engines: DmaEngine[] = []
  readonly devices: Device[] = []
  /** Frames in use before the driver came. */
  readonly framesBefore: number

  constructor(options: RigOptions = {}) {
    this.world = createWorld(options.world)
    this.memory = new PhysicalMemory({ bytes: 64 * 2 ** 20 })
    this.frames = new FrameAllocator({ memory: this.memory, failpoints: this.world.failpoints })
    this.framesBefore = this.frames.inUse
    const { world, memory, frames } = this
    const name = 'smmu0'
    this.unit = new Smmuv3(world, { name, memory, config: smmuv3Config(options.unit) })
    const { interrupts } = this.unit
    const parts = { name, unit: this.unit, interrupts, memory, frames }
    this.driver = new Smmuv3Driver(world, { ...parts, ...options.driver })
    this.core = new IommuCore(world)
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
    const config = dmaEngineConfig({ ...STALLING, ...options })
    const engine = new DmaEngine(world, { name, rid, agent: unit, memory, config })
    unit.connect(engine)
    const device = new Device({ name, rid, config: engine.configSpace })
    this.core.probe(device, this.driver)
    this.engines.push(engine)
    this.devices.push(device)
  }

  paging(handler?: FaultHandler, flags = 0): Domain {
    return this.driver.domainAllocPaging(undefined, { flags, iopfHandler: handler })
  }

  /** A page-table domain with the handler, attached to the RID. */
  attachRid(handler?: FaultHandler, device: Device = this.device): Domain {
    const domain = this.paging(handler)
    attachGroupHandle(domain, device.group!, new AttachHandle())
    return domain
  }

  attachPasid(pasid: number, handler?: FaultHandler, device: Device = this.device): Domain {
    const domain = this.paging(handler)
    attachDevicePasid(domain, device, pasid, new AttachHandle())
    return domain
  }

  submit(options: TransferOptions, engine: DmaEngine = this.engine): Transfer {
    const transfer = createTransfer(options)
    engine.submit(transfer)
    return transfer
  }

  /** One byte written through a PASID, or without. */
  fill(destination: bigint, pasid?: number, engine: DmaEngine = this.engine): Transfer {
    const place = pasid === undefined ? {} : { pasid }
    return this.submit({ op: 'fill', destination, lengthBytes: 1, ...place }, engine)
  }

  run(): void {
    this.world.scheduler.runUntilIdle()
  }

  /** Steps until the unit has told of so many stalls. */
  runUntilStalled(count: number): void {
    while (this.unit.stalls.recorded < count) this.world.scheduler.step()
  }

  /** The driver stops; everything is back. */
  end(): void {
    for (const device of this.devices) if (device.driver !== undefined) this.core.release(device)
    this.driver.stop()
  }
}

/** Maps a fresh frame, readable and writable, wherever a page faults, and answers SUCCESS; keeps count. */
export class MappingHandler implements FaultHandler {
  readonly frames: number[] = []
  domain: Domain | undefined = undefined
  faults = 0
  readonly #allocator: FrameAllocator

  constructor(allocator: FrameAllocator) {
    this.#allocator = allocator
  }

  handle(group: FaultGroup): boolean {
    const { addrHi, addrLo } = group.last
    this.faults++
    if (this.domain!.iovaToFrame(addrHi, addrLo) < 0) {
      const frame = this.#allocator.allocZeroed()
      this.frames.push(frame)
      this.domain!.map(addrHi, addrLo & ~0xfff, frame, 1, IOMMU_READ | IOMMU_WRITE)
    }
    respondGroup(group, 0)
    freeGroup(group)
    return true
  }

  free(): void {
    for (const frame of this.frames.splice(0)) this.#allocator.put(frame)
  }
}
