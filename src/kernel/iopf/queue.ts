// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { EBUSY, ENODEV, ENOMEM } from '../../base/errno.ts'
import { WorkQueue } from '../../sim/work-queue.ts'
import { EVENTS } from '../../trace/events.ts'
import type { World } from '../../trace/world.ts'
import type { IommuDevice } from '../iommu/driver.ts'
import {
  FAITHFUL_POLICY,
  FaultParam,
  type FaultPolicy,
  type FaultQueue,
  RESPONSE_INVALID,
} from '../iommu/fault.ts'
import { dropPartials } from './partial.ts'
import { IopfPool } from './pool.ts'
import { freeGroup, respondGroup } from './respond.ts'
import { expireGroups } from './timeout.ts'

export interface IopfQueueOptions {
  readonly name: string
  readonly policy?: Partial<FaultPolicy>
  /** Virtual nanoseconds until a queued work item runs; default 1 µs. */
  readonly workLatencyNanos?: number
}

const WORK_LATENCY_NANOS = 1000

/** Linux's iopf_queue (`spec/01` §3.1): the devices of one unit that may fault, and the workqueue for their groups. */
export class IopfQueue implements FaultQueue {
  readonly name: string
  readonly world: World
  readonly workQueue: WorkQueue
  readonly pool: IopfPool = new IopfPool()
  readonly policy: FaultPolicy
  quotaRefusals = 0
  timeouts = 0
  readonly #devices: IommuDevice[] = []

  constructor(world: World, options: IopfQueueOptions) {
    this.name = options.name
    this.world = world
    const latency = options.workLatencyNanos ?? WORK_LATENCY_NANOS
    this.workQueue = new WorkQueue(world, `iopf_queue/${options.name}`, latency)
    this.policy = { ...FAITHFUL_POLICY, ...options.policy }
  }

  get devices(): readonly IommuDevice[] {
    return this.#devices
  }

  /** ENODEV when the driver cannot answer, EBUSY when the device is on a queue already, ENOMEM. */
  addDevice(device: IommuDevice): void {
    if (device.driver?.pageResponse === undefined) throw ENODEV
    if (device.faultParam !== undefined) throw EBUSY
    if (this.world.failpoints.hit('alloc_fault_param')) throw ENOMEM
    const param = new FaultParam(device, this)
    if (this.policy.timeoutNanos > 0) {
      param.alarm = this.world.clock.createAlarm(`fault timeout ${device.name}`, () => expireGroups(param))
    }
    this.#devices.push(device)
    device.faultParam = param
  }

  /**
   * Forgets the open requests and answers every pending group INVALID, newest first (Q7). Groups that handlers have
   * dequeued live on with the parameter (T7). Nothing happens for a device that is not on this queue.
   */
  removeDevice(device: IommuDevice): void {
    const param = device.faultParam
    if (param === undefined || param.queue !== this) return
    const { trace } = this.world
    if (trace.enabled) {
      trace.emit(EVENTS.device_removed, 0, device.rid, param.partialCount, param.pending.length)
    }
    dropPartials(param)
    for (let group = param.pending.first; group !== undefined; group = param.pending.first) {
      respondGroup(group, RESPONSE_INVALID)
      freeGroup(group)
    }
    this.#devices.splice(this.#devices.indexOf(device), 1)
    device.faultParam = undefined
    param.users--
  }

  /** Linux's iopf_queue_discard_partial: after an overflow no open group can be trusted. */
  discardPartial(): void {
    for (const device of this.#devices) dropPartials(device.faultParam!)
  }

  /** Linux's iopf_queue_flush_dev: runs the queue's work of all devices. ENODEV when the device is on no queue. */
  flushDevice(device: IommuDevice): void {
    const param = device.faultParam
    if (param === undefined) throw ENODEV
    param.queue.workQueue.flush()
  }

  /** Removes all devices. */
  free(): void {
    while (this.#devices.length > 0) this.removeDevice(this.#devices[this.#devices.length - 1]!)
    assert(this.workQueue.length === 0, `queue ${this.name} is freed with work on it`)
  }
}
