// SPDX-License-Identifier: MIT
import type { IommuGroup } from '../../kernel/iommu/group.ts'
import type { IommufdAttachHandle } from './attach-handle.ts'
import type { Context } from './context.ts'
import type { DeviceObject } from './device.ts'
import type { HwptObject } from './hwpt.ts'

/** The traffic without PASID. */
export const PASID_NONE = 0

/** What the devices of a group share at one PASID: the first one's attach did the hardware's work. */
export class Attachment {
  hwpt: HwptObject
  handle: IommufdAttachHandle
  readonly devices: DeviceObject[] = []

  constructor(hwpt: HwptObject, handle: IommufdAttachHandle) {
    this.hwpt = hwpt
    this.handle = handle
  }
}

/** A context's view of an IOMMU group (`spec/02` §5). Lives while a device of the group is bound. */
export class Igroup {
  readonly context: Context
  readonly group: IommuGroup
  /** By PASID; PASID_NONE is the RID. */
  readonly attachments: Map<number, Attachment> = new Map()
  /** Devices bound. */
  users = 0

  constructor(context: Context, group: IommuGroup) {
    this.context = context
    this.group = group
  }

  /** Whether any PASID of the group is attached, the RID aside. */
  get hasPasids(): boolean {
    return this.attachments.size > (this.attachments.has(PASID_NONE) ? 1 : 0)
  }
}

export function getIgroup(context: Context, group: IommuGroup): Igroup {
  let igroup = context.igroups.get(group)
  if (igroup === undefined) context.igroups.set(group, (igroup = new Igroup(context, group)))
  igroup.users++
  return igroup
}

export function putIgroup(igroup: Igroup): void {
  igroup.users--
  if (igroup.users === 0) igroup.context.igroups.delete(igroup.group)
}
