// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { dmaEngineConfig } from '../hardware/endpoints/dma-engine/config.ts'
import { DmaEngine } from '../hardware/endpoints/dma-engine/engine.ts'
import { simpleConfig } from '../hardware/iommus/simple/config.ts'
import { SimpleIommu } from '../hardware/iommus/simple/unit.ts'
import { PhysicalMemory } from '../hardware/memory.ts'
import { type OpenOptions, registerIommufd } from '../iommufd/context-file.ts'
import { DeviceNodes } from '../iommufd/fs/device-nodes.ts'
import { type Iommufd, openIommufd } from '../iommufd/iommufd.ts'
import { Process, type ProcessOptions } from '../iommufd/process.ts'
import { SimpleDriver } from '../kernel/drivers/simple/driver.ts'
import { Device } from '../kernel/iommu/device.ts'
import type { FaultPolicy } from '../kernel/iommu/fault.ts'
import { IommuCore } from '../kernel/iommu/probe.ts'
import type { IopfQueue } from '../kernel/iopf/queue.ts'
import { FrameAllocator } from '../kernel/mm/frame-allocator.ts'
import { Mm } from '../kernel/mm/mm.ts'
import { Sva } from '../kernel/sva/sva.ts'
import {
  type DeviceConfig,
  type IommuConfig,
  type MachineConfig,
  type MachineLatencies,
  NO_LATENCIES,
} from './config.ts'
import { Histogram } from '../trace/histogram.ts'
import { createWorld, type World } from '../trace/world.ts'

/** An IOMMU: its silicon, its driver and the driver's fault queue. */
export interface MachineIommu {
  readonly name: string
  readonly unit: SimpleIommu
  readonly driver: SimpleDriver
  readonly faultQueue: IopfQueue
}

/** A device: its silicon and the kernel's view of it. */
export interface MachineDevice {
  readonly name: string
  readonly engine: DmaEngine
  readonly device: Device
  readonly iommu: MachineIommu
}

/** A process of the machine: its memory, its descriptors, and /dev/iommu. */
export class MachineProcess extends Process {
  readonly #machine: Machine

  constructor(machine: Machine, options: ProcessOptions) {
    super(options)
    this.#machine = machine
  }

