// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import type { Device } from '../../../kernel/iommu/device.ts'
import type { IommuGroup } from '../../../kernel/iommu/group.ts'
import type { IommufdAttachHandle } from './attach-handle.ts'
import type { HwptObject } from '../hwpt/hwpt.ts'

/** The traffic without PASID. */
export const PASID_NONE = 0

/** A bound device of a group. */
export interface GroupMember {
  readonly device: Device
}

/** What the devices of a group share at one PASID: the first one's attach did the hardware's work. */
export class Attachment {
  hwpt: HwptObject
  handle: IommufdAttachHandle
  readonly devices: GroupMember[] = []

  constructor(hwpt: HwptObject, handle: IommufdAttachHandle) {
    this.hwpt = hwpt
    this.handle = handle
  }
}

/** A context's view of an IOMMU group (`spec/02` §5). Lives while a device of the group is bound. */
export class Igroup {
  readonly group: IommuGroup
  /** By PASID; PASID_NONE is the RID. */
  readonly attachments: Map<number, Attachment> = new Map()
  /** Devices bound. */
  users = 0

  constructor(group: IommuGroup) {
    this.group = group
  }

  /** Whether any PASID of the group is attached, the RID aside. */
  get hasPasids(): boolean {
    return this.attachments.size > (this.attachments.has(PASID_NONE) ? 1 : 0)
  }
}

/** The groups of one context that have a device bound. */
export class IgroupTable {
  readonly #igroups: Map<IommuGroup, Igroup> = new Map()

  /** The device's; counts a user. */
  get(device: Device): Igroup {
    const { group } = device
    assert(group !== undefined, `${device.name} has no group`)
    let igroup = this.#igroups.get(group)
    if (igroup === undefined) this.#igroups.set(group, (igroup = new Igroup(group)))
    igroup.users++
    return igroup
  }

  put(igroup: Igroup): void {
    igroup.users--
    if (igroup.users === 0) this.#igroups.delete(igroup.group)
  }
}
