// SPDX-License-Identifier: MIT
const ENTRIES = 512
const WORD_BITS = 32
const DIRTY = 0x80
const RUN_MASK = 0x7f
/** A run is 2^0 … 2^8 entries: one of all of them would be one entry of the level above. */
const RUN_SHIFT_MAX = 8

/**
 * One table of 512 entries. A leaf takes a naturally aligned run of 2^n entries and is written down at the first one; an
 * entry above the lowest level may hold a table instead.
 */
export class LeafNode {
  /** Tables below, where there are any. */
  readonly children: (LeafNode | undefined)[]
  /** Entries that hold a leaf or a table. */
  used = 0
  /** Physical granule of a leaf, at its first entry. */
  readonly #physical: Int32Array = new Int32Array(ENTRIES)
  /** 1 + log2 of the run and the dirty bit, at a leaf's first entry; else 0. */
  readonly #leaf: Uint8Array = new Uint8Array(ENTRIES)
  /** A bit an entry. */
  readonly #busy: Int32Array = new Int32Array(ENTRIES / WORD_BITS)

  constructor(level: number) {
    this.children = level === 0 ? [] : Array.from({ length: ENTRIES }, () => undefined)
  }

  /** `false`: something is in the way. */
  addLeaf(index: number, runShift: number, physical: number): boolean {
    if (!this.#take(index, runShift)) return false
    this.#leaf[index] = runShift + 1
    this.#physical[index] = physical
    return true
  }

  /** `index` is the leaf's first entry. */
  removeLeaf(index: number): void {
    this.#release(index, this.runShift(index))
    this.#leaf[index] = 0
  }

  /** `false`: a leaf is in the way. */
  addChild(index: number, child: LeafNode): boolean {
    if (!this.#take(index, 0)) return false
    this.children[index] = child
    return true
  }

  removeChild(index: number): void {
    this.children[index] = undefined
    this.#release(index, 0)
  }

  /** First entry of the leaf that holds the entry, or -1. */
  headOf(index: number): number {
    if ((this.#busy[index >>> 5]! & (1 << (index & 31))) === 0) return -1
    for (let shift = 0; shift <= RUN_SHIFT_MAX; shift++) {
      const head = index & -(1 << shift)
      if ((this.#leaf[head]! & RUN_MASK) > shift) return head
    }
    return -1
  }

  /** Of a leaf, by its first entry. */
  runShift(head: number): number {
    return (this.#leaf[head]! & RUN_MASK) - 1
  }

  physicalOf(head: number): number {
    return this.#physical[head]!
  }

  isDirty(head: number): boolean {
    return (this.#leaf[head]! & DIRTY) !== 0
  }

  /** One bit stands for those of all entries of the run: any makes it dirty, and all are cleared together. */
  setDirty(head: number, dirty: boolean): void {
    const leaf = this.#leaf[head]!
    this.#leaf[head] = dirty ? leaf | DIRTY : leaf & RUN_MASK
  }

  #take(index: number, runShift: number): boolean {
    const busy = this.#busy
    if (runShift < 5) {
      const bits = ((1 << (1 << runShift)) - 1) << (index & 31)
      if ((busy[index >>> 5]! & bits) !== 0) return false
      busy[index >>> 5]! |= bits
    } else {
      const last = (index + (1 << runShift)) >>> 5
      for (let word = index >>> 5; word < last; word++) if (busy[word] !== 0) return false
      busy.fill(-1, index >>> 5, last)
    }
    this.used += 1 << runShift
    return true
  }

  #release(index: number, runShift: number): void {
    if (runShift < 5) this.#busy[index >>> 5]! &= ~(((1 << (1 << runShift)) - 1) << (index & 31))
    else this.#busy.fill(0, index >>> 5, (index + (1 << runShift)) >>> 5)
    this.used -= 1 << runShift
  }
}
