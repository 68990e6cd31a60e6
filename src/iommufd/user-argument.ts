// SPDX-License-Identifier: MIT
import type { UserMemory } from './user-memory.ts'

/** Size of the longest struct and of the steps in which a longer one is looked through. */
export const SCRATCH_BYTES = 256

/** An ioctl's argument: a struct in the caller's memory and the kernel's copy of it, used again for the next call. */
export class UserArgument {
  /** The kernel's copy. */
  readonly bytes: Uint8Array = new Uint8Array(SCRATCH_BYTES)
  readonly view: DataView = new DataView(this.bytes.buffer)
  #memory: UserMemory | undefined = undefined
  #hi = 0
  #lo = 0

  open(memory: UserMemory, hi: number, lo: number): void {
    this.#memory = memory
    this.#hi = hi
    this.#lo = lo
  }

  close(): void {
    this.#memory = undefined
  }

  /** Low int32 of the caller's address of the byte at `offset`. */
  loAt(offset: number): number {
    return (this.#lo + offset) | 0
  }

  hiAt(offset: number): number {
    return (this.#hi + ((this.#lo >>> 0) + offset > 0xffffffff ? 1 : 0)) | 0
  }

  /** Copies from the caller's struct at `offset` to the start of the kernel's. EFAULT. */
  copyIn(offset: number, length: number): void {
    this.#memory!.copyIn(this.hiAt(offset), this.loAt(offset), this.bytes, 0, length)
  }

  /** Copies `length` bytes of the kernel's struct from `from` to `offset` in the caller's. EFAULT. */
  copyOut(offset: number, from: number, length: number): void {
    this.#memory!.copyOut(this.hiAt(offset), this.loAt(offset), this.bytes, from, length)
  }
}

/** Out of use; a second one is only needed while an ioctl runs within an ioctl. */
const spares: UserArgument[] = []

export function openArgument(memory: UserMemory, hi: number, lo: number): UserArgument {
  const argument = spares.pop() ?? new UserArgument()
  argument.open(memory, hi, lo)
  return argument
}

export function closeArgument(argument: UserArgument): void {
  argument.close()
  spares.push(argument)
}
