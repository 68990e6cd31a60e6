// SPDX-License-Identifier: MIT
import { HwptPageResponse, HwptPgfault } from '../iommufd/abi/index.ts'

const RECORD_WORDS = HwptPgfault.SIZE / 4
const RESPONSE_WORDS = HwptPageResponse.SIZE / 4

/**
 * A buffer of 40-byte fault records as read(2) fills it, looked at without decoding each into an object. Word numbers
 * are those of `struct iommu_hwpt_pgfault` (`spec/03` §3.1); little-endian, as the ABI is.
 */
export class FaultRecords {
  bytes: Uint8Array
  #words: Int32Array

  constructor(records: number) {
    this.bytes = new Uint8Array(records * HwptPgfault.SIZE)
    this.#words = new Int32Array(this.bytes.buffer)
  }

  get capacity(): number {
    return this.bytes.length / HwptPgfault.SIZE
  }

  /** Twice as many records; what was read is lost. For a group that did not fit. */
  grow(): void {
    this.bytes = new Uint8Array(this.bytes.length * 2)
    this.#words = new Int32Array(this.bytes.buffer)
  }

  deviceId(index: number): number {
    return this.#words[index * RECORD_WORDS + 1]!
  }
  pasid(index: number): number {
    return this.#words[index * RECORD_WORDS + 2]!
  }
  perm(index: number): number {
    return this.#words[index * RECORD_WORDS + 4]!
  }
  addressLo(index: number): number {
    return this.#words[index * RECORD_WORDS + 6]!
  }
  addressHi(index: number): number {
    return this.#words[index * RECORD_WORDS + 7]!
  }
  cookie(index: number): number {
    return this.#words[index * RECORD_WORDS + 9]!
  }
}

/** A buffer of 8-byte answers for write(2). */
export class Responses {
  readonly bytes: Uint8Array
  readonly #words: Int32Array
  count: number

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity * HwptPageResponse.SIZE)
    this.#words = new Int32Array(this.bytes.buffer)
    this.count = 0
  }

  push(cookie: number, code: number): void {
    this.#words[this.count * RESPONSE_WORDS] = cookie
    this.#words[this.count * RESPONSE_WORDS + 1] = code
    this.count++
  }

  /** Drops the first `count` answers. */
  drop(count: number): void {
    this.#words.copyWithin(0, count * RESPONSE_WORDS, this.count * RESPONSE_WORDS)
    this.count -= count
  }

  cookieOf(index: number): number {
    return this.#words[index * RESPONSE_WORDS]!
  }
}
