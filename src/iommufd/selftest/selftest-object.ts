// SPDX-License-Identifier: MIT
import { ENOENT } from '../../base/errno.ts'
import type { Device } from '../../kernel/iommu/device.ts'
import type { Context } from '../objects/context.ts'
import { deviceDetach } from '../objects/device/attachment.ts'
import { deviceBind, deviceUnbind } from '../objects/device/device-bind.ts'
import type { DeviceObject } from '../objects/device/device.ts'
import { IommufdObject, OBJECT_SELFTEST } from '../objects/object-table.ts'
import { portOf } from './port.ts'

/** A mock device with its binding: what an ordinary driver of a device holds. */
export class SelftestObject extends IommufdObject {
  readonly #context: Context
  #mock: Device | undefined = undefined
  #device: DeviceObject | undefined = undefined

  constructor(context: Context) {
    super(OBJECT_SELFTEST)
    this.#context = context
  }

  /** Makes and binds the device. EINVAL (flags), ENOMEM: `abort` takes back what is there. */
  start(flags: number): DeviceObject {
    this.#mock = portOf(this.#context).iommu.createDevice(flags)
    this.#device = deviceBind(this.#context, this.#mock)
    return this.#device
  }

  /** Of a finished object. */
  get device(): DeviceObject {
    return this.#device!
  }

  /** PASIDs that are still attached go first: Linux 7.2 frees the device under them. */
  destroy(): void {
    const context = this.#context
    const device = this.#device
    if (device !== undefined) {
      const pasids = [...device.igroup.attachments.keys()].sort((a, b) => b - a)
      for (const pasid of pasids) deviceDetach({ context, device, pasid })
      deviceUnbind(context, device)
    }
    if (this.#mock !== undefined) portOf(context).iommu.destroyDevice(this.#mock)
  }
}

/** ENOENT. */
export function getSelftest(context: Context, id: number): SelftestObject {
  const object = context.objects.find(id)
  if (!(object instanceof SelftestObject)) throw ENOENT
  return object
}
