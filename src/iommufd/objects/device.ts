// SPDX-License-Identifier: MIT
import { EINVAL, ENODEV, ENOENT, ENOMEM } from '../../base/errno.ts'
import type { Device } from '../../kernel/iommu/device.ts'
import { CAP_CACHE_COHERENCY } from '../../kernel/iommu/driver.ts'
import { deviceClaimDmaOwner, deviceReleaseDmaOwner } from '../../kernel/iommu/ownership.ts'
import type { Context } from './context.ts'
import { type Igroup, getIgroup, putIgroup } from './igroup.ts'
import { IommufdObject, OBJECT_DEVICE } from './object-table.ts'

/** A device bound to a context. Whoever bound it (a device file) holds one of its users. */
export class DeviceObject extends IommufdObject {
  readonly context: Context
  readonly device: Device
  readonly igroup: Igroup

  constructor(context: Context, device: Device, igroup: Igroup) {
    super(OBJECT_DEVICE)
    this.context = context
    this.device = device
    this.igroup = igroup
  }

  /** Unbinding: gives the DMA back. */
  destroy(): void {
    putIgroup(this.igroup)
    deviceReleaseDmaOwner(this.device)
  }
}

/**
 * Linux's iommufd_device_bind: EINVAL (not cache coherent), ENODEV (no group), EPERM and EBUSY (DMA owned).
 * The caller holds the context's file until it unbinds.
 */
export function deviceBind(context: Context, device: Device): DeviceObject {
  const { driver, group } = device
  if (group === undefined || driver === undefined) throw ENODEV
  if (!driver.capable(device, CAP_CACHE_COHERENCY)) throw EINVAL
  if (context.world.failpoints.hit('alloc_igroup')) throw ENOMEM
  deviceClaimDmaOwner(device, context)
  const igroup = getIgroup(context, group)
  const object = new DeviceObject(context, device, igroup)
  if (context.world.failpoints.hit('alloc_device')) {
    object.destroy()
    throw ENOMEM
  }
  context.objects.draft(object)
  object.users++
  context.objects.finalize(object)
  return object
}

/** Linux's iommufd_device_unbind: everything is detached already. */
export function deviceUnbind(object: DeviceObject): void {
  object.context.objects.putAndDestroy(object)
}

/** ENOENT. */
export function getDevice(context: Context, id: number): DeviceObject {
  const object = context.objects.find(id)
  if (!(object instanceof DeviceObject)) throw ENOENT
  return object
}
