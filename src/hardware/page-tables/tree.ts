// SPDX-License-Identifier: MIT
import { EADDRINUSE } from '../../base/errno.ts'
import type { PhysicalMemory } from '../memory.ts'
import type { EntryCodec } from './entry-codec.ts'

/** Where a page table gets its tables from. */
export interface TableFrames {
  /** A zeroed frame. Throws ENOMEM. */
  allocTable(): number
  freeTable(frame: number): void
}

/** Something done to each occupied leaf of a range. */
export interface LeafOperation {
  /** Frees tables that lie wholly inside the range afterwards: the operation has emptied them. */
  readonly freesTables: boolean
  /** Where in the address space the leaf of the current `run` starts: a field, because an argument would be boxed. */
  granule: number
  run(word: number, level: number): void
}

/**
 * The tree of tables in memory. Addresses are granule numbers from the start of the address space (doubles); `first`
 * and `last` of a recursive call count from the start of its table.
 */
export class TableTree {
  readonly root: number
  /** Tables allocated, the root included. */
  tables = 1
  readonly #codec: EntryCodec
  readonly #frames: TableFrames
  readonly #memory: PhysicalMemory
  /** Words of the table entries that the current `fill` has added. */
  readonly #fresh: number[] = []
  #filled = 0
  #access = 0
  #shiftMax = 0

  constructor(memory: PhysicalMemory, codec: EntryCodec, frames: TableFrames) {
    this.#memory = memory
    this.#codec = codec
    this.#frames = frames
    this.root = frames.allocTable()
  }

  /**
   * Maps granules `first` ... `last` to consecutive physical granules, with the largest leaves of at most 2^shiftMax
   * bytes that fit. EADDRINUSE, ENOMEM: nothing has changed then.
   */
  fill(first: number, last: number, granule: number, access: number, shiftMax: number): void {
    this.#fresh.length = 0
    this.#filled = 0
    this.#access = access
    this.#shiftMax = shiftMax
    try {
      this.#fillTable(this.root << 10, this.#codec.levels.top, first, last, granule)
    } catch (error) {
      this.#undo(first)
      throw error
    }
  }

  /** Runs `operation` on each occupied leaf that touches the range, ascending. */
  forEachLeaf(first: number, last: number, operation: LeafOperation): void {
    this.#each(this.root << 10, this.#codec.levels.top, 0, first, last, operation)
  }

  /** Splits the leaf that holds `granule` until one starts there. ENOMEM: split less far, nothing lost. */
  splitAt(granule: number): void {
    const { span, top } = this.#codec.levels
    let base = this.root << 10
    let offset = granule
    for (let level = top; level >= 0 && offset !== 0; level--) {
      const index = Math.floor(offset / span[level]!)
      const word = base + 2 * index
      offset -= index * span[level]!
      if (offset === 0 || this.#codec.isEmpty(word)) return
      if (!this.#codec.isTable(word, level)) this.#split(word, level)
      base = this.#codec.frameOf(word) << 10
    }
  }

  /** Empties the root and frees every other table; leaves are forgotten. */
  clear(): void {
    this.#freeBelow(this.root << 10, this.#codec.levels.top)
    this.#memory.zero(this.root)
  }

  destroy(): void {
    this.clear()
    this.#frames.freeTable(this.root)
    this.tables--
  }

  #fillTable(base: number, level: number, first: number, last: number, granule: number): void {
    const span = this.#codec.levels.span[level]!
    const end = Math.floor(last / span)
    for (let index = Math.floor(first / span); index <= end; index++) {
      const start = index * span
      const from = Math.max(first - start, 0)
      const to = Math.min(last - start, span - 1)
      const word = base + 2 * index
      const piece = granule + (start + from - first)
      const whole = to - from === span - 1
      if (whole && this.#fits(word, level, piece, span)) this.#fillLeaf(word, level, piece, span)
      else this.#fillTable(this.#tableAt(word, level) << 10, level - 1, from, to, piece)
    }
  }

  #fits(word: number, level: number, granule: number, span: number): boolean {
    if (level === 0) return true
    const { levels, format } = this.#codec
    if (level > format.leafLevelMax || levels.shift[level]! > this.#shiftMax) return false
    return granule % span === 0 && !this.#codec.isTable(word, level)
  }

  #fillLeaf(word: number, level: number, granule: number, span: number): void {
    if (!this.#codec.isEmpty(word)) throw EADDRINUSE
    this.#codec.writeLeaf(word, level, granule, this.#access)
    this.#filled += span
  }

  #tableAt(word: number, level: number): number {
    if (this.#codec.isTable(word, level)) return this.#codec.frameOf(word)
    if (!this.#codec.isEmpty(word)) throw EADDRINUSE
    const frame = this.#allocTable()
    this.#codec.writeTable(word, frame)
    this.#fresh.push(word)
    return frame
  }

  #undo(first: number): void {
    if (this.#filled > 0) this.forEachLeaf(first, first + this.#filled - 1, new ClearLeaf(this.#codec))
    for (let i = this.#fresh.length - 1; i >= 0; i--) this.#freeTable(this.#fresh[i]!)
  }

  #each(base: number, level: number, origin: number, first: number, last: number, op: LeafOperation): void {
    const span = this.#codec.levels.span[level]!
    const end = Math.floor(last / span)
    for (let index = Math.floor(first / span); index <= end; index++) {
      const word = base + 2 * index
      if (this.#codec.isEmpty(word)) continue
      const start = index * span
      if (!this.#codec.isTable(word, level)) {
        op.granule = origin + start
        op.run(word, level)
        continue
      }
      const from = Math.max(first - start, 0)
      const to = Math.min(last - start, span - 1)
      this.#each(this.#codec.frameOf(word) << 10, level - 1, origin + start, from, to, op)
      if (op.freesTables && to - from === span - 1) this.#freeTable(word)
    }
  }

  #split(word: number, level: number): void {
    const frame = this.#allocTable()
    this.#codec.copySplit(word, level, frame)
    this.#codec.writeTable(word, frame)
  }

  #allocTable(): number {
    const frame = this.#frames.allocTable()
    this.tables++
    return frame
  }

  /** Frees the table that the entry points to, and the entry. */
  #freeTable(word: number): void {
    const frame = this.#codec.frameOf(word)
    this.#codec.clear(word)
    this.tables--
    this.#frames.freeTable(frame)
  }

  #freeBelow(base: number, level: number): void {
    for (let index = 0; index < this.#codec.entries; index++) {
      const word = base + 2 * index
      if (!this.#codec.isTable(word, level)) continue
      this.#freeBelow(this.#codec.frameOf(word) << 10, level - 1)
      this.#freeTable(word)
    }
  }
}

class ClearLeaf implements LeafOperation {
  readonly freesTables = false
  granule = 0
  readonly #codec: EntryCodec
  constructor(codec: EntryCodec) {
    this.#codec = codec
  }
  run(word: number): void {
    this.#codec.clear(word)
  }
}
