// SPDX-License-Identifier: MIT
import type { WorkQueue } from '../../sim/work-queue.ts'
import type { World } from '../../trace/world.ts'
import type { IommuDevice } from '../iommu/driver.ts'
import { FAITHFUL_POLICY, type FaultPolicy, type FaultPool, type FaultQueue } from '../iommu/fault.ts'

export interface IopfQueueOptions {
  readonly name: string
  readonly policy?: Partial<FaultPolicy>
  /** Virtual nanoseconds until a queued work item runs; default 2 µs. */
  readonly workLatencyNanos?: number
}

/** Linux's iopf_queue (`spec/01` §3.1). */
export class IopfQueue implements FaultQueue {
  readonly name: string
  readonly world: World
  declare readonly workQueue: WorkQueue
  declare readonly pool: FaultPool
  readonly policy: FaultPolicy

  constructor(world: World, options: IopfQueueOptions) {
    this.name = options.name
    this.world = world
    this.policy = { ...FAITHFUL_POLICY, ...options.policy }
  }

  /** ENODEV without a response function, EBUSY when the device is on a queue, ENOMEM. */
  addDevice(_device: IommuDevice): void {}
  removeDevice(_device: IommuDevice): void {}
  discardPartial(): void {}
  /** Runs all queued work; ENODEV when the device is on no queue. */
  flushDevice(_device: IommuDevice): void {}
  free(): void {}
}
