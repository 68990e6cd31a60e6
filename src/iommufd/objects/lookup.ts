// SPDX-License-Identifier: MIT
import { ENOENT } from '../../base/errno.ts'
import type { Context } from './context.ts'
import { DeviceObject } from './device/device.ts'
import { FaultObject } from './fault/fault-queue.ts'
import { HwptPaging } from './hwpt/hwpt.ts'
import type { IoasObject } from './ioas/ioas.ts'
import { type IommufdObject, OBJECT_IOAS } from './object-table.ts'
import { ViommuObject } from './viommu/viommu.ts'

// An imported constant is a load at each use, one of the module itself is part of the code.
const IOAS = OBJECT_IOAS

/** Objects by id and type: a wrong type is as absent as a free id (`spec/02` §1). */

/** ENOENT. */
export function getIoas(context: Context, id: number): IoasObject {
  const object = context.objects.find(id)
  if (object === undefined || !isIoas(object)) throw ENOENT
  return object
}

function isIoas(object: IommufdObject): object is IoasObject {
  return object.type === IOAS
}

/** ENOENT. */
export function getDevice(context: Context, id: number): DeviceObject {
  return getTyped(context, id, DeviceObject)
}

/** ENOENT. */
export function getFault(context: Context, id: number): FaultObject {
  return getTyped(context, id, FaultObject)
}

/** ENOENT. */
export function getHwptPaging(context: Context, id: number): HwptPaging {
  return getTyped(context, id, HwptPaging)
}

/** ENOENT. */
export function getViommu(context: Context, id: number): ViommuObject {
  return getTyped(context, id, ViommuObject)
}

/** An object of the class. ENOENT. */
export function getTyped<T extends IommufdObject>(
  context: Context,
  id: number,
  type: abstract new (...args: never[]) => T,
): T {
  const object = context.objects.find(id)
  if (!(object instanceof type)) throw ENOENT
  return object
}
