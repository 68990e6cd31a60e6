// SPDX-License-Identifier: MIT
import { ENOENT } from '../../base/errno.ts'
import type { Context } from './context.ts'
import { DeviceObject } from './device.ts'
import { FaultObject } from './fault-queue.ts'
import { IoasObject } from './ioas.ts'

/** Objects by id and type: a wrong type is as absent as a free id (`spec/02` §1). */

/** ENOENT. */
export function getIoas(context: Context, id: number): IoasObject {
  const object = context.objects.find(id)
  if (!(object instanceof IoasObject)) throw ENOENT
  return object
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
