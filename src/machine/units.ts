// SPDX-License-Identifier: MIT
import { simpleConfig } from '../hardware/iommus/simple/config.ts'
import { SimpleIommu } from '../hardware/iommus/simple/unit.ts'
import { smmuv3Config } from '../hardware/iommus/smmuv3/config.ts'
import { Smmuv3 } from '../hardware/iommus/smmuv3/unit.ts'
import { vtdConfig } from '../hardware/iommus/vtd/config.ts'
import { VtdUnit } from '../hardware/iommus/vtd/unit.ts'
import type { PhysicalMemory } from '../hardware/memory.ts'
import type { PciFunction, TranslationAgent } from '../hardware/pci/messages.ts'
import { SimpleDriver } from '../kernel/drivers/simple/driver.ts'
import { Smmuv3Driver } from '../kernel/drivers/smmuv3/driver.ts'
import { VtdDriver } from '../kernel/drivers/vtd/driver.ts'
import { type IommuDriver, RESERVED_MSI, type ReservedRegion } from '../kernel/iommu/driver.ts'
import type { FaultPolicy } from '../kernel/iommu/fault.ts'
import type { IopfQueue } from '../kernel/iopf/queue.ts'
import type { FrameAllocator } from '../kernel/mm/frame-allocator.ts'
import type { World } from '../trace/world.ts'
import type { MachineLatencies, UnitConfig, UnitModel } from './config.ts'

/** What every unit shows of its insides, beside what devices see of it. */
export interface MachineUnit extends TranslationAgent {
  readonly pageRequests: { readonly queued: number; readonly overflowed: number; readonly refused: number }
  /** Unrecoverable faults. `kind` is the unit's own, 0 for untranslated requests. */
  readonly faults: {
    readonly recorded: number
    readonly lost: number
    record(
      rid: number,
      pasid: number,
      hi: number,
      lo: number,
      access: number,
      reason: number,
      kind: number,
    ): void
  }
  connect(port: PciFunction): void
  disconnect(rid: number): void
}

export interface MachineDriver extends IommuDriver {
  /** Page-table domains, SVA and nested ones that exist. */
  readonly domains: { readonly count: number }
  /** Waits that the unit had not finished when the driver stopped spinning. */
  readonly commands: { readonly unfinishedWaits: number }
  /** Unrecoverable faults that were read. */
  readonly faultLog: { readonly count: number; readonly lastReason: number }
  /** Switches the unit off; all devices were released. */
  stop(): void
}

/** An IOMMU: its silicon, its driver and the driver's fault queue. */
export interface MachineIommu {
  readonly name: string
  readonly unit: MachineUnit
  readonly driver: MachineDriver
  readonly faultQueue: IopfQueue
  /** Addresses that no device behind it can use. */
  readonly reservedRegions: readonly ReservedRegion[]
  /** Faults wait as stalled transactions, rather than as page requests. */
  readonly stalls: boolean
}

/** What units are built from. */
export interface UnitParts {
  readonly world: World
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  readonly latencies: MachineLatencies
  readonly policy: Partial<FaultPolicy>
  /** Outstanding Page Request Allocation of those that may fault, by requester id: what the driver asks for at probe. */
  readonly priAllocations: Map<number, number>
}

const REQUESTS_DEFAULT = 256
const PASID_BITS_DEFAULT = 20
/** FEE0_0000h … FEEF_FFFFh: interrupts on x86. */
const INTERRUPT_RANGE: ReservedRegion = { firstPage: 0xfee00, lastPage: 0xfeeff, kind: RESERVED_MSI }

const CREATE: Readonly<Record<UnitModel, (parts: UnitParts, config: UnitConfig) => MachineIommu>> = {
  simple: createSimple,
  vtd: createVtd,
  smmuv3: createSmmuv3,
}

/** The unit of a configuration, switched on by its driver. ENOMEM. */
export function createUnit(parts: UnitParts, config: UnitConfig): MachineIommu {
  return CREATE[config.model](parts, config)
}

function createSimple(parts: UnitParts, config: UnitConfig): MachineIommu {
  const { world, memory, frames, latencies, policy, priAllocations } = parts
  const { name } = config
  const unit = new SimpleIommu(world, {
    name,
    memory,
    config: simpleConfig({
      pasidBits: config.pasidBits ?? PASID_BITS_DEFAULT,
      privateData: policy.privateData ?? false,
      latencies: { link: latencies.response, interrupt: latencies.interrupt },
    }),
  })
  const driver = new SimpleDriver(world, {
    name,
    unit,
    interrupts: unit.interrupts,
    memory,
    frames,
    format: config.format === 'x86-64-5level' ? 'x86-64-5' : 'x86-64-4',
    rings: { pageRequests: config.pageRequestQueueEntries ?? REQUESTS_DEFAULT },
    policy,
    workLatencyNanos: latencies.workQueue,
    priRequests: (device) => priAllocations.get(device.rid) ?? 1,
  })
  return { name, unit, driver, faultQueue: driver.queue, reservedRegions: [], stalls: false }
}

/** A queue of n records holds n - 1; one of fewer than 128 does not exist, so the unit lets fewer wait. */
function createVtd(parts: UnitParts, config: UnitConfig): MachineIommu {
  const { world, memory, frames, latencies, policy, priAllocations } = parts
  const { name, pageRequestQueueEntries = REQUESTS_DEFAULT } = config
  const unit = new VtdUnit(world, {
    name,
    memory,
    config: vtdConfig({
      pasidBits: config.pasidBits ?? PASID_BITS_DEFAULT,
      privateData: policy.privateData ?? false,
      fiveLevel: config.format === 'x86-64-5level',
      pageRequestsMax: pageRequestQueueEntries - 1,
      latencies: { link: latencies.response, interrupt: latencies.interrupt },
    }),
  })
  const driver = new VtdDriver(world, {
    name,
    unit,
    interrupts: unit.interrupts,
    memory,
    frames,
    fiveLevel: config.format === 'x86-64-5level',
    queues: { pageRequests: pageRequestQueueEntries },
    policy,
    workLatencyNanos: latencies.workQueue,
    priRequests: (device) => priAllocations.get(device.rid) ?? 1,
  })
  const reservedRegions = [INTERRUPT_RANGE]
  return { name, unit, driver, faultQueue: driver.queue, reservedRegions, stalls: false }
}

/** Firmware says that those devices can stall which may fault at all. */
function createSmmuv3(parts: UnitParts, config: UnitConfig): MachineIommu {
  const { world, memory, frames, latencies, policy, priAllocations } = parts
  const { name, pageRequestQueueEntries = REQUESTS_DEFAULT } = config
  const unit = new Smmuv3(world, {
    name,
    memory,
    config: smmuv3Config({
      substreamIdBits: config.pasidBits ?? PASID_BITS_DEFAULT,
      latencies: { link: latencies.response, interrupt: latencies.interrupt },
    }),
  })
  const driver = new Smmuv3Driver(world, {
    name,
    unit,
    interrupts: unit.interrupts,
    memory,
    frames,
    queues: { events: Math.log2(pageRequestQueueEntries) },
    canStall: (device) => priAllocations.has(device.rid),
    policy,
    workLatencyNanos: latencies.workQueue,
  })
  return { name, unit, driver, faultQueue: driver.queue, reservedRegions: [], stalls: true }
}
