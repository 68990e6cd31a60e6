// SPDX-License-Identifier: MIT
import { EOPNOTSUPP } from '../../../base/errno.ts'
import type { Context } from '../context.ts'
import type { IoasObject } from '../ioas/ioas.ts'
import type { AccessObject } from './access.ts'

/** The access of a hardware queue: an id of its own, the IOAS's alignment becomes a page (`spec/02` §12). */
export function createInternalAccess(_context: Context, _ioas: IoasObject): AccessObject {
  throw EOPNOTSUPP
}

/** Pins as `pinPages`, and the areas cannot be unmapped until `unlockPages`. */
export function lockPages(
  _access: AccessObject,
  _hi: number,
  _lo: number,
  _lengthHi: number,
  _lengthLo: number,
  _frames: Int32Array,
): void {
  throw EOPNOTSUPP
}

export function unlockPages(
  _access: AccessObject,
  _hi: number,
  _lo: number,
  _lengthHi: number,
  _lengthLo: number,
): void {
  throw EOPNOTSUPP
}
