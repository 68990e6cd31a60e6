// SPDX-License-Identifier: MIT
import * as messages from '../pci/messages.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { ACCESS_PRIV, ACCESS_WRITE } = messages

/** Shift that stands for the whole address space. */
const RANGE_ALL = 64

/** Int32 of one entry: address bits 31:12 with VALID and the granted ACCESS_ bits below, bits 63:32, domain, frame. */
const STRIDE = 4
const PAGE_MASK = ~0xfff
const VALID = 16
const WAYS = 4
const SET_WORDS = STRIDE * WAYS

/**
 * Translations of 4 KiB pages by domain (what that is, the unit says: an int32), 4-way set-associative, one set in 64 bytes. Entries stay until software
 * invalidates them: after it took a mapping away and before it gives the frame to somebody else.
 */
export class Iotlb {
  /** Of the entry that `find` returned. */
  readonly words: Int32Array
  readonly #setMask: number
  /** Way of each set that the next entry takes, modulo 4. */
  readonly #victims: Uint8Array
  /** Word of the last hit in its set. Neighbours tend to lie in the same way of their sets: it is tried first. */
  #way: number

  /** `entries`: a power of two, at least 4. */
  constructor(entries: number) {
    this.words = new Int32Array(entries * STRIDE)
    this.#setMask = entries / WAYS - 1
    this.#victims = new Uint8Array(entries / WAYS)
    this.#way = 0
  }

  /** First word of the entry that grants `access` to the page at the same privilege, -1 when there is none. */
  find(domain: number, hi: number, lo: number, access: number): number {
    const { words } = this
    const base = this.#setOf(domain, hi, lo) * SET_WORDS
    const mask = PAGE_MASK | VALID | ACCESS_PRIV | access
    const wanted = (lo & PAGE_MASK) | VALID | access
    const near = base + this.#way
    if ((words[near]! & mask) === wanted && words[near + 1] === hi && words[near + 2] === domain) return near
    for (let at = base; at < base + SET_WORDS; at += STRIDE) {
      if ((words[at]! & mask) !== wanted || words[at + 1] !== hi || words[at + 2] !== domain) continue
      this.#way = at - base
      return at
    }
    return -1
  }

  /** After a `find` in vain. */
  insert(domain: number, hi: number, lo: number, frame: number, access: number): void {
    const { words } = this
    const set = this.#setOf(domain, hi, lo)
    const own =
      (access & (ACCESS_WRITE | ACCESS_PRIV)) === 0 ? -1 : this.#entryOf(set * SET_WORDS, domain, hi, lo)
    const at = own >= 0 ? own : (set * WAYS + (this.#victims[set]!++ & (WAYS - 1))) * STRIDE
    words[at] = (lo & PAGE_MASK) | VALID | access
    words[at + 1] = hi
    words[at + 2] = domain
    words[at + 3] = frame
  }

  /** Drops the pages of a domain in 2^shift bytes at the naturally aligned address; `domain` -1: of all domains. */
  invalidate(domain: number, hi: number, lo: number, shift: number): void {
    if (shift === 12 && domain >= 0) {
      this.#drop(domain, hi, lo & PAGE_MASK)
      return
    }
    if (domain >= 0 && shift < 32 && 1 << (shift - 12) <= this.#setMask + 1) {
      const first = lo & -(1 << shift)
      for (let i = 0; i < 1 << (shift - 12); i++) this.#drop(domain, hi, (first + (i << 12)) | 0)
      return
    }
    this.invalidateMatching(domain, domain < 0 ? 0 : -1, hi, lo, shift)
  }

  /** The same for every domain that agrees with `domain` in the bits of the mask. */
  invalidateMatching(domain: number, domainMask: number, hi: number, lo: number, shift: number): void {
    const maskHi = shift >= RANGE_ALL ? 0 : shift > 32 ? -1 << (shift - 32) : -1
    const maskLo = shift >= 32 ? 0 : -1 << shift
    for (let at = 0; at < this.words.length; at += STRIDE) {
      const { words } = this
      if (((words[at + 2]! ^ domain) & domainMask) !== 0) continue
      if (((words[at]! ^ lo) & maskLo & PAGE_MASK) === 0 && ((words[at + 1]! ^ hi) & maskHi) === 0)
        words[at] = 0
    }
  }

  get used(): number {
    let count = 0
    for (let at = 0; at < this.words.length; at += STRIDE) if ((this.words[at]! & VALID) !== 0) count++
    return count
  }

  #drop(domain: number, hi: number, lo: number): void {
    const { words } = this
    const base = this.#setOf(domain, hi, lo) * SET_WORDS
    for (let at = base; at < base + SET_WORDS; at += STRIDE) {
      if ((words[at]! & PAGE_MASK) === lo && words[at + 1] === hi && words[at + 2] === domain) words[at] = 0
    }
  }

  /** The page's own entry in the set, which granted less; a plain read that found nothing has none. */
  #entryOf(base: number, domain: number, hi: number, lo: number): number {
    const { words } = this
    const page = lo & PAGE_MASK
    for (let at = base; at < base + SET_WORDS; at += STRIDE) {
      if ((words[at]! & PAGE_MASK) === page && words[at + 1] === hi && words[at + 2] === domain) return at
    }
    return -1
  }

  #setOf(domain: number, hi: number, lo: number): number {
    return ((lo >>> 12) ^ hi ^ Math.imul(domain, 0x9e3b)) & this.#setMask
  }
}
