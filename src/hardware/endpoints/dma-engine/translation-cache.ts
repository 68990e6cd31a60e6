// SPDX-License-Identifier: MIT
import * as messages from '../../pci/messages.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { ACCESS_PRIV } = messages

/** Int32 of one entry: address bits 31:12 with VALID and the granted ACCESS_ bits below, bits 63:32, PASID, frame. */
const STRIDE = 4
const PAGE = 4096
const PAGE_MASK = ~0xfff
const VALID = 16
const WAYS = 4
const SET_WORDS = STRIDE * WAYS

/**
 * The endpoint's translation cache (ATC), 4-way set-associative by (PASID, page). Entries stay until the unit sends
 * an Invalidate Request, which software orders after it took a mapping away and before it reuses the frame.
 */
export class TranslationCache {
  readonly #words: Int32Array
  readonly #setMask: number
  /** Way of each set that the next entry takes, modulo 4. */
  readonly #victims: Uint8Array
  /** The last `find` in vain met the page, with less access. */
  #metPage: boolean

  /** `entries`: a power of two, at least 4. */
  constructor(entries: number) {
    this.#words = new Int32Array(entries * STRIDE)
    this.#setMask = entries / WAYS - 1
    this.#victims = new Uint8Array(entries / WAYS)
    this.#metPage = false
  }

  /** Frame of the page for this access at this privilege, -1 when it is not cached. */
  find(pasid: number, hi: number, lo: number, access: number): number {
    const words = this.#words
    const base = this.#setOf(pasid, hi, lo) * SET_WORDS
    const page = (lo & PAGE_MASK) | VALID
    this.#metPage = false
    for (let at = base; at < base + SET_WORDS; at += STRIDE) {
      const word = words[at]!
      if ((word & (PAGE_MASK | VALID)) !== page || words[at + 1] !== hi || words[at + 2] !== pasid) continue
      if ((word & (ACCESS_PRIV | access)) === access) return words[at + 3]!
      this.#metPage = true
      break
    }
    return -1
  }

  /**
   * Frames of pages `start` … `count` - 1 from the address of page `start` on, into `frames`. Stops at the first that
   * `find` would not find and returns its number. Neighbours tend to lie in the same way of their sets: it is tried first.
   */
  findRun(
    pasid: number,
    firstHi: number,
    firstLo: number,
    access: number,
    frames: Int32Array,
    start: number,
    count: number,
  ): number {
    const words = this.#words
    const mask = PAGE_MASK | VALID | ACCESS_PRIV | access
    let hi = firstHi
    let lo = firstLo
    let way = 0
    for (let i = start; i < count; i++) {
      const base = this.#setOf(pasid, hi, lo) * SET_WORDS
      const wanted = (lo & PAGE_MASK) | VALID | access
      let at = base + way
      if ((words[at]! & mask) !== wanted || words[at + 1] !== hi || words[at + 2] !== pasid) {
        if (this.find(pasid, hi, lo, access) < 0) return i
        at = this.#entryOf(base, pasid, hi, lo)
        way = at - base
      }
      frames[i] = words[at + 3]!
      lo = (lo + PAGE) | 0
      if (lo === 0) hi = (hi + 1) | 0
    }
    return count
  }

  /** After a `find` of the same page in vain. Permissions are added to what the same frame had at the same privilege. */
  insert(pasid: number, hi: number, lo: number, frame: number, access: number): void {
    const words = this.#words
    const set = this.#setOf(pasid, hi, lo)
    const own = this.#metPage ? this.#entryOf(set * SET_WORDS, pasid, hi, lo) : -1
    const at = own >= 0 ? own : (set * WAYS + (this.#victims[set]!++ & (WAYS - 1))) * STRIDE
    const old = own >= 0 && words[own + 3] === frame ? words[own]! : 0
    const added = ((old ^ access) & ACCESS_PRIV) === 0 ? old & 0xfff : 0
    words[at] = (lo & PAGE_MASK) | VALID | access | added
    words[at + 1] = hi
    words[at + 2] = pasid
    words[at + 3] = frame
  }

  /** Drops the PASID's pages in 2^shift bytes at the naturally aligned address; shift 64: all of them. */
  invalidate(pasid: number, hi: number, lo: number, shift: number): void {
    if (shift === 12) {
      this.#drop(pasid, hi, lo)
      return
    }
    if (shift < 32 && 1 << (shift - 12) <= this.#setMask + 1) {
      for (let i = 0; i < 1 << (shift - 12); i++) this.#drop(pasid, hi, (lo + (i << 12)) | 0)
      return
    }
    const words = this.#words
    for (let at = 0; at < words.length; at += STRIDE) {
      if (words[at + 2] === pasid && inRange(words[at + 1]!, words[at]!, hi, lo, shift)) words[at] = 0
    }
  }

  clear(): void {
    this.#words.fill(0)
  }

  get used(): number {
    const words = this.#words
    let count = 0
    for (let at = 0; at < words.length; at += STRIDE) if ((words[at]! & VALID) !== 0) count++
    return count
  }

  #drop(pasid: number, hi: number, lo: number): void {
    const at = this.#entryOf(this.#setOf(pasid, hi, lo) * SET_WORDS, pasid, hi, lo)
    if (at >= 0) this.#words[at] = 0
  }

  /** The page's entry in the set, whatever it grants; a set holds at most one. */
  #entryOf(base: number, pasid: number, hi: number, lo: number): number {
    const words = this.#words
    const wanted = (lo & PAGE_MASK) | VALID
    for (let at = base; at < base + SET_WORDS; at += STRIDE) {
      if ((words[at]! & (PAGE_MASK | VALID)) === wanted && words[at + 1] === hi && words[at + 2] === pasid)
        return at
    }
    return -1
  }

  #setOf(pasid: number, hi: number, lo: number): number {
    return ((lo >>> 12) ^ hi ^ Math.imul(pasid, 0x9e3b)) & this.#setMask
  }
}

/** Whether the page (aHi, aLo) lies in 2^shift bytes at the naturally aligned address (hi, lo). */
export function inRange(aHi: number, aLo: number, hi: number, lo: number, shift: number): boolean {
  if (shift >= 64) return true
  if (shift >= 32) return shift === 32 ? aHi === hi : ((aHi ^ hi) & (-1 << (shift - 32))) === 0
  return aHi === hi && ((aLo ^ lo) & (-1 << shift) & PAGE_MASK) === 0
}
