// SPDX-License-Identifier: MIT
import { ACCESS_PRIV } from '../../pci/messages.ts'

/** Int32 of one entry: address bits 31:12 with the granted ACCESS_ bits below, address bits 63:32, PASID, frame. */
const STRIDE = 4
const WAYS = 4
const SET_WORDS = STRIDE * WAYS

/**
 * The endpoint's translation cache (ATC), 4-way set-associative by (PASID, page). Entries stay until the unit sends
 * an Invalidate Request, which software orders after it took a mapping away and before it reuses the frame.
 */
export class TranslationCache {
  /** `words[find(...) + FRAME]` is the frame. */
  readonly words: Int32Array
  readonly #setMask: number
  #victim: number

  /** `entries`: a power of two, at least 4. */
  constructor(entries: number) {
    this.words = new Int32Array(entries * STRIDE)
    this.#setMask = entries / WAYS - 1
    this.#victim = 0
  }

  /** Frame of the page for this access at this privilege, -1 when it is not cached. */
  find(pasid: number, hi: number, lo: number, access: number): number {
    const { words } = this
    const base = this.#setOf(pasid, hi, lo)
    const page = lo & ~0xfff
    for (let at = base; at < base + SET_WORDS; at += STRIDE) {
      const tag = words[at]!
      if (
        (tag & ~0xfff) === page &&
        (tag & (access | ACCESS_PRIV)) === access &&
        words[at + 1] === hi &&
        words[at + 2] === pasid
      )
        return words[at + 3]!
    }
    return -1
  }

  /** Permissions are added to what the same frame had at the same privilege. */
  insert(pasid: number, hi: number, lo: number, frame: number, access: number): void {
    const { words } = this
    const at = this.#slotFor(pasid, hi, lo)
    const old = words[at]!
    const same =
      (old & 0xfff) !== 0 &&
      (old & ~0xfff) === (lo & ~0xfff) &&
      words[at + 1] === hi &&
      words[at + 2] === pasid &&
      words[at + 3] === frame &&
      ((old ^ access) & ACCESS_PRIV) === 0
    words[at] = (lo & ~0xfff) | access | (same ? old & 0xfff : 0)
    words[at + 1] = hi
    words[at + 2] = pasid
    words[at + 3] = frame
  }

  /** Drops the PASID's pages in 2^shift bytes at the naturally aligned address; shift 64: all of them. */
  invalidate(pasid: number, hi: number, lo: number, shift: number): void {
    if (shift < 32 && 1 << (shift - 12) <= this.#setMask + 1) {
      for (let i = 0; i < 1 << (shift - 12); i++) this.#drop(pasid, hi, (lo + (i << 12)) | 0)
      return
    }
    const { words } = this
    for (let at = 0; at < words.length; at += STRIDE) {
      if (words[at + 2] === pasid && inRange(words[at + 1]!, words[at]!, hi, lo, shift)) words[at] = 0
    }
  }

  clear(): void {
    this.words.fill(0)
  }

  get used(): number {
    let count = 0
    for (let at = 0; at < this.words.length; at += STRIDE) if ((this.words[at]! & 0xfff) !== 0) count++
    return count
  }

  #drop(pasid: number, hi: number, lo: number): void {
    const { words } = this
    const base = this.#setOf(pasid, hi, lo)
    for (let at = base; at < base + SET_WORDS; at += STRIDE) {
      if ((words[at]! & ~0xfff) === lo && words[at + 1] === hi && words[at + 2] === pasid) words[at] = 0
    }
  }

  /** The page's own entry, else a free one, else the next victim of the set. */
  #slotFor(pasid: number, hi: number, lo: number): number {
    const { words } = this
    const base = this.#setOf(pasid, hi, lo)
    const page = lo & ~0xfff
    let free = -1
    for (let at = base; at < base + SET_WORDS; at += STRIDE) {
      const tag = words[at]!
      if ((tag & 0xfff) === 0) free = at
      else if ((tag & ~0xfff) === page && words[at + 1] === hi && words[at + 2] === pasid) return at
    }
    if (free >= 0) return free
    this.#victim = (this.#victim + STRIDE) & (SET_WORDS - 1)
    return base + this.#victim
  }

  #setOf(pasid: number, hi: number, lo: number): number {
    return (((lo >>> 12) ^ hi ^ Math.imul(pasid, 0x9e3b)) & this.#setMask) * SET_WORDS
  }
}

/** Whether the page (aHi, aLo) lies in 2^shift bytes at the naturally aligned address (hi, lo). */
export function inRange(aHi: number, aLo: number, hi: number, lo: number, shift: number): boolean {
  if (shift >= 64) return true
  if (shift >= 32) return shift === 32 ? aHi === hi : ((aHi ^ hi) & (-1 << (shift - 32))) === 0
  return aHi === hi && ((aLo ^ lo) & (-1 << shift) & ~0xfff) === 0
}
