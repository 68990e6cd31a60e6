// SPDX-License-Identifier: MIT
import type { Device } from '../../../kernel/iommu/device.ts'
import { deviceReleaseDmaOwner } from '../../../kernel/iommu/ownership.ts'
import type { GroupMember, Igroup, IgroupTable } from './igroup.ts'
import { IommufdObject, OBJECT_DEVICE } from '../object-table.ts'

/** A device's place in a guest: goes with the device. */
export interface VirtualPlace {
  deviceGone(): void
}

/** A device bound to a context. Whoever bound it (a device file) holds one of its users. */
export class DeviceObject extends IommufdObject implements GroupMember {
  readonly device: Device
  readonly igroup: Igroup
  readonly #igroups: IgroupTable
  /** At most one guest knows it. */
  vdevice: VirtualPlace | undefined = undefined

  constructor(device: Device, igroups: IgroupTable) {
    super(OBJECT_DEVICE)
    this.#igroups = igroups
    this.device = device
    this.igroup = igroups.get(device)
  }

  override preDestroy(): void {
    this.vdevice?.deviceGone()
  }

  /** Unbinding: gives the DMA back. */
  destroy(): void {
    this.#igroups.put(this.igroup)
    deviceReleaseDmaOwner(this.device)
  }
}
