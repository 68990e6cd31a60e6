// SPDX-License-Identifier: MIT
import { E2BIG, EINVAL } from '../base/errno.ts'
import type { IoctlCall } from './ioctl-entry.ts'
import { findRow, isInTable, unbuiltIoctl } from './ioctl-table.ts'
import type { Context } from './objects/context.ts'
import type { Caller } from './files.ts'
import type { UserMemory } from './user-memory.ts'
import { vfioCompatIoctl } from './vfio-compat/vfio-compat.ts'

/** Size of the longest struct of the table and of the steps in which a longer one is looked through. */
const SCRATCH_BYTES = 256
const PAGE_BYTES = 4096
const PAGE_MASK = PAGE_BYTES - 1

/** A struct in the caller's memory and the kernel's copy of it, used again for the next call. */
class Call implements IoctlCall {
  readonly view: DataView
  readonly #scratch: Uint8Array
  #memory: UserMemory | undefined = undefined
  #hi = 0
  #lo = 0
  /** The caller's size, no more than the kernel's struct. */
  #answerBytes = 0

  constructor() {
    this.#scratch = new Uint8Array(SCRATCH_BYTES)
    this.view = new DataView(this.#scratch.buffer)
  }

  open(memory: UserMemory, hi: number, lo: number): void {
    this.#memory = memory
    this.#hi = hi
    this.#lo = lo
  }

  close(): void {
    this.#memory = undefined
  }

  /** The struct's first word: its size as the caller says. EFAULT. */
  readSize(): number {
    this.#memory!.copyIn(this.#hi, this.#lo, this.#scratch, 0, 4)
    return this.view.getInt32(0, true) >>> 0
  }

  /** The kernel's struct: the caller's bytes, the rest zero. E2BIG, EFAULT. */
  copyStructIn(sizeBytes: number, structBytes: number): void {
    for (let at = structBytes; at < sizeBytes; ) at = this.#checkZero(at, sizeBytes)
    const length = Math.min(sizeBytes, structBytes)
    this.#scratch.fill(0, length, structBytes)
    this.#memory!.copyIn(this.#hi, this.#lo, this.#scratch, 0, length)
    this.#answerBytes = length
  }

  copyOut(from: number, to: number): void {
    const length = Math.min(to, this.#answerBytes) - from
    if (length > 0)
      this.#memory!.copyOut(this.#hiAt(from), (this.#lo + from) | 0, this.#scratch, from, length)
  }

  /** Looks at the tail from `at` to the end of the page, the scratch or the tail. Returns where it stopped. */
  #checkZero(at: number, end: number): number {
    const lo = (this.#lo + at) | 0
    const length = Math.min(end - at, SCRATCH_BYTES, PAGE_BYTES - (lo & PAGE_MASK))
    this.#memory!.copyIn(this.#hiAt(at), lo, this.#scratch, 0, length)
    for (let i = 0; i < length; i++) if (this.#scratch[i] !== 0) throw E2BIG
    return at + length
  }

  #hiAt(offset: number): number {
    return (this.#hi + ((this.#lo >>> 0) + offset > 0xffffffff ? 1 : 0)) | 0
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
  number: number,
  addressHi: number,
  addressLo: number,
): number {
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
