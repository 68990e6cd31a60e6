// SPDX-License-Identifier: MIT
import { EINVAL, ENODEV, ENOMEM } from '../../../base/errno.ts'
import type { Device } from '../../../kernel/iommu/device.ts'
import { CAP_CACHE_COHERENCY } from '../../../kernel/iommu/driver.ts'
import { deviceClaimDmaOwner } from '../../../kernel/iommu/ownership.ts'
import type { Context } from '../context.ts'
import { DeviceObject } from './device.ts'

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
  const object = new DeviceObject(device, context.igroups)
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
export function deviceUnbind(context: Context, object: DeviceObject): void {
  context.objects.putAndDestroy(object)
}
