// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { dmaEngineConfig } from '../hardware/endpoints/dma-engine/config.ts'
import { DmaEngine } from '../hardware/endpoints/dma-engine/engine.ts'
import { EduRegisters } from '../hardware/endpoints/dma-engine/registers/edu.ts'
import { EngineRegisters } from '../hardware/endpoints/dma-engine/registers/engine-registers.ts'
import type { RegisterSet } from '../hardware/endpoints/dma-engine/registers/register-set.ts'
import { simpleConfig } from '../hardware/iommus/simple/config.ts'
import { SimpleIommu } from '../hardware/iommus/simple/unit.ts'
import type { PhysicalMemory } from '../hardware/memory.ts'
import { SelftestPort } from '../iommufd/selftest/port.ts'
import { MockIommu } from '../kernel/drivers/mock/mock-iommu.ts'
import { SimpleDriver } from '../kernel/drivers/simple/driver.ts'
import { Device } from '../kernel/iommu/device.ts'
import type { IommuCore } from '../kernel/iommu/probe.ts'
import type { FaultPolicy } from '../kernel/iommu/fault.ts'
import type { IopfQueue } from '../kernel/iopf/queue.ts'
import type { FrameAllocator } from '../kernel/mm/frame-allocator.ts'
import type { Histogram } from '../trace/histogram.ts'
import type { World } from '../trace/world.ts'
import type { DeviceConfig, IommuConfig, MachineLatencies, MockConfig, SimpleConfig } from './config.ts'

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
  /** What its driver sees of it. */
  readonly registers: RegisterSet
  /** Its file, as programs open it. */
  readonly path: string
  readonly device: Device
  readonly iommu: MachineIommu
}

/** What models are built from. */
export interface MachineParts {
  readonly world: World
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  readonly core: IommuCore
  readonly latencies: MachineLatencies
  readonly policy: Partial<FaultPolicy>
  readonly latency: Histogram
  /** Outstanding Page Request Allocation by requester id: what the driver asks for at probe. */
  readonly priAllocations: Map<number, number>
}

export function createSimple(parts: MachineParts, config: SimpleConfig): MachineIommu {
  const { world, memory, frames, latencies, policy, priAllocations } = parts
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
    priRequests: (device) => priAllocations.get(device.rid) ?? 1,
  })
  return { name: config.name, unit, driver, faultQueue: driver.queue }
}

/** The test ABI of a machine with a mock. Asserts that there is only one. */
export function createMock(parts: MachineParts, iommus: readonly IommuConfig[]): SelftestPort | undefined {
  const configs = iommus.filter((iommu): iommu is MockConfig => iommu.model === 'mock')
  const [config] = configs
  assert(configs.length < 2, `${configs.length} mock IOMMUs in one machine`)
  if (config === undefined) return undefined
  const { world, frames, core, policy, latencies } = parts
  const { name, extended = false } = config
  const workLatencyNanos = latencies.workQueue
  const iommu = new MockIommu(world, {
    name,
    core,
    frames,
    policy,
    workLatencyNanos,
    logsResponses: extended,
  })
  return new SelftestPort(iommu, frames, extended)
}

/** Puts a device behind its IOMMU, and has the driver probe it. */
export function plug(
  parts: MachineParts,
  iommus: readonly MachineIommu[],
  config: DeviceConfig,
  index: number,
): MachineDevice {
  const { world, memory, latency, latencies, core, priAllocations } = parts
  const iommu = iommus.find(({ name }) => name === config.iommu)
  assert(
    iommu !== undefined,
    `device ${config.name} is behind ${config.iommu}, which is not an IOMMU of this machine`,
  )
  const { name, rid = 0x0100 + 8 * index, pri = { capacity: 32 }, pasidBits = 20, ats = true } = config
  const engine = new DmaEngine(world, {
    name,
    rid,
    agent: iommu.unit,
    memory,
    histogram: latency,
    config: dmaEngineConfig({
      ats: ats ? { invalidateQueueDepth: 32 } : undefined,
      pri: pri === false || !ats ? undefined : { capacity: pri.capacity, responsePasidRequired: true },
      pasid: pasidBits === 0 ? undefined : { width: pasidBits, exec: false, priv: true },
      transfersInFlightMax: config.transfersInFlight ?? 16,
      groupPages: config.groupPages ?? 1,
      privateData: config.privateData ?? false,
      latencies: {
        ats: latencies.ats,
        pageRequest: latencies.pageRequest,
        dma: latencies.dma,
      },
    }),
  })
  iommu.unit.connect(engine)
  const device = new Device({ name, rid, config: engine.configSpace })
  world.trace.registerDevice(rid, name)
  if (pri !== false) priAllocations.set(rid, pri.allocation ?? pri.capacity)
  core.probe(device, iommu.driver)
  const registers = config.kind === 'edu' ? new EduRegisters(world, engine) : new EngineRegisters(engine)
  return { name, engine, registers, path: `/dev/vfio/devices/vfio${index}`, device, iommu }
}
