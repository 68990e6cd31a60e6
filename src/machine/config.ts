// SPDX-License-Identifier: MIT
/** What a machine is made of, as one plain object. */
import type { FaultPolicy } from '../kernel/iommu/fault.ts'
import type { WorldOptions } from '../trace/world.ts'

/** Units that devices are behind: one of our own, Intel's VT-d in scalable mode, Arm's SMMUv3. */
export const UNIT_MODELS = ['simple', 'vtd', 'smmuv3'] as const

export type UnitModel = (typeof UNIT_MODELS)[number]

/** A unit with its driver: devices are behind it. */
export interface UnitConfig {
  readonly name: string
  readonly model: UnitModel
  /**
   * Records of the page-request ring: a power of two, 2 … 65536 (VT-d: at most 16384; fewer than 128 are a limit of how
   * many may wait; SMMUv3: the event queue). Default 256.
   */
  readonly pageRequestQueueEntries?: number
  /** 0 … 20. Default 20. */
  readonly pasidBits?: number
  /** Of the page tables that the driver makes; an SMMUv3's are LPAE of 4 levels. Default x86-64-4level. */
  readonly format?: 'x86-64-4level' | 'x86-64-5level'
}

/** The kernel's test IOMMU, one a machine: user space makes its devices, by IOMMU_TEST_CMD on /dev/iommu. */
export interface MockConfig {
  readonly name: string
  readonly model: 'mock'
  /** Also operations that report any fault and tell of responses and fault queues. Default false. */
  readonly extended?: boolean
}

export type IommuConfig = UnitConfig | MockConfig

export interface DeviceConfig {
  readonly name: string
  /** What its registers are: an engine's, or those of QEMU's educational device. DMA is the same. */
  readonly kind: 'dma-engine' | 'edu'
  /** Name of the IOMMU that it is behind. */
  readonly iommu: string
  /** Requester id, 16 bits. Default: 0x0100 and upwards in steps of 8 (bus 1, a device number each). */
  readonly rid?: number
  /** Default true. Without ATS there is no PRI either, and every fault is unrecoverable. */
  readonly ats?: boolean
  /**
   * `false`: no PRI. Default: capacity 32. `allocation` defaults to the capacity. An SMMUv3's driver has no PRI: behind it
   * such a device has neither ATS nor PRI, and its transactions wait in the unit instead (they stall).
   */
  readonly pri?: { readonly capacity: number; readonly allocation?: number } | false
  /** 0: no PASIDs. Default 20. */
  readonly pasidBits?: number
  /** Pages that one page request group asks for, 1 … 512. Default 1. */
  readonly groupPages?: number
  /** Transfers that run at a time. Default 16. */
  readonly transfersInFlight?: number
  /** Page requests carry private data. Default false. */
  readonly privateData?: boolean
}

/** Virtual nanoseconds of each hop. All default to 0: what happens costs no time unless it is told to. */
export interface MachineLatencies {
  readonly ats: number
  readonly pageRequest: number
  readonly interrupt: number
  readonly workQueue: number
  readonly wakeUp: number
  readonly response: number
  readonly dma: number
}

export interface MachineConfig extends WorldOptions {
  /** RAM, a multiple of 4096, at most 4 GiB. Default 64 MiB. */
  readonly memoryBytes?: number
  /** Huge pages of 2 MiB that are set aside of it. Default 0. */
  readonly hugePages?: number
  readonly iommus: readonly IommuConfig[]
  readonly devices: readonly DeviceConfig[]
  readonly latencies?: Partial<MachineLatencies>
  /** The wishes: quota, response timeout, private data. All off by default. */
  readonly policy?: Partial<FaultPolicy>
}

export const NO_LATENCIES: MachineLatencies = {
  ats: 0,
  pageRequest: 0,
  interrupt: 0,
  workQueue: 0,
  wakeUp: 0,
  response: 0,
  dma: 0,
}
