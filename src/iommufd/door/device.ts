// SPDX-License-Identifier: MIT
import {
  HwInfo,
  IOMMU_HW_CAP_DIRTY_TRACKING,
  IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED,
  IOMMU_HW_CAP_PCI_PASID_EXEC,
  IOMMU_HW_CAP_PCI_PASID_PRIV,
  IOMMU_HW_INFO_FLAG_INPUT_TYPE,
} from '../abi/index.ts'
import { type Place, deviceAttach, deviceDetach, deviceReplace } from '../objects/device/attachment.ts'
import type { DeviceObject } from '../objects/device/device.ts'
import { PASID_NONE } from '../objects/device/igroup.ts'
import { BYTES_ADDRESS } from './bytes-memory.ts'
import type { Door } from './door.ts'

/** What a device can be attached to: an I/O address space or a hardware page table. */
export interface AttachTarget {
  readonly id: number
}

export interface AttachOptions {
  /** 1 … 2^20-1. Left out: the device's own traffic, without PASID. */
  readonly pasid?: number
}

/** What an IOMMU says of itself, and what it and the device can do together. */
export interface HardwareInfo {
  /** IOMMU_HW_INFO_TYPE_; 0: the driver says nothing. */
  readonly type: number
  readonly data: Uint8Array
  /** 0: no PASIDs. */
  readonly pasidBits: number
  readonly dirtyTracking: boolean
  readonly pasidExec: boolean
  readonly pasidPriv: boolean
  readonly ats: boolean
}

/** Longer than any driver's. */
const HW_INFO_BYTES_MAX = 256

/** A device bound to the context: what an open and bound `/dev/vfio/devices/vfioN` is to a program. */
export class BoundDevice {
  readonly id: number
  readonly name: string
  readonly #door: Door
  readonly #object: DeviceObject
  readonly fd: number

  constructor(door: Door, object: DeviceObject, fd: number) {
    this.#door = door
    this.#object = object
    this.fd = fd
    this.id = object.id
    this.name = object.device.name
  }

  /**
   * Attaches to a page table, or to an I/O address space whose own page table is then found or made (`spec/02` §5.1,
   * §5.4). Returns the id of the page table. ENOENT, EINVAL, EBUSY, EADDRINUSE, and the driver's.
   */
  attach(target: AttachTarget, options: AttachOptions = {}): number {
    return this.#door.call('device.attach', { device: this.name, target: target.id, ...options }, () =>
      deviceAttach(this.#place(options), target.id),
    )
  }

  /** Moves an attachment to another target without a blocked moment (`spec/02` §5.3). Returns the page table's id. */
  replace(target: AttachTarget, options: AttachOptions = {}): number {
    return this.#door.call('device.replace', { device: this.name, target: target.id, ...options }, () =>
      deviceReplace(this.#place(options), target.id),
    )
  }

  /** Nothing happens when it is not attached. Faults of the attachment are answered INVALID (`spec/02` §6.5). */
  detach(options: AttachOptions = {}): void {
    this.#door.call('device.detach', { device: this.name, ...options }, () => {
      deviceDetach(this.#place(options))
    })
  }

  /**
   * What its IOMMU says of itself. `type`: the one that is wanted; left out: whatever there is. EOPNOTSUPP: the unit has
   * none of that type.
   */
  hwInfo(type?: number): HardwareInfo {
    const data = new Uint8Array(HW_INFO_BYTES_MAX)
    const command = new HwInfo()
    command.dev_id = this.id
    command.flags = type === undefined ? 0 : IOMMU_HW_INFO_FLAG_INPUT_TYPE
    command.in_data_type = (type ?? 0) | 0
    command.data_len = data.length
    command.data_uptr_lo = BYTES_ADDRESS
    this.#door.runWith(data, command, 'device.hwInfo', { device: this.name, type })
    const capabilities = command.out_capabilities_lo
    return {
      type: command.out_data_type >>> 0,
      data: data.subarray(0, command.data_len),
      pasidBits: command.out_max_pasid_log2,
      dirtyTracking: (capabilities & IOMMU_HW_CAP_DIRTY_TRACKING) !== 0,
      pasidExec: (capabilities & IOMMU_HW_CAP_PCI_PASID_EXEC) !== 0,
      pasidPriv: (capabilities & IOMMU_HW_CAP_PCI_PASID_PRIV) !== 0,
      ats: (capabilities & IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED) === 0,
    }
  }

  /** Detaches everything and unbinds, as closing the device file does: PASIDs first, then the device itself. */
  close(): void {
    this.#door.call('device.close', { device: this.name }, () => {
      this.#door.caller.files.close(this.fd)
    })
  }

  #place(options: AttachOptions): Place {
    return { context: this.#door.context, device: this.#object, pasid: options.pasid ?? PASID_NONE }
  }
}
