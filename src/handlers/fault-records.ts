// SPDX-License-Identifier: MIT
import { HwptPageResponse, HwptPgfault } from '../iommufd/abi/index.ts'

const RECORD_BYTES = HwptPgfault.SIZE
const RECORD_WORDS = RECORD_BYTES / 4
const RESPONSE_BYTES = HwptPageResponse.SIZE
const RESPONSE_WORDS = RESPONSE_BYTES / 4

/**
 * A buffer of 40-byte fault records as read(2) fills it, looked at without decoding each into an object. Word numbers
 * are those of `struct iommu_hwpt_pgfault` (`spec/03` §3.1); little-endian, as the ABI is.
 */
export class FaultRecords {
  bytes: Uint8Array
  #words: Int32Array

  constructor(records: number) {
    this.bytes = new Uint8Array(records * RECORD_BYTES)
    this.#words = new Int32Array(this.bytes.buffer)
  }

  get capacity(): number {
    return this.bytes.length / RECORD_BYTES
  }

  /** Twice as many records; what was read is lost. For a group that did not fit. */
  grow(): void {
    this.bytes = new Uint8Array(this.bytes.length * 2)
    this.#words = new Int32Array(this.bytes.buffer)
  }

  deviceId(index: number): number {
    return this.#words[(index * RECORD_WORDS + 1) | 0]!
  }
  pasid(index: number): number {
    return this.#words[(index * RECORD_WORDS + 2) | 0]!
  }
  perm(index: number): number {
    return this.#words[(index * RECORD_WORDS + 4) | 0]!
  }
  addressLo(index: number): number {
    return this.#words[(index * RECORD_WORDS + 6) | 0]!
  }
  addressHi(index: number): number {
    return this.#words[(index * RECORD_WORDS + 7) | 0]!
  }
  cookie(index: number): number {
    return this.#words[(index * RECORD_WORDS + 9) | 0]!
  }
}

/** A buffer of 8-byte answers for write(2). */
export class Responses {
  readonly bytes: Uint8Array
  readonly #words: Int32Array
  count: number

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity * RESPONSE_BYTES)
    this.#words = new Int32Array(this.bytes.buffer)
    this.count = 0
  }

  push(cookie: number, code: number): void {
    const words = this.#words
    const at = (this.count * RESPONSE_WORDS) | 0
    words[at] = cookie
    words[at + 1] = code
    this.count++
  }

  /** Drops the first `count` answers. */
  drop(count: number): void {
    if (count < this.count) this.#words.copyWithin(0, count * RESPONSE_WORDS, this.count * RESPONSE_WORDS)
    this.count -= count
  }

  cookieOf(index: number): number {
    return this.#words[index * RESPONSE_WORDS]!
  }
}
