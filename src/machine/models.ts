// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { dmaEngineConfig } from '../hardware/endpoints/dma-engine/config.ts'
import { DmaEngine } from '../hardware/endpoints/dma-engine/engine.ts'
import { EduRegisters } from '../hardware/endpoints/dma-engine/registers/edu.ts'
import { EngineRegisters } from '../hardware/endpoints/dma-engine/registers/engine-registers.ts'
import type { RegisterSet } from '../hardware/endpoints/dma-engine/registers/register-set.ts'
import { SelftestPort } from '../iommufd/selftest/port.ts'
import { MockIommu } from '../kernel/drivers/mock/mock-iommu.ts'
import { Device } from '../kernel/iommu/device.ts'
import type { IommuCore } from '../kernel/iommu/probe.ts'
import type { Histogram } from '../trace/histogram.ts'
import type { DeviceConfig, IommuConfig, MockConfig } from './config.ts'
import type { MachineIommu, UnitParts } from './units.ts'

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
export interface MachineParts extends UnitParts {
  readonly core: IommuCore
  readonly latency: Histogram
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
  const mayFault = ats && pri !== false
  const stalls = iommu.stalls && mayFault
  const engine = new DmaEngine(world, {
    name,
    rid,
    agent: iommu.unit,
    memory,
    histogram: latency,
    config: dmaEngineConfig({
      ats: ats && !stalls ? { invalidateQueueDepth: 32 } : undefined,
      pri:
        pri === false || !ats || stalls ? undefined : { capacity: pri.capacity, responsePasidRequired: true },
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
  const { reservedRegions } = iommu
  const device = new Device({ name, rid, config: engine.configSpace, reservedRegions })
  world.trace.registerDevice(rid, name)
  if (mayFault) priAllocations.set(rid, pri.allocation ?? pri.capacity)
  core.probe(device, iommu.driver)
  const registers = config.kind === 'edu' ? new EduRegisters(world, engine) : new EngineRegisters(engine)
  return { name, engine, registers, path: `/dev/vfio/devices/vfio${index}`, device, iommu }
}
