// SPDX-License-Identifier: MIT
import { E2BIG, EFAULT, EINVAL } from '../base/errno.ts'
import { compareU64 } from '../base/u64.ts'
import type { IoctlCall } from './ioctl-entry.ts'
import { findRow, isInTable, unbuiltIoctl } from './ioctl-table.ts'
import type { Context } from './objects/context.ts'
import type { Caller } from './files.ts'
import { SCRATCH_BYTES, UserArgument } from './user-argument.ts'
import { vfioCompatIoctl } from './vfio-compat/vfio-compat.ts'

const PAGE_BYTES = 4096
const PAGE_MASK = PAGE_BYTES - 1
/** First address that is no user's on x86-64 with 4 levels, less the guard page. */
const USER_END_HI = 0x7fff
const USER_END_LO = 0xfffff000 | 0

/** A struct that says its own size. */
class Call extends UserArgument implements IoctlCall {
  /** The caller's size, no more than the kernel's struct. */
  #answerBytes = 0

  /** The struct's first word: its size as the caller says. EFAULT. */
  readSize(): number {
    this.copyIn(0, 4)
    return this.view.getInt32(0, true) >>> 0
  }

  /** The kernel's struct: the caller's bytes, the rest zero. E2BIG, EFAULT. */
  copyStructIn(sizeBytes: number, structBytes: number): void {
    if (sizeBytes > structBytes) this.#checkTail(structBytes, sizeBytes)
    const length = Math.min(sizeBytes, structBytes)
    this.bytes.fill(0, length, structBytes)
    this.copyIn(0, length)
    this.#answerBytes = length
  }

  answer(from: number, to: number): void {
    const length = Math.min(to, this.#answerBytes) - from
    if (length > 0) this.copyOut(from, from, length)
  }

  /** A tail that leaves the address space is EFAULT before anything of it is read: observed on 7.2.13. */
  #checkTail(from: number, end: number): void {
    const endHi = this.hiAt(end)
    if (compareU64(endHi, this.loAt(end), USER_END_HI, USER_END_LO) > 0) throw EFAULT
    for (let at = from; at < end; ) at = this.#checkZero(at, end)
  }

  /** Looks at the tail from `at` to the end of the page, the scratch or the tail. Returns where it stopped. */
  #checkZero(at: number, end: number): number {
    const length = Math.min(end - at, SCRATCH_BYTES, PAGE_BYTES - (this.loAt(at) & PAGE_MASK))
    this.copyIn(at, length)
    for (let i = 0; i < length; i++) if (this.bytes[i] !== 0) throw E2BIG
    return at + length
  }
}

/** The call of the last ioctl, out of use; another one is only needed while an ioctl runs within an ioctl. */
let spare: Call | undefined = undefined

/**
 * ioctl(2) on /dev/iommu: copies the struct in by the rules of `spec/03` §1.1, runs the command, copies the answer out.
 * Throws EFAULT, ENOTTY, EINVAL (too short), E2BIG (a tail that is not zero), and the command's own.
 */
export function dispatchIoctl(
  context: Context,
  caller: Caller,
  ioctlNumber: number,
  addressHi: number,
  addressLo: number,
): number {
  const number = ioctlNumber >>> 0
  if (!isInTable(number, context.mock !== undefined))
    return vfioCompatIoctl(context, caller, number, addressHi, addressLo)
  const call = spare ?? new Call()
  spare = undefined
  call.open(caller.memory, addressHi, addressLo)
  try {
    return runIoctl(context, caller, number, call)
  } finally {
    call.close()
    spare = call
  }
}

/** `spec/02` §2, steps 2 to 7. */
function runIoctl(context: Context, caller: Caller, number: number, call: Call): number {
  const sizeBytes = call.readSize()
  const row = findRow(number)
  if (row === undefined) return unbuiltIoctl(context, number)
  if (sizeBytes < row.minBytes) throw EINVAL
  call.copyStructIn(sizeBytes, row.structBytes)
  return row.execute(context, caller, call)
}