  /** Opens /dev/iommu. */
  openIommufd(): Iommufd {
    return openIommufd(this, this.#machine.openOptions)
  }

  override fork(): MachineProcess {
    return this.adopt(new MachineProcess(this.#machine, this.childOptions()))
  }
}

/** The whole machine, assembled in the order in which a real one comes up. */
export class Machine {
  readonly latencies: MachineLatencies
  readonly world: World
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  readonly core: IommuCore
  readonly sva: Sva
  /** What the opens of /dev/iommu are made with. */
  readonly openOptions: OpenOptions
  /** What open(2) finds. */
  readonly nodes: DeviceNodes
  /** Time from the first page request of a group to its response, over all devices. */
  readonly latency: Histogram
  readonly iommus: readonly MachineIommu[]
  readonly #devices: MachineDevice[]
  /** Outstanding Page Request Allocation by requester id: what the driver asks for at probe. */
  readonly #priAllocations: Map<number, number>

  constructor(config: MachineConfig) {
    this.latencies = { ...NO_LATENCIES, ...config.latencies }
    this.world = createWorld(config)
    this.memory = new PhysicalMemory({ bytes: config.memoryBytes ?? 64 * 2 ** 20 })
    this.frames = new FrameAllocator({
      memory: this.memory,
      failpoints: this.world.failpoints,
      hugePages: config.hugePages ?? 0,
    })
    this.core = new IommuCore(this.world)
    this.sva = new Sva(this.world)
    const devices = { find: (name: string): Device | undefined => this.findDevice(name)?.device }
    this.openOptions = { world: this.world, devices, wakeLatencyNanos: this.latencies.wakeUp }
    this.nodes = new DeviceNodes()
    registerIommufd(this.nodes, this.openOptions)
    this.latency = new Histogram()
    this.#priAllocations = new Map()
    this.iommus = config.iommus.map((iommu) => this.#createIommu(iommu, config.policy ?? {}))
    this.#devices = []
    config.devices.forEach((device, index) => this.#plug(device, index))
  }

  get devices(): readonly MachineDevice[] {
    return this.#devices
  }

  findDevice(name: string): MachineDevice | undefined {
    return this.#devices.find((device) => device.name === name)
  }

  /** Asserts that there is such a device. */
  device(name: string): MachineDevice {
    const device = this.findDevice(name)
    assert(
      device !== undefined,
      `no device ${name}: there are ${this.#devices.map((d) => d.name).join(', ')}`,
    )
    return device
  }

  /** A new process with an empty address space. */
  process(options: Omit<ProcessOptions, 'mm'> = {}): MachineProcess {
    const { memory, frames } = this
    const mm = new Mm({ memory, frames, failpoints: this.world.failpoints })
    return new MachineProcess(this, { nodes: this.nodes, ...options, mm })
  }

  /** Steps until nothing is due any more; returns how many. For synchronous programs. */
  runUntilIdle(): number {
    return this.world.scheduler.runUntilIdle()
  }

  /** Runs an asynchronous program: steps while it waits for the machine. */
  run<T>(program: () => Promise<T>): Promise<T> {
    return this.world.scheduler.run(program)
  }

  /** The device leaves the machine: it stops, its driver drains and forgets it. Nothing may be bound to it. */
  removeDevice(name: string): void {
    const removed = this.device(name)
    removed.engine.stop()
    this.core.release(removed.device)
    removed.engine.remove()
    removed.iommu.unit.disconnect(removed.engine.rid)
    this.#devices.splice(this.#devices.indexOf(removed), 1)
  }

  /** Everything goes: devices, drivers, units. All frames are free afterwards, unless something leaked. */
  shutDown(): void {
    while (this.#devices.length > 0) this.removeDevice(this.#devices[0]!.name)
    for (const { driver } of this.iommus) driver.stop()
  }

  #createIommu(config: IommuConfig, policy: Partial<FaultPolicy>): MachineIommu {
    const { world, memory, frames, latencies } = this
    const unit = new SimpleIommu(world, {
      name: config.name,
      memory,
      config: simpleConfig({
        pasidBits: config.pasidBits ?? 20,
        privateData: policy.privateData ?? false,
        latencies: { link: latencies.response, interrupt: latencies.interrupt },
      }),
    })
    const driver = new SimpleDriver(world, {
      name: config.name,
      unit,
      interrupts: unit.interrupts,
      memory,
      frames,
      format: config.format === 'x86-64-5level' ? 'x86-64-5' : 'x86-64-4',
      rings: { pageRequests: config.pageRequestQueueEntries ?? 256 },
      policy,
      workLatencyNanos: latencies.workQueue,
      priRequests: (device) => this.#priAllocations.get(device.rid) ?? 1,
    })
    return { name: config.name, unit, driver, faultQueue: driver.queue }
  }

  #plug(config: DeviceConfig, index: number): void {
    const iommu = this.iommus.find(({ name }) => name === config.iommu)
    assert(
      iommu !== undefined,
      `device ${config.name} is behind ${config.iommu}, which is not an IOMMU of this machine`,
    )
    const { name, rid = 0x0100 + 8 * index, pri = { capacity: 32 }, pasidBits = 20, ats = true } = config
    const engine = new DmaEngine(this.world, {
      name,
      rid,
      agent: iommu.unit,
      memory: this.memory,
      histogram: this.latency,
      config: dmaEngineConfig({
        ats: ats ? { invalidateQueueDepth: 32 } : undefined,
        pri: pri === false || !ats ? undefined : { capacity: pri.capacity, responsePasidRequired: true },
        pasid: pasidBits === 0 ? undefined : { width: pasidBits, exec: false, priv: true },
        transfersInFlightMax: config.transfersInFlight ?? 16,
        groupPages: config.groupPages ?? 1,
        privateData: config.privateData ?? false,
        latencies: {
          ats: this.latencies.ats,
          pageRequest: this.latencies.pageRequest,
          dma: this.latencies.dma,
        },
      }),
    })
    iommu.unit.connect(engine)
    const device = new Device({ name, rid, config: engine.configSpace })
    this.world.trace.registerDevice(rid, name)
    if (pri !== false) this.#priAllocations.set(rid, pri.allocation ?? pri.capacity)
    this.#devices.push({ name, engine, device, iommu })
    this.core.probe(device, iommu.driver)
  }
}

/** Builds a machine: see `MachineConfig`. Throws a bare `Errno` when its set-up fails (ENOMEM), and for nothing else. */
export function createMachine(config: MachineConfig): Machine {
  return new Machine(config)
}
