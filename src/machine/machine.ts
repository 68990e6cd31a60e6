// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { PhysicalMemory } from '../hardware/memory.ts'
import type { PageTableFormat } from '../hardware/page-tables/format.ts'
import { LPAE_STAGE1 } from '../hardware/page-tables/formats/lpae.ts'
import { X86_64_4_LEVEL } from '../hardware/page-tables/formats/x86-64.ts'
import { type OpenOptions, registerIommufd } from '../iommufd/context-file.ts'
import { DeviceNodes } from '../iommufd/fs/device-nodes.ts'
import type { ProcessOptions } from '../iommufd/process.ts'
import { VfioDeviceFile } from '../iommufd/vfio-device/vfio-device-file.ts'
import type { MockIommu } from '../kernel/drivers/mock/mock-iommu.ts'
import type { Device } from '../kernel/iommu/device.ts'
import { IommuCore } from '../kernel/iommu/probe.ts'
import { FrameAllocator } from '../kernel/mm/frame-allocator.ts'
import { Mm } from '../kernel/mm/mm.ts'
import { Sva } from '../kernel/sva/sva.ts'
import { Histogram } from '../trace/histogram.ts'
import { createWorld, type World } from '../trace/world.ts'
import { type MachineConfig, type MachineLatencies, NO_LATENCIES } from './config.ts'
import { type MachineDevice, type MachineParts, createMock, plug } from './models.ts'
import { MachineProcess } from './process.ts'
import { createUnit, type MachineIommu } from './units.ts'

export type { MachineDevice } from './models.ts'
export type { MachineIommu } from './units.ts'
export { MachineProcess } from './process.ts'

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
  /** The kernel's test IOMMU. */
  readonly mock: MockIommu | undefined
  readonly #devices: MachineDevice[]
  /** Of the processor: Arm's behind SMMUs and nothing else, else x86-64. */
  readonly #tableFormat: PageTableFormat

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
    this.latency = new Histogram()
    const parts: MachineParts = {
      world: this.world,
      memory: this.memory,
      frames: this.frames,
      core: this.core,
      latencies: this.latencies,
      policy: config.policy ?? {},
      latency: this.latency,
      priAllocations: new Map(),
    }
    this.iommus = config.iommus
      .filter((iommu) => iommu.model !== 'mock')
      .map((iommu) => createUnit(parts, iommu))
    const isArm = this.iommus.length > 0 && config.iommus.every(({ model }) => model === 'smmuv3')
    this.#tableFormat = isArm ? LPAE_STAGE1 : X86_64_4_LEVEL
    const selftest = createMock(parts, config.iommus)
    this.mock = selftest?.iommu
    this.#devices = []
    config.devices.forEach((device, index) => this.#devices.push(plug(parts, this.iommus, device, index)))
    const devices = { find: (name: string): Device | undefined => this.findDevice(name)?.device }
    this.openOptions = { world: this.world, devices, wakeLatencyNanos: this.latencies.wakeUp, mock: selftest }
    this.nodes = new DeviceNodes()
    registerIommufd(this.nodes, this.openOptions)
    for (const device of this.#devices)
      this.nodes.register(device.path, () => new VfioDeviceFile(device.path, device))
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
    const mm = new Mm({ memory, frames, failpoints: this.world.failpoints, format: this.#tableFormat })
    return new MachineProcess(this.openOptions, { nodes: this.nodes, ...options, mm })
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
    this.nodes.unregister(removed.path)
    this.#devices.splice(this.#devices.indexOf(removed), 1)
  }

  /** Everything goes: devices, drivers, units. All frames are free afterwards, unless something leaked. */
  shutDown(): void {
    while (this.#devices.length > 0) this.removeDevice(this.#devices[0]!.name)
    for (const { driver } of this.iommus) driver.stop()
    this.mock?.stop()
    assert(this.frames.pinned === 0, `${this.frames.pinned} pins are left`)
  }
}

/** Builds a machine: see `MachineConfig`. Throws a bare `Errno` when its set-up fails (ENOMEM), and for nothing else. */
export function createMachine(config: MachineConfig): Machine {
  return new Machine(config)
}
