// SPDX-License-Identifier: MIT
import { type OpenOptions, openContext } from './context-file.ts'
import {
  FaultAlloc,
  HwptAlloc,
  IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
  IOMMU_HWPT_ALLOC_NEST_PARENT,
  IOMMU_HWPT_ALLOC_PASID,
  IOMMU_HWPT_FAULT_ID_VALID,
  IOMMU_OPTION_OP_GET,
  IOMMU_OPTION_OP_SET,
  IOMMU_OPTION_RLIMIT_MODE,
  IoasAlloc,
  Option,
  ViommuAlloc,
} from './abi/index.ts'
import { BYTES_ADDRESS } from './door/bytes-memory.ts'
import { BoundDevice } from './door/device.ts'
import { Door } from './door/door.ts'
import { FaultQueue } from './door/fault-queue.ts'
import { Hwpt, NestedHwpt } from './door/hwpt.ts'
import { Ioas } from './door/ioas.ts'
import { Viommu } from './door/viommu.ts'
import { openDeviceFile } from './device-file.ts'
import { getFault } from './objects/lookup.ts'
import type { Context } from './objects/context.ts'
import type { Caller } from './files.ts'

export type { AttachOptions, AttachTarget, HardwareInfo } from './door/device.ts'
export { BoundDevice } from './door/device.ts'
export { FaultGroupView, FaultRecord, type GroupAnswer } from './door/fault-batches.ts'
export { FaultQueue } from './door/fault-queue.ts'
export { EventQueue, type GuestEvent } from './door/event-queue.ts'
export { type DirtyRequest, Hwpt, NestedHwpt } from './door/hwpt.ts'
export type { Invalidation } from './door/invalidate.ts'
export type { UnrecoverableRecord } from './objects/fault/unrecoverable-inbox.ts'
export {
  type CopyRequest,
  Ioas,
  type MapFileRequest,
  type MapOptions,
  type MapRequest,
  type UnmapRequest,
} from './door/ioas.ts'
export {
  type EventQueueRequest,
  type HwQueueRequest,
  type VdeviceRequest,
  Viommu,
  ViommuPart,
} from './door/viommu.ts'

export interface HwptRequest {
  readonly device: BoundDevice
  /** The I/O address space whose mappings it holds. */
  readonly parent: Ioas
  /** Page requests on it go to this queue. Left out: they are answered INVALID. */
  readonly faultQueue?: FaultQueue
  /** Usable with PASIDs, and on a device that uses PASIDs. Default false. */
  readonly pasid?: boolean
  /** Usable as a nesting parent; not together with a fault queue. Default false. */
  readonly nestParent?: boolean
  /** Default false. */
  readonly dirtyTracking?: boolean
}

/** What only the driver understands. */
export interface DriverData {
  /** IOMMU_HWPT_DATA_. */
  readonly type: number
  readonly bytes: Uint8Array
}

export interface NestedHwptRequest {
  readonly device: BoundDevice
  /** A page table made with `nestParent`, or a vIOMMU. */
  readonly parent: Hwpt | Viommu
  readonly data: DriverData
  /** Page requests on it go to this queue. Left out: they are answered INVALID. */
  readonly faultQueue?: FaultQueue
  /** Usable with PASIDs. Default false. */
  readonly pasid?: boolean
}

export interface ViommuRequest {
  readonly device: BoundDevice
  /** A page table made with `nestParent`: it translates the guest's memory. */
  readonly parent: Hwpt
  /** IOMMU_VIOMMU_TYPE_. */
  readonly type: number
  /** The driver may write into it. */
  readonly data?: Uint8Array
}

export type RlimitMode = 'user' | 'process'

/** An open /dev/iommu: the typed door. Every call throws `IommufdError` for an expected failure. */
export class Iommufd {
  readonly fd: number
  readonly #door: Door

  constructor(context: Context, caller: Caller, fd: number) {
    this.#door = new Door(context, caller)
    this.fd = fd
  }

