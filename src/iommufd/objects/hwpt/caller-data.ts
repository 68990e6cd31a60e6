// SPDX-License-Identifier: MIT
import { E2BIG, EFAULT, EINVAL } from '../../../base/errno.ts'
import type { UserArray, UserData } from '../../../kernel/iommu/user-data.ts'
import type { UserMemory } from '../../user-memory.ts'

/** Where a caller's data lies: at the 64-bit address `hi`, `lo`. */
interface Place {
  readonly memory: UserMemory
  readonly hi: number
  readonly lo: number
}

/** `length` bytes at `offset` from the place, into the start of `into`. EFAULT. */
function copyAt(place: Place, offset: number, into: Uint8Array, at: number, length: number): void {
  const lo = (place.lo >>> 0) + offset
  const hi = (place.hi >>> 0) + Math.floor(lo / 4294967296)
  if (hi > 0xffffffff) throw EFAULT
  place.memory.copyIn(hi | 0, lo | 0, into, at, length)
}

/** What a command's `data_len` and `data_uptr` say; `type`: what it says of the data's meaning. */
export class CallerData implements UserData {
  readonly type: number
  readonly lengthBytes: number
  readonly #place: Place

  constructor(
    memory: UserMemory,
    command: {
      readonly data_len: number
      readonly data_uptr_hi: number
      readonly data_uptr_lo: number
    },
    type: number,
  ) {
    this.type = type | 0
    this.lengthBytes = command.data_len >>> 0
    this.#place = { memory, hi: command.data_uptr_hi, lo: command.data_uptr_lo }
  }

  copyStruct(type: number, minBytes: number, structBytes: number): Uint8Array {
    const { lengthBytes } = this
    if (this.type !== type || lengthBytes < minBytes || lengthBytes > structBytes) throw EINVAL
    const data = new Uint8Array(structBytes)
    copyAt(this.#place, 0, data, 0, lengthBytes)
    return data
  }

  copyBack(bytes: Uint8Array): void {
    const { memory, hi, lo } = this.#place
    memory.copyOut(hi, lo, bytes, 0, Math.min(bytes.length, this.lengthBytes))
  }
}

/** What IOMMU_HWPT_INVALIDATE is given. */
export class CallerArray implements UserArray {
  readonly type: number
  readonly entryBytes: number
  readonly entryCount: number
  handled: number
  readonly #place: Place

  constructor(
    memory: UserMemory,
    command: {
      readonly data_type: number
      readonly entry_len: number
      readonly entry_num: number
      readonly data_uptr_hi: number
      readonly data_uptr_lo: number
    },
  ) {
    this.type = command.data_type | 0
    this.entryBytes = command.entry_len >>> 0
    this.entryCount = command.entry_num >>> 0
    this.handled = this.entryCount
    this.#place = { memory, hi: command.data_uptr_hi, lo: command.data_uptr_lo }
  }

  copyEntry(index: number, type: number, minBytes: number, structBytes: number): Uint8Array {
    const { entryBytes } = this
    if (this.type !== type || index >= this.entryCount) throw EINVAL
    if (entryBytes < minBytes || entryBytes > structBytes) throw EINVAL
    const data = new Uint8Array(structBytes)
    copyAt(this.#place, index * entryBytes, data, 0, entryBytes)
    return data
  }

  copyAll(type: number, structBytes: number): Uint8Array {
    if (this.type !== type) throw EINVAL
    const all = new Uint8Array(this.entryCount * structBytes)
    if (this.entryBytes === structBytes) copyAt(this.#place, 0, all, 0, all.length)
    else for (let index = 0; index < this.entryCount; index++) this.#copyExtensible(index, structBytes, all)
    return all
  }

  /** `spec/03` §1.1: short ones are continued with zeros, long ones must be zeros from there on. */
  #copyExtensible(index: number, structBytes: number, into: Uint8Array): void {
    const { entryBytes } = this
    const from = index * entryBytes
    const tail = new Uint8Array(Math.max(entryBytes - structBytes, 0))
    copyAt(this.#place, from + structBytes, tail, 0, tail.length)
    if (tail.some((byte) => byte !== 0)) throw E2BIG
    copyAt(this.#place, from, into, index * structBytes, Math.min(entryBytes, structBytes))
  }
}
