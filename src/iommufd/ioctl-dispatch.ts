// SPDX-License-Identifier: MIT
import { E2BIG, EINVAL } from '../base/errno.ts'
import { IOMMU_DESTROY, IOMMU_TEST_CMD } from './abi/index.ts'
import { IOCTLS, unbuiltIoctl } from './ioctl-table.ts'
import type { Context } from './objects/context.ts'
import type { Caller } from './files.ts'
import type { UserMemory } from './user-memory.ts'

/** Size of the longest struct of the table and of the steps in which a longer one is looked through. */
const SCRATCH_BYTES = 256
/** Low bytes of the numbers that the table spans; others are not even looked at. */
const NUMBER_FIRST = IOMMU_DESTROY & 0xff
const NUMBER_LAST = IOMMU_TEST_CMD & 0xff
const PAGE_MASK = 4095

/** A struct in the caller's memory. */
class Argument {
  readonly memory: UserMemory
  readonly #hi: number
  readonly #lo: number

  constructor(memory: UserMemory, hi: number, lo: number) {
    this.memory = memory
    this.#hi = hi
    this.#lo = lo
  }

  /** Bytes from `offset` to the end of their page. */
  bytesInPage(offset: number): number {
    return PAGE_MASK + 1 - ((this.#lo + offset) & PAGE_MASK)
  }

  copyIn(offset: number, into: Uint8Array, length: number): void {
    this.memory.copyIn(this.#hiAt(offset), (this.#lo + offset) | 0, into, 0, length)
  }

  copyOut(from: Uint8Array, length: number): void {
    this.memory.copyOut(this.#hi, this.#lo, from, 0, length)
  }

  #hiAt(offset: number): number {
    return (this.#hi + ((this.#lo >>> 0) + offset > 0xffffffff ? 1 : 0)) | 0
  }
}

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
  if ((number & 0xff) < NUMBER_FIRST || (number & 0xff) > NUMBER_LAST) return unbuiltIoctl(context, number)
  const argument = new Argument(caller.memory, addressHi, addressLo)
  const scratch = new Uint8Array(SCRATCH_BYTES)
  const view = new DataView(scratch.buffer)
  argument.copyIn(0, scratch, 4)
  const sizeBytes = view.getUint32(0, true)
  const row = IOCTLS.get(number)
  if (row === undefined) return unbuiltIoctl(context, number)
  if (sizeBytes < row.minBytes) throw EINVAL
  copyStructIn(argument, sizeBytes, row.structBytes, scratch)
  row.execute(view, context, caller, (command) => {
    command.encode(view, 0)
    argument.copyOut(scratch, Math.min(sizeBytes, row.structBytes))
  })
  return 0
}

/** The kernel's struct: the caller's bytes, the rest zero. E2BIG, EFAULT. */
function copyStructIn(argument: Argument, sizeBytes: number, structBytes: number, scratch: Uint8Array): void {
  for (let at = structBytes; at < sizeBytes; ) {
    const length = Math.min(sizeBytes - at, scratch.length, argument.bytesInPage(at))
    argument.copyIn(at, scratch, length)
    for (let i = 0; i < length; i++) if (scratch[i] !== 0) throw E2BIG
    at += length
  }
  scratch.fill(0)
  argument.copyIn(0, scratch, Math.min(sizeBytes, structBytes))
}
