// SPDX-License-Identifier: MIT
/**
 * A scenario after validation: every default filled in, every quantity a plain number. `schema.ts` checks documents against
 * these types; the names are those of the YAML document, so `machine.devices.0.pri.capacity` is the path in both.
 */
import { MISBEHAVIOURS, type MisbehaviourKind } from '../handlers/misbehaviour.ts'
import { UNIT_MODELS, type UnitModel } from '../machine/config.ts'

export { MISBEHAVIOURS, UNIT_MODELS }

/** Virtual nanoseconds, a non-negative integer. Written `5us`, `10ms`, `250ns`, `1s` in a document. */
export type Nanos = number
/** A non-negative integer. Written `4KiB`, `1GiB` in a document. */
export type Bytes = number

export interface Scenario {
  readonly name: string
  readonly description: string
  /** 32 bits, unsigned. */
  readonly seed: number
  /** `random`: latencies, ties and failures are drawn from the seed. */
  readonly decisions: 'default' | 'random'
  readonly random: RandomSection
  readonly machine: MachineSection
  readonly latencies: Latencies
  readonly policy: PolicySection
  readonly process: ProcessSection
  readonly workload: WorkloadSection
  readonly expect: ExpectSection
}

/** Used where `decisions` is `random`. */
export interface RandomSection {
  /** Each latency is drawn from base × (1 ± spread); 0 to 1. */
  readonly latencySpread: number
  /** Chance of each failpoint to fail; 0 to 1. */
  readonly failureChance: number
}

export interface MachineSection {
  readonly memory: Bytes
  readonly iommus: readonly IommuSection[]
  readonly devices: readonly DeviceSection[]
}

export interface IommuSection {
  readonly name: string
  readonly model: UnitModel
  /** Records the page request ring holds; a power of two. */
  readonly pageRequestQueueEntries: number
  readonly pasidBits: number
  readonly format: 'x86-64-4level' | 'x86-64-5level'
}

export interface DeviceSection {
  readonly name: string
  readonly kind: 'dma-engine'
  /** Name of an entry of `iommus`. */
  readonly iommu: string
  readonly ats: boolean
  /** `capacity`: Outstanding Page Request Capacity; `allocation`: what the driver writes, at most the capacity. */
  readonly pri: { readonly capacity: number; readonly allocation: number }
  /** 0 bits: no PASID capability. */
  readonly pasid: { readonly bits: number }
  /** Pages a page request group asks for, at most `pri.allocation`. */
  readonly groupPages: number
  readonly transfersInFlight: number
  /** The device adds private data to its page requests. */
  readonly privateData: boolean
}

/** Virtual time of each hop of a fault and of the work around it. */
export interface Latencies {
  /** ATS translation request and its completion. */
  readonly ats: Nanos
  /** Page Request Message from the function into the unit's ring. */
  readonly pageRequest: Nanos
  /** From the unit's interrupt to the first line of the driver's handler. */
  readonly interrupt: Nanos
  /** From queueing a work item to its run (SVA handler). */
  readonly workQueue: Nanos
  /** From a readable fault queue to the reader's return from poll. */
  readonly wakeUp: Nanos
  /** Entry and exit of one read, write or ioctl. */
  readonly systemCall: Nanos
  /** The user handler's own work for one group. */
  readonly handler: Nanos
  /** Reading one 4 KiB page from the page source. */
  readonly pageIn: Nanos
  /** Writing one dirty 4 KiB page back. */
  readonly pageOut: Nanos
  /** Mapping one 4 KiB page. */
  readonly map: Nanos
  /** Unmapping one 4 KiB page, without its invalidation. */
  readonly unmap: Nanos
  /** One IOTLB and device-cache invalidation, waited for. */
  readonly invalidation: Nanos
  /** From the driver's response command to the function. */
  readonly response: Nanos
  /** Moving 4 KiB by DMA. */
  readonly dma: Nanos
}

/** Wishes of the original discussions that Linux never merged (`spec/00`, `spec/01` §8.4). All off by default. */
export interface PolicySection {
  /** Groups a device may have unanswered at a time. */
  readonly quotaPerDevice: number | 'none'
  /** Virtual time after which a delivered group is answered with `timeoutCode`; a later answer is refused. */
  readonly responseTimeout: Nanos | 'none'
  readonly timeoutCode: 'failure' | 'invalid'
  /** One handler for recoverable and unrecoverable faults. */
  readonly unifiedHandler: boolean
  /** The device's private data comes back with the response. */
  readonly privateData: boolean
}

export interface ProcessSection {
  readonly handler: HandlerSection
}

export interface HandlerSection {
  readonly mode: 'fault-queue' | 'sva'
  readonly style: 'sync' | 'async'
  /** Fault records read at once. */
  readonly batch: number
  /** Pages mapped after the faulting one, where the source has them. */
  readonly faultAround: number
  /** Groups the handler works on at a time. */
  readonly inFlight: number
  /** Most bytes mapped at a time; the rest is evicted. */
  readonly residentLimit: Bytes | 'none'
  readonly misbehaviour: MisbehaviourSection
}

export interface MisbehaviourSection {
  readonly kind: MisbehaviourKind
  /** Groups handled well before it starts. */
  readonly after: number
  /** What `slow` adds to each group. */
  readonly delay: Nanos
}

export type SourceSpec =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'zeros' | 'pattern'; readonly lengthBytes: Bytes }

export interface WorkloadSection {
  readonly source: SourceSpec
  /** File to write; 'none': the copy goes to an unnamed temporary file. */
  readonly destination: string
  /** Bytes of one transfer. Each stream copies a share of its own, whole pages, in transfers of this size. */
  readonly chunk: Bytes
  readonly streams: readonly StreamSection[]
  readonly events: readonly EventSection[]
}

export interface StreamSection {
  readonly device: string
  /** `none`: untagged requests (the device's RID). */
  readonly pasid: number | 'none'
}

/** Something that happens to a device in mid-flight. */
export interface EventSection {
  readonly at: Nanos
  readonly do: 'detach' | 'replace' | 'remove'
  readonly device: string
  readonly pasid: number | 'none'
}

export interface Range {
  readonly min?: number | undefined
  readonly max?: number | undefined
}

/** What must hold after the run; a miss is exit code 5. A member that is absent is not checked. */
export interface ExpectSection {
  readonly digests: 'equal' | 'different' | 'any'
  readonly transfers: 'completed' | 'failed' | 'any'
  readonly pageRequests?: Range | undefined
  readonly groups?: Range | undefined
  readonly unrecoverable?: Range | undefined
  readonly success?: Range | undefined
  readonly invalid?: Range | undefined
  readonly failure?: Range | undefined
  readonly overflows?: Range | undefined
  readonly evictions?: Range | undefined
  readonly timeouts?: Range | undefined
  readonly quotaRefusals?: Range | undefined
  /** Nanoseconds from a group's first request to its response. */
  readonly p50?: Range | undefined
  readonly p90?: Range | undefined
  readonly p99?: Range | undefined
  readonly p999?: Range | undefined
  /** Virtual time of the whole run. */
  readonly virtualTime?: Range | undefined
}
