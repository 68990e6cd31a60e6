// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { EINVAL, ENOENT, ENOMEM } from '../../../base/errno.ts'
import { PAGE_BYTES } from '../../../base/u64.ts'
import type { Caller } from '../../files.ts'
import type { Context } from '../context.ts'
import type { IoasAccess, IoasObject } from '../ioas/ioas.ts'
import { getIoas } from '../lookup.ts'
import { IommufdObject, OBJECT_ACCESS } from '../object-table.ts'
import { pinRange, unpinRange } from './access-pin.ts'
import { rwRange } from './access-rw.ts'

export {
  ACCESS_RW_KTHREAD,
  ACCESS_RW_READ,
  ACCESS_RW_SLOW_PATH,
  ACCESS_RW_WRITE,
} from './access-flags.ts'

/** What the owner of an access does for it. */
export interface AccessOps {
  /** It may pin; the IOAS's alignment is then at least a page. */
  readonly needsPinPages: boolean
  /** Its pins in the range must be gone when this returns. */
  unmap(hi: number, lo: number, lengthHi: number, lengthLo: number): void
}

/**
 * Access of the kernel itself to the memory of an IOAS: mediated devices, the mock, hardware queues (`spec/02` §4). Holds
 * the IOAS while attached. `users`: one is its owner's.
 */
export class AccessObject extends IommufdObject implements IoasAccess {
  readonly alignment: number
  readonly context: Context
  readonly #ops: AccessOps
  /** What it pins and reads; absent while it changes. */
  #ioas: IoasObject | undefined = undefined
  /** What it unpins: the old IOAS until its owner has given up the pins there. */
  #pinned: IoasObject | undefined = undefined
  #place = 0

  constructor(context: Context, ops: AccessOps) {
    super(OBJECT_ACCESS)
    this.context = context
    this.#ops = ops
    this.alignment = ops.needsPinPages ? PAGE_BYTES : 1
  }

  get ioas(): IoasObject | undefined {
    return this.#ioas
  }

  destroy(): void {
    if (this.#pinned !== undefined) this.detach()
  }

  /** EINVAL: it is attached; ENOENT; EADDRINUSE: an area does not fit its alignment. */
  attach(ioasId: number): void {
    if (this.#pinned !== undefined) throw EINVAL
    this.attachTo(getIoas(this.context, ioasId))
  }

  /** EADDRINUSE. */
  attachTo(ioas: IoasObject): void {
    this.#place = ioas.addAccess(this)
    ioas.users++
    this.#ioas = this.#pinned = ioas
  }

  /** ENOENT: not attached, or no such IOAS; EADDRINUSE: nothing has changed. The same IOAS: nothing happens. */
  replace(ioasId: number): void {
    const old = this.#pinned
    if (old === undefined) throw ENOENT
    const ioas = getIoas(this.context, ioasId)
    if (ioas === old) return
    const place = ioas.addAccess(this)
    ioas.users++
    this.#leave(old)
    this.#place = place
    this.#ioas = this.#pinned = ioas
  }

  detach(): void {
    assert(this.#pinned !== undefined, `access ${this.id} is not attached`)
    this.#leave(this.#pinned)
  }

  /**
   * Pins the pages of a range; their frames go into `frames`. `flags`: ACCESS_RW_WRITE. EINVAL, EOVERFLOW, ENOENT (not
   * attached, a hole), EPERM, EFAULT, ENOMEM; all or nothing (`spec/02` §4, §12).
   */
  pinPages(
    hi: number,
    lo: number,
    lengthHi: number,
    lengthLo: number,
    flags: number,
    frames: Int32Array,
  ): void {
    if (this.context.world.failpoints.hit('alloc_access_pins')) throw ENOMEM
    pinRange(this.#ioas, { hi, lo, lengthHi, lengthLo }, { flags, locks: false }, frames)
  }

  /** A range that was pinned just so. */
  unpinPages(hi: number, lo: number, lengthHi: number, lengthLo: number): void {
    assert(this.#pinned !== undefined, `access ${this.id} unpins and is not attached`)
    unpinRange(this.#pinned, { hi, lo, lengthHi, lengthLo }, false)
  }

  /**
   * Reads into `bytes`, or writes them with ACCESS_RW_WRITE. `caller`: whose step it is; `undefined`: a kernel thread's.
   * EINVAL, EOVERFLOW, ENOENT (not attached, a hole), EPERM, EFAULT; what lies before a failing area has been done.
   */
  rw(hi: number, lo: number, bytes: Uint8Array, flags: number, caller: Caller | undefined): void {
    rwRange(this.#ioas, { hi, lo, bytes }, flags, caller)
  }

  notifyUnmap(hi: number, lo: number, lengthHi: number, lengthLo: number): void {
    this.#ops.unmap(hi, lo, lengthHi, lengthLo)
  }

  /** No new pins, then those that there are go, then the IOAS. */
  #leave(ioas: IoasObject): void {
    this.#ioas = undefined
    this.#ops.unmap(0, 0, -1, -1)
    this.#pinned = undefined
    ioas.removeAccess(this.#place)
    ioas.users--
  }
}

/** One that keeps the context's file open, as every owner outside of iommufd does. */
class ExternalAccess extends AccessObject {
  constructor(context: Context, ops: AccessOps) {
    super(context, ops)
    context.file.get()
  }

  /** The file last: that may be the end of the context. */
  override destroy(): void {
    super.destroy()
    this.context.file.put()
  }
}

/** Linux's iommufd_access_create: not attached yet. ENOMEM, ENOSPC. */
export function createAccess(context: Context, ops: AccessOps): AccessObject {
  return finishAccess(context, () => new ExternalAccess(context, ops))
}

/** An access with an id and a user, its owner. ENOMEM, ENOSPC. */
export function finishAccess(context: Context, make: () => AccessObject): AccessObject {
  if (context.world.failpoints.hit('alloc_access')) throw ENOMEM
  const access = context.objects.draft(make())
  access.users++
  context.objects.finalize(access)
  return access
}

/** Linux's iommufd_access_destroy: detaches it first. */
export function destroyAccess(access: AccessObject): void {
  access.context.objects.putAndDestroy(access)
}
