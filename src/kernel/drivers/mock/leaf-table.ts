// SPDX-License-Identifier: MIT
import { EADDRINUSE, EINVAL, ENOENT, ENOMEM } from '../../../base/errno.ts'
import type { Failpoints } from '../../../sim/failpoint.ts'
import { LeafNode } from './leaf-node.ts'

const TOP = 2
const INDEX_BITS = 9
const INDEX_MASK = 2 ** INDEX_BITS - 1
/** Granules of the address space: 38 bits of 2 KiB each. */
export const LEAF_TABLE_GRANULES: number = 2 ** (INDEX_BITS * (TOP + 1))
/** The largest leaf is 2^36 bytes. */
const LEAF_SHIFT_MAX = 25
/** Tables kept for later, over all domains of a pool. */
const POOL_KEPT_MAX = 64
const NO_KEY = -1

/** Hears of dirty granules, ascending. */
export type DirtyGranules = (first: number, count: number) => void

/** Tables out of use: in steady state mapping allocates nothing. */
export class LeafNodePool {
  readonly #failpoints: Failpoints
  readonly #free: LeafNode[][] = Array.from({ length: TOP + 1 }, () => [])
  /** Tables in use. */
  inUse = 0

  constructor(failpoints: Failpoints) {
    this.#failpoints = failpoints
  }

  /** An empty table. ENOMEM. */
  take(level: number): LeafNode {
    if (this.#failpoints.hit('alloc_table')) throw ENOMEM
    this.inUse++
    return this.#free[level]!.pop() ?? new LeafNode(level)
  }

  /** The table is empty. */
  give(level: number, node: LeafNode): void {
    this.inUse--
    const free = this.#free[level]!
    if (free.length < POOL_KEPT_MAX) free.push(node)
  }
}

/**
 * The mock's page table (`spec/03` §5.2): 2 KiB granules, three levels of 512 entries, leaves of any power of two. Nobody
 * walks it in memory, so it is objects. Addresses and lengths are granule numbers below 2^27; physical granules are
 * taken modulo 2^32.
 */
export class LeafTable {
  readonly #pool: LeafNodePool
  /** Allowed leaf sizes: bit n is 2^n granules. */
  readonly #sizes: number
  readonly #root: LeafNode
  /** The lowest table used last, and the address bits that lead to it: the only one that may be empty. */
  #key = NO_KEY
  #lowest: LeafNode | undefined = undefined
  /** What `#find` found: the table and level where the address ends, the first entry of its leaf or -1, and its granules. */
  #node: LeafNode
  #level = 0
  #head = -1
  #span = 1

  constructor(pool: LeafNodePool, sizes: number) {
    this.#pool = pool
    this.#sizes = sizes
    this.#root = pool.take(TOP)
    this.#node = this.#root
  }

  /** The largest leaves that fit. EINVAL (none fits), EADDRINUSE, ENOMEM; undone on failure. */
  map(first: number, physical: number, count: number): void {
    let done = 0
    try {
      while (done < count) done += this.#mapOne(first + done, (physical + done) | 0, count - done)
    } catch (thrown) {
      this.unmap(first, done)
      throw thrown
    }
  }