  allocIoas(): Ioas {
    const command = this.#door.run(new IoasAlloc(), 'allocIoas', {})
    return new Ioas(this.#door, command.out_ioas_id)
  }

  /** EMFILE. */
  allocFaultQueue(): FaultQueue {
    const command = this.#door.run(new FaultAlloc(), 'allocFaultQueue', {})
    const object = getFault(this.#door.context, command.out_fault_id)
    return new FaultQueue(this.#door, object, command.out_fault_fd)
  }

  /** Opens the device's file and binds it. ENODEV: no such device; EPERM, EBUSY: somebody else owns its DMA. */
  bind(name: string): BoundDevice {
    return this.#door.call('bind', { name }, () => {
      const { fd, object } = openDeviceFile(this.#door.context, this.#door.caller, name)
      return new BoundDevice(this.#door, object, fd)
    })
  }

  /** Errors in the order of `spec/02` §7.1: ENOENT, EINVAL, EOPNOTSUPP, EADDRINUSE, EFAULT, and the driver's. */
  allocHwpt(request: HwptRequest): Hwpt {
    const { device, parent, faultQueue } = request
    const command = new HwptAlloc()
    command.flags =
      (request.nestParent === true ? IOMMU_HWPT_ALLOC_NEST_PARENT : 0) |
      (request.dirtyTracking === true ? IOMMU_HWPT_ALLOC_DIRTY_TRACKING : 0) |
      (faultQueue === undefined ? 0 : IOMMU_HWPT_FAULT_ID_VALID) |
      (request.pasid === true ? IOMMU_HWPT_ALLOC_PASID : 0)
    command.dev_id = device.id
    command.pt_id = parent.id
    command.fault_id = faultQueue?.id ?? 0
    this.#door.run(command, 'allocHwpt', { ...request })
    return new Hwpt(this.#door, command.out_hwpt_id)
  }

  /** A guest's own page table, on a nesting parent or through a vIOMMU. Errors as `allocHwpt`; EINVAL: no such parent. */
  allocNestedHwpt(request: NestedHwptRequest): NestedHwpt {
    const { device, parent, data, faultQueue } = request
    const command = new HwptAlloc()
    command.flags =
      (faultQueue === undefined ? 0 : IOMMU_HWPT_FAULT_ID_VALID) |
      (request.pasid === true ? IOMMU_HWPT_ALLOC_PASID : 0)
    command.dev_id = device.id
    command.pt_id = parent.id
    command.fault_id = faultQueue?.id ?? 0
    command.data_type = data.type
    pointTo(command, data.bytes)
    this.#door.runWith(data.bytes, command, 'allocNestedHwpt', { ...request })
    return new NestedHwpt(this.#door, command.out_hwpt_id)
  }

  /** A guest's IOMMU. EOPNOTSUPP: not a type of the device's unit; EINVAL: not a nesting parent. */
  allocViommu(request: ViommuRequest): Viommu {
    const bytes = request.data ?? new Uint8Array(0)
    const command = new ViommuAlloc()
    command.type = request.type | 0
    command.dev_id = request.device.id
    command.hwpt_id = request.parent.id
    pointTo(command, bytes)
    this.#door.runWith(bytes, command, 'allocViommu', { ...request })
    return new Viommu(this.#door, command.out_viommu_id)
  }

  /** What pinned pages are charged to: the user's RLIMIT_MEMLOCK, or the process's. */
  get rlimitMode(): RlimitMode {
    const command = new Option()
    command.option_id = IOMMU_OPTION_RLIMIT_MODE
    command.op = IOMMU_OPTION_OP_GET
    this.#door.run(command, 'rlimitMode', {})
    return command.val64_lo === 0 ? 'user' : 'process'
  }

  /** EPERM without CAP_SYS_RESOURCE, EBUSY once anything was allocated. */
  setRlimitMode(mode: RlimitMode): void {
    const command = new Option()
    command.option_id = IOMMU_OPTION_RLIMIT_MODE
    command.op = IOMMU_OPTION_OP_SET
    command.val64_lo = mode === 'user' ? 0 : 1
    this.#door.run(command, 'setRlimitMode', { mode })
  }

  /** Closes the descriptor. The context lives on while a fault queue or a bound device is open. */
  close(): void {
    this.#door.call('close', { fd: this.fd }, () => {
      this.#door.caller.files.close(this.fd)
    })
  }
}

function pointTo(command: HwptAlloc | ViommuAlloc, bytes: Uint8Array): void {
  command.data_len = bytes.length
  command.data_uptr_lo = bytes.length === 0 ? 0 : BYTES_ADDRESS
}

/** Opens /dev/iommu in the process. EMFILE. */
export function openIommufd(caller: Caller, options: OpenOptions): Iommufd {
  const { fd, context } = openContext(caller, options)
  return new Iommufd(context, caller, fd)
}
