// SPDX-License-Identifier: MIT
import { ENOTTY } from '../../base/errno.ts'
import type { Caller } from '../files.ts'
import type { Context } from '../objects/context.ts'

/** The ioctls of a VFIO container on /dev/iommu (`spec/02` §10), by the full number. ENOTTY for every other. */
export function vfioCompatIoctl(
  _context: Context,
  _caller: Caller,
  _number: number,
  _addressHi: number,
  _addressLo: number,
): number {
  throw ENOTTY
}