  /** Takes away every leaf that touches the range. Returns the granules that they mapped. */
  unmap(first: number, count: number): number {
    const end = first + count
    let unmapped = 0
    for (let at = first; at < end; at = this.#next(at)) {
      if (!this.#find(at)) continue
      unmapped += this.#span
      this.#node.removeLeaf(this.#head)
      if (this.#node.used === 0 && this.#node !== this.#lowest) this.#freeEmpty(at, this.#level)
    }
    return unmapped
  }

  /** Physical granule that a granule translates to. */
  lookup(at: number): number | undefined {
    if (!this.#find(at)) return undefined
    return (this.#node.physicalOf(this.#head) + (at & (this.#span - 1))) >>> 0
  }

  /** `false`: nothing is mapped there. */
  setDirty(at: number): boolean {
    if (!this.#find(at)) return false
    this.#node.setDirty(this.#head, true)
    return true
  }

  /**
   * Tells `mark` of every dirty leaf that touches the range, one entry short where the leaf has several (`spec/03` §5.2).
   * ENOENT at a hole: what lies below it is done.
   */
  readDirty(first: number, last: number, clear: boolean, mark: DirtyGranules | undefined): void {
    for (let at = first; at <= last; at = this.#next(at)) {
      if (!this.#find(at)) throw ENOENT
      if (!this.#node.isDirty(this.#head)) continue
      if (clear) this.#node.setDirty(this.#head, false)
      if (mark !== undefined) this.#report(at, last, mark)
    }
  }

  /** The table is empty. */
  destroy(): void {
    this.unmap(0, LEAF_TABLE_GRANULES)
    this.#forgetLowest()
    this.#pool.give(TOP, this.#root)
  }

  /** From the address on: whole entries, to before the last entry of the run or the entry where the range ends. */
  #report(at: number, last: number, mark: DirtyGranules): void {
    const shift = INDEX_BITS * this.#level
    const run = 1 << this.#node.runShift(this.#head)
    if (run === 1) return mark(at, 1 << shift)
    const index = (at >>> shift) & INDEX_MASK
    const lastIndex = this.#head + run - 1
    const sameTable = at >>> (shift + INDEX_BITS) === last >>> (shift + INDEX_BITS)
    const endIndex = sameTable ? ((last >>> shift) & INDEX_MASK) + 1 : INDEX_MASK + 1
    const entries = Math.min(lastIndex, endIndex) - index
    // Linux 7.2 does not come back where nothing is left.
    if (entries > 0) mark(at, entries << shift)
  }

  #mapOne(at: number, physical: number, count: number): number {
    const shift = this.#leafShift(at | physical, count)
    const level = (shift / INDEX_BITS) | 0
    const node = level === 0 ? this.#lowestFor(at) : this.#upperFor(at, level)
    const index = (at >>> (INDEX_BITS * level)) & INDEX_MASK
    if (!node.addLeaf(index, shift - INDEX_BITS * level, physical)) {
      this.#freeEmpty(at, level)
      throw EADDRINUSE
    }
    return 1 << shift
  }

  /** log2 of the largest leaf that alignment, length and the sizes allow. */
  #leafShift(aligned: number, count: number): number {
    const alignShift = 31 - Math.clz32(aligned & -aligned)
    const lengthShift = 31 - Math.clz32(count)
    const limit = Math.min(aligned === 0 ? LEAF_SHIFT_MAX : alignShift, lengthShift, LEAF_SHIFT_MAX)
    const fitting = this.#sizes & ((2 << limit) - 1)
    if (fitting === 0) throw EINVAL
    return 31 - Math.clz32(fitting)
  }

  #lowestFor(at: number): LeafNode {
    if (this.#key === at >>> INDEX_BITS) return this.#lowest!
    this.#forgetLowest()
    const node = this.#nodeFor(at, 0)
    this.#key = at >>> INDEX_BITS
    this.#lowest = node
    return node
  }

  #upperFor(at: number, level: number): LeafNode {
    this.#forgetLowest()
    return this.#nodeFor(at, level)
  }

  /** An empty one goes back. */
  #forgetLowest(): void {
    const key = this.#key
    if (key === NO_KEY) return
    const empty = this.#lowest!.used === 0
    this.#key = NO_KEY
    this.#lowest = undefined
    if (empty) this.#freeEmpty(key << INDEX_BITS, 0)
  }

  /** The table of the level that holds the address; made where it is missing. EADDRINUSE, ENOMEM: none is left empty. */
  #nodeFor(at: number, level: number): LeafNode {
    let node = this.#root
    for (let above = TOP; above > level; above--) {
      const index = (at >>> (INDEX_BITS * above)) & INDEX_MASK
      node = node.children[index] ?? this.#addChild(node, index, at, above)
    }
    return node
  }

  #addChild(node: LeafNode, index: number, at: number, level: number): LeafNode {
    if (node.headOf(index) >= 0) throw EADDRINUSE
    let child: LeafNode
    try {
      child = this.#pool.take(level - 1)
    } catch (thrown) {
      this.#freeEmpty(at, level)
      throw thrown
    }
    node.addChild(index, child)
    return child
  }

  /** Where the address ends. `false`: nothing is mapped there. */
  #find(at: number): boolean {
    let node = this.#root
    let level = TOP
    if (this.#key === at >>> INDEX_BITS) {
      node = this.#lowest!
      level = 0
    }
    for (; level > 0; level--) {
      const child = node.children[(at >>> (INDEX_BITS * level)) & INDEX_MASK]
      if (child === undefined) break
      node = child
    }
    this.#node = node
    this.#level = level
    const head = node.headOf((at >>> (INDEX_BITS * level)) & INDEX_MASK)
    this.#head = head
    this.#span = 1 << (INDEX_BITS * level + (head < 0 ? 0 : node.runShift(head)))
    return head >= 0
  }

  /** First granule behind the leaf, or the empty entry, that `#find` found at the address. */
  #next(at: number): number {
    return (at & -this.#span) + this.#span
  }

  /** Gives the table of the level that holds the address back if it is empty, and those above that become so. */
  #freeEmpty(at: number, level: number): void {
    for (let empty = level; empty < TOP; empty++) {
      const parent = this.#nodeAt(at, empty + 1)
      const index = (at >>> (INDEX_BITS * (empty + 1))) & INDEX_MASK
      const node = parent.children[index]
      if (node === undefined || node.used > 0) return
      parent.removeChild(index)
      this.#pool.give(empty, node)
    }
  }

  #nodeAt(at: number, level: number): LeafNode {
    let node = this.#root
    for (let above = TOP; above > level; above--)
      node = node.children[(at >>> (INDEX_BITS * above)) & INDEX_MASK]!
    return node
  }
}
