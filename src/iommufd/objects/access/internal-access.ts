// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import type { Context } from '../context.ts'
import type { IoasObject } from '../ioas/ioas.ts'
import { AccessObject, type AccessOps, finishAccess } from './access.ts'
import { ACCESS_RW_READ } from './access-flags.ts'
import { pinRange, unpinRange } from './access-pin.ts'

/** Its owner gives nothing up: the areas it pins are locked. */
const OPS: AccessOps = { needsPinPages: true, unmap: () => undefined }

/**
 * The access of a hardware queue, attached: an id of its own, the IOAS's alignment becomes a page (`spec/02` §12). Does not
 * hold the context. ENOMEM, ENOSPC, EADDRINUSE. `destroyAccess` ends it.
 */
export function createInternalAccess(context: Context, ioas: IoasObject): AccessObject {
  const access = finishAccess(context, () => new AccessObject(context, OPS))
  try {
    access.attachTo(ioas)
  } catch (thrown) {
    context.objects.putAndDestroy(access)
    throw thrown
  }
  return access
}

/** Pins for reading, as `pinPages`, and the areas cannot be unmapped until `unlockPages`. */
export function lockPages(
  access: AccessObject,
  hi: number,
  lo: number,
  lengthHi: number,
  lengthLo: number,
  frames: Int32Array | number[],
): void {
  const range = { hi, lo, lengthHi, lengthLo }
  pinRange(access.ioas, range, { flags: ACCESS_RW_READ, locks: true }, frames)
}

export function unlockPages(
  access: AccessObject,
  hi: number,
  lo: number,
  lengthHi: number,
  lengthLo: number,
): void {
  assert(access.ioas !== undefined, `access ${access.id} unlocks and is not attached`)
  unpinRange(access.ioas, { hi, lo, lengthHi, lengthLo }, true)
}
