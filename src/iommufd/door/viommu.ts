// SPDX-License-Identifier: MIT
import { hiOf, loOf } from '../../base/u64.ts'
import { HwQueueAlloc, VdeviceAlloc, VeventqAlloc } from '../abi/index.ts'
import { getTyped } from '../objects/lookup.ts'
import { VeventqObject } from '../objects/viommu/veventq.ts'
import type { BoundDevice } from './device.ts'
import type { Door } from './door.ts'
import { type Invalidation, invalidate } from './invalidate.ts'
import { EventQueue } from './event-queue.ts'

export interface VdeviceRequest {
  readonly device: BoundDevice
  /** What the guest calls it, 64 bits. */
  readonly virtId: bigint | number
}

export interface EventQueueRequest {
  /** IOMMU_VEVENTQ_TYPE_: one queue a type. */
  readonly type: number
  /** Events that it holds, 1 … 2^19; more are lost. */
  readonly depth: number
}

export interface HwQueueRequest {
  /** IOMMU_HW_QUEUE_TYPE_. */
  readonly type: number
  readonly index: number
  /** Where it lies in guest memory, physically contiguous. */
  readonly iova: bigint
  readonly lengthBytes: bigint | number
}

/** A vdevice or a hardware queue. */
export class ViommuPart {
  readonly id: number
  readonly #door: Door
  readonly #kind: string

  constructor(door: Door, id: number, kind: string) {
    this.#door = door
    this.id = id
    this.#kind = kind
  }

  /** ENOENT: it went with its device; EBUSY: something needs it. */
  destroy(): void {
    this.#door.destroy(this.id, `${this.#kind}.destroy`)
  }
}

/** A guest's IOMMU. */
export class Viommu {
  readonly id: number
  readonly #door: Door

  constructor(door: Door, id: number) {
    this.#door = door
    this.id = id
  }

  /** EINVAL: the device is behind another unit; EEXIST: it has a place in a guest, or the id is taken. */
  allocVdevice({ device, virtId }: VdeviceRequest): ViommuPart {
    const command = new VdeviceAlloc()
    command.viommu_id = this.id
    command.dev_id = device.id
    command.virt_id_hi = hiOf(BigInt(virtId))
    command.virt_id_lo = loOf(BigInt(virtId))
    this.#door.run(command, 'viommu.allocVdevice', { id: this.id, device, virtId })
    return new ViommuPart(this.#door, command.out_vdevice_id, 'vdevice')
  }

  /** EINVAL (depth), EEXIST (type), EMFILE. */
  allocEventQueue({ type, depth }: EventQueueRequest): EventQueue {
    const command = new VeventqAlloc()
    command.viommu_id = this.id
    command.type = type | 0
    command.veventq_depth = depth
    this.#door.run(command, 'viommu.allocEventQueue', { id: this.id, type, depth })
    const object = getTyped(this.#door.context, command.out_veventq_id, VeventqObject)
    return new EventQueue(this.#door, object, command.out_veventq_fd)
  }

  /** EOPNOTSUPP (type), EINVAL, EOVERFLOW, ENOENT (a hole), EPERM, EFAULT (not contiguous), and the driver's. */
  allocHwQueue({ type, index, iova, lengthBytes }: HwQueueRequest): ViommuPart {
    const command = new HwQueueAlloc()
    const length = BigInt(lengthBytes)
    command.viommu_id = this.id
    command.type = type | 0
    command.index = index
    command.nesting_parent_iova_hi = hiOf(iova)
    command.nesting_parent_iova_lo = loOf(iova)
    command.length_hi = hiOf(length)
    command.length_lo = loOf(length)
    this.#door.run(command, 'viommu.allocHwQueue', { id: this.id, type, index, iova, lengthBytes })
    return new ViommuPart(this.#door, command.out_hw_queue_id, 'hwQueue')
  }

  /** Forgets what the guest changed; see `invalidate`. */
  invalidate(request: Invalidation): number {
    return invalidate(this.#door, this.id, 'viommu.invalidate', request)
  }

  /** EBUSY while anything of it is left. */
  destroy(): void {
    this.#door.destroy(this.id, 'viommu.destroy')
  }
}
