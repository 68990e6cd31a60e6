// SPDX-License-Identifier: MIT
import { EFAULT } from '../../base/errno.ts'
import type { AddressSpace, UserMemory } from '../user-memory.ts'
import type { Caller, FdTable, UserAccount } from '../files.ts'

/** Where the bytes of a typed call lie: not at 0, which means that there are none. */
export const BYTES_ADDRESS = 0x1000

/** The bytes of one typed call as memory that a command can point to. */
class BytesMemory implements UserMemory {
  copied = 0
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  copyIn(hi: number, lo: number, into: Uint8Array, offset: number, length: number): void {
    const at = this.#place(hi, lo, length)
    into.set(this.#bytes.subarray(at, at + length), offset)
  }

  copyOut(hi: number, lo: number, from: Uint8Array, offset: number, length: number): void {
    this.#bytes.set(from.subarray(offset, offset + length), this.#place(hi, lo, length))
  }

  #place(hi: number, lo: number, length: number): number {
    const at = (lo >>> 0) - BYTES_ADDRESS
    this.copied = 0
    if (hi !== 0 || at < 0 || at + length > this.#bytes.length) throw EFAULT
    this.copied = length
    return at
  }
}

/** A caller whose commands point to bytes of ours instead of its own memory. */
export class BytesCaller implements Caller {
  readonly mm: AddressSpace
  readonly memory: UserMemory
  readonly files: FdTable
  readonly user: UserAccount
  readonly capIpcLock: boolean
  readonly capSysResource: boolean
  readonly memlockBytes: number
  readonly exited: boolean

  constructor(caller: Caller, bytes: Uint8Array) {
    this.mm = caller.mm
    this.memory = new BytesMemory(bytes)
    this.files = caller.files
    this.user = caller.user
    this.capIpcLock = caller.capIpcLock
    this.capSysResource = caller.capSysResource
    this.memlockBytes = caller.memlockBytes
    this.exited = caller.exited
  }
}
