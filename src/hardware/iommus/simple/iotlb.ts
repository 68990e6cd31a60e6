// SPDX-License-Identifier: MIT
import { ACCESS_PRIV } from '../../pci/messages.ts'
import { COMMAND_RANGE_ALL } from './layout.ts'

/** Int32 of one entry: address bits 31:12 with the granted ACCESS_ bits below, address bits 63:32, domain, frame. */
const STRIDE = 4
const WAYS = 4
const SET_WORDS = STRIDE * WAYS

/**
 * Translations of 4 KiB pages by domain, 4-way set-associative, one set in 64 bytes. Entries stay until software
 * invalidates them: after it took a mapping away and before it gives the frame to somebody else.
 */
export class Iotlb {
  /** Of the entry that `find` returned. */
  readonly words: Int32Array
  readonly #setMask: number
  #victim: number

  /** `entries`: a power of two, at least 4. */
  constructor(entries: number) {
    this.words = new Int32Array(entries * STRIDE)
    this.#setMask = entries / WAYS - 1
    this.#victim = 0
  }

  /** First word of the entry that grants `access` to the page at the same privilege, -1 when there is none. */
  find(domain: number, hi: number, lo: number, access: number): number {
    const { words } = this
    const base = this.#setOf(domain, hi, lo)
    const page = lo & ~0xfff
    for (let at = base; at < base + SET_WORDS; at += STRIDE) {
      const tag = words[at]!
      if (
        (tag & ~0xfff) === page &&
        words[at + 1] === hi &&
        words[at + 2] === domain &&
        (tag & (access | ACCESS_PRIV)) === access &&
        (tag & 0xfff) !== 0
      )
        return at
    }
    return -1
  }

  insert(domain: number, hi: number, lo: number, frame: number, access: number): void {
    const { words } = this
    const at = this.#slotFor(domain, hi, lo)
    words[at] = (lo & ~0xfff) | access
    words[at + 1] = hi
    words[at + 2] = domain
    words[at + 3] = frame
  }

  /** Drops the pages of a domain in 2^shift bytes at the naturally aligned address; `domain` -1: of all domains. */
  invalidate(domain: number, hi: number, lo: number, shift: number): void {
    if (domain >= 0 && shift < 32 && 1 << (shift - 12) <= this.#setMask + 1) {
      const first = lo & -(1 << shift)
      for (let i = 0; i < 1 << (shift - 12); i++) this.#drop(domain, hi, (first + (i << 12)) | 0)
      return
    }
    const maskHi = shift >= COMMAND_RANGE_ALL ? 0 : shift > 32 ? -1 << (shift - 32) : -1
    const maskLo = shift >= 32 ? 0 : -1 << shift
    for (let at = 0; at < this.words.length; at += STRIDE) {
      const { words } = this
      if (domain >= 0 && words[at + 2] !== domain) continue
      if (((words[at]! ^ lo) & maskLo & ~0xfff) === 0 && ((words[at + 1]! ^ hi) & maskHi) === 0) words[at] = 0
    }
  }

  get used(): number {
    let count = 0
    for (let at = 0; at < this.words.length; at += STRIDE) if ((this.words[at]! & 0xfff) !== 0) count++
    return count
  }

  #drop(domain: number, hi: number, lo: number): void {
    const { words } = this
    const base = this.#setOf(domain, hi, lo)
    for (let at = base; at < base + SET_WORDS; at += STRIDE) {
      if ((words[at]! & ~0xfff) === lo && words[at + 1] === hi && words[at + 2] === domain) words[at] = 0
    }
  }

  /** The page's own entry, else a free one, else the next victim of the set. */
  #slotFor(domain: number, hi: number, lo: number): number {
    const { words } = this
    const base = this.#setOf(domain, hi, lo)
    const page = lo & ~0xfff
    let free = -1
    for (let at = base; at < base + SET_WORDS; at += STRIDE) {
      const tag = words[at]!
      if ((tag & 0xfff) === 0) free = at
      else if ((tag & ~0xfff) === page && words[at + 1] === hi && words[at + 2] === domain) return at
    }
    if (free >= 0) return free
    this.#victim = (this.#victim + STRIDE) & (SET_WORDS - 1)
    return base + this.#victim
  }

  #setOf(domain: number, hi: number, lo: number): number {
    return (((lo >>> 12) ^ hi ^ Math.imul(domain, 0x9e3b)) & this.#setMask) * SET_WORDS
  }
}
