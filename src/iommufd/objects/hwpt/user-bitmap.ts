// SPDX-License-Identifier: MIT
import { isErrno } from '../../../base/errno.ts'
import { PAGE_BYTES, toNumber } from '../../../base/u64.ts'
import type { UserMemory } from '../../user-memory.ts'
import { Sum } from '../ioas/span.ts'

/** Bits that the bitmap of a 47-bit address space can have. */
const BITS_MAX: number = 2 ** 50

/**
 * A caller's bitmap of dirty pages: bit n stands for `page_size` bytes from the n-th multiple on. Bits are only ever set.
 * What lies in memory that cannot be written is left out without a word (`spec/02` §7.2).
 */
export class UserBitmap {
  readonly #memory: UserMemory
  readonly #hi: number
  readonly #lo: number
  /** Bits are 2^shift bytes: of a size that is no power of two its lowest bit counts (observed on 7.2.13). */
  readonly #shift: number
  readonly #baseHi: number
  readonly #baseLo: number
  readonly #scratch: Uint8Array = new Uint8Array(PAGE_BYTES)
  readonly #sum: Sum = new Sum()
  /** A run of bits that is not written yet, both included; empty when `#last` is below `#first`. */
  #first = 0
  #last = -1

  constructor(
    memory: UserMemory,
    command: {
      readonly data_hi: number
      readonly data_lo: number
      readonly page_size_hi: number
      readonly page_size_lo: number
      readonly iova_hi: number
      readonly iova_lo: number
    },
  ) {
    this.#memory = memory
    this.#hi = command.data_hi
    this.#lo = command.data_lo
    this.#shift = lowestBit(command.page_size_hi, command.page_size_lo)
    this.#baseHi = command.iova_hi
    this.#baseLo = command.iova_lo
  }

  /** Marks a run of bytes, not below the first of the bitmap. */
  readonly mark = (hi: number, lo: number, lengthBytes: number): void => {
    const sum = this.#sum
    sum.subtract(hi, lo, this.#baseHi, this.#baseLo)
    const offset = toNumber(sum.hi, sum.lo)
    const size = 2 ** this.#shift
    const first = Math.floor(offset / size)
    const last = Math.floor((offset + lengthBytes - 1) / size)
    if (lengthBytes <= 0 || last >= BITS_MAX) return
    if (first > this.#last + 1 || first < this.#first) {
      this.flush()
      this.#first = first
    }
    this.#last = Math.max(this.#last, last)
  }

  /** Writes what was marked. */
  flush(): void {
    for (let bit = this.#first; bit <= this.#last; ) bit = this.#writePage(bit)
    this.#first = 0
    this.#last = -1
  }

  /** Sets the bits from `first` on that lie in one page of the caller's; returns the next one. */
  #writePage(first: number): number {
    const byte = Math.floor(first / 8)
    const lo = (this.#lo >>> 0) + byte
    const hi = ((this.#hi >>> 0) + Math.floor(lo / 4294967296)) | 0
    const room = PAGE_BYTES - (lo % PAGE_BYTES)
    const end = Math.min(this.#last + 1, (byte + room) * 8)
    const length = Math.ceil(end / 8) - byte
    try {
      this.#memory.copyIn(hi, lo | 0, this.#scratch, 0, length)
      setBits(this.#scratch, first - byte * 8, end - byte * 8)
      this.#memory.copyOut(hi, lo | 0, this.#scratch, 0, length)
    } catch (thrown) {
      if (!isErrno(thrown)) throw thrown
    }
    return end
  }
}

/** Sets bits `from` … `end - 1`, lowest bit of a byte first. */
function setBits(bytes: Uint8Array, from: number, end: number): void {
  for (let bit = from; bit < end; ) {
    if ((bit & 7) === 0 && end - bit >= 8) {
      bytes[bit >>> 3] = 0xff
      bit += 8
    } else {
      bytes[bit >>> 3]! |= 1 << (bit & 7)
      bit++
    }
  }
}

function lowestBit(hi: number, lo: number): number {
  const word = lo === 0 ? hi : lo
  return 31 - Math.clz32(word & -word) + (lo === 0 ? 32 : 0)
}
