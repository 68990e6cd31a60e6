// SPDX-License-Identifier: MIT
import { ENOENT } from '../../base/errno.ts'
import type { Context } from './context.ts'
import { DeviceObject } from './device/device.ts'
import { FaultObject } from './fault/fault-queue.ts'
import type { IoasObject } from './ioas/ioas.ts'
import { type IommufdObject, OBJECT_IOAS } from './object-table.ts'

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
  const object = context.objects.find(id)
  if (!(object instanceof DeviceObject)) throw ENOENT
  return object
}

export function findFault(context: Context, id: number): FaultObject | undefined {
  const object = context.objects.find(id)
  return object instanceof FaultObject ? object : undefined
}

/** ENOENT. */
export function getFault(context: Context, id: number): FaultObject {
  const object = findFault(context, id)
  if (object === undefined) throw ENOENT
  return object
}
