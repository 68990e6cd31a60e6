// SPDX-License-Identifier: MIT
import { ENODEV } from '../base/errno.ts'
import { OpenFile } from './files.ts'
import { deviceDetach } from './objects/device/attachment.ts'
import type { Context } from './objects/context.ts'
import type { DeviceObject } from './objects/device/device.ts'
import { deviceBind, deviceUnbind } from './objects/device/device-bind.ts'
import type { Caller } from './files.ts'

/** A device's file, bound to a context: what holds the device until its last close. */
class DeviceFile extends OpenFile {
  readonly #context: Context
  readonly #object: DeviceObject

  constructor(context: Context, object: DeviceObject) {
    super(`/dev/vfio/devices/${object.device.name}`)
    this.#context = context
    this.#object = object
    context.file.get()
  }

  /** Detaches all PASIDs, then the RID, then unbinds (`spec/03` §6.2). */
  protected override release(): void {
    const device = this.#object
    const context = this.#context
    const pasids = [...device.igroup.attachments.keys()].sort((a, b) => b - a)
    for (const pasid of pasids) deviceDetach({ context, device, pasid })
    deviceUnbind(context, device)
    context.file.put()
  }
}

/** Opens a device and binds it. ENODEV: no such device; the errors of `deviceBind`; EMFILE. */
export function openDeviceFile(
  context: Context,
  caller: Caller,
  name: string,
): { fd: number; object: DeviceObject } {
  const device = context.devices.find(name)
  if (device === undefined) throw ENODEV
  const fd = caller.files.reserve(false)
  try {
    const object = deviceBind(context, device)
    caller.files.install(fd, new DeviceFile(context, object))
    return { fd, object }
  } catch (thrown) {
    caller.files.unreserve(fd)
    throw thrown
  }
}
