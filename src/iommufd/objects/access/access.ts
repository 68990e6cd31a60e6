// SPDX-License-Identifier: MIT
import { EOPNOTSUPP } from '../../../base/errno.ts'
import type { Caller } from '../../files.ts'
import type { Context } from '../context.ts'
import type { IoasObject } from '../ioas/ioas.ts'
import { IommufdObject, OBJECT_ACCESS } from '../object-table.ts'

/** Flags of `pinPages` and `rw` (`spec/02` §4). */
export const ACCESS_RW_READ = 0
export const ACCESS_RW_WRITE = 1
export const ACCESS_RW_KTHREAD = 2
export const ACCESS_RW_SLOW_PATH = 4

/** What the owner of an access does for it. */
export interface AccessOps {
  /** It may pin; the IOAS's alignment is then at least a page. */
  readonly needsPinPages: boolean
  /** Its pins in the range must be gone when this returns. */
  unmap(hi: number, lo: number, lengthHi: number, lengthLo: number): void
}

/** Access of the kernel itself to the memory of an IOAS: mediated devices, the mock, hardware queues (`spec/02` §4). */
export class AccessObject extends IommufdObject {
  readonly ops: AccessOps
  ioas: IoasObject | undefined = undefined

  constructor(ops: AccessOps) {
    super(OBJECT_ACCESS)
    this.ops = ops
  }

  destroy(): void {}

  /** ENOENT, EADDRINUSE. */
  attach(_ioasId: number): void {
    throw EOPNOTSUPP
  }

  /** ENOENT, EADDRINUSE. */
  replace(_ioasId: number): void {
    throw EOPNOTSUPP
  }

  detach(): void {
    throw EOPNOTSUPP
  }

  /** Frames of the pages from the address on go into `frames`. EINVAL, EOVERFLOW, ENOENT, EPERM, EFAULT, ENOMEM. */
  pinPages(
    _hi: number,
    _lo: number,
    _lengthHi: number,
    _lengthLo: number,
    _flags: number,
    _frames: Int32Array,
  ): void {
    throw EOPNOTSUPP
  }

  /** A range that was pinned just so. */
  unpinPages(_hi: number, _lo: number, _lengthHi: number, _lengthLo: number): void {
    throw EOPNOTSUPP
  }

  /** Reads into `bytes`, or writes them. `caller`: whose step it is; `undefined`: a kernel thread's. */
  rw(_hi: number, _lo: number, _bytes: Uint8Array, _flags: number, _caller: Caller | undefined): void {
    throw EOPNOTSUPP
  }
}

/** An access that holds the context's file, with an id. ENOMEM, ENOSPC. */
export function createAccess(context: Context, ops: AccessOps): AccessObject {
  const access = context.objects.draft(new AccessObject(ops))
  access.users++
  context.objects.finalize(access)
  return access
}

export function destroyAccess(context: Context, access: AccessObject): void {
  context.objects.putAndDestroy(access)
}
