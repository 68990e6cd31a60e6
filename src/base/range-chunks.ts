// SPDX-License-Identifier: MIT
import { pageHi, pageOf } from './u64.ts'

/** Ranges that a chunk holds at most: a slot is chunk number × CHUNK + rank in the chunk. */
export const CHUNK = 64
export const CHUNK_SHIFT = 6

/** The module's own, because the compiler folds no exported constant. */
const SHIFT = 6
const RANK = 63

const FIRST_CHUNKS = 1

/** Columns of every map until its first range: an empty map costs no memory outside the heap. */
const NO_INTS = new Int32Array(0)
const NO_BYTES = new Uint8Array(0)
const NO_PAGES = new Float64Array(0)

/**
 * The columns in which a `RangeMap` keeps its ranges: chunks of up to 64 in ascending order, linked with each other.
 * Inside a chunk a range stays where it was written, at its *index*; `order` says which comes when and holds the free
 * places behind them, so an insertion moves bytes only, four at a time.
 *
 * A byte address is a page number (a double) and an offset in the page; no double is passed between functions, because
 * one that is not inlined would box it.
 */
export class RangeChunks<T> {
  /** Ranges in each chunk. */
  counts: Int32Array = NO_INTS
  /** Neighbour chunks, -1 at the ends; `next` also links free chunks. */
  next: Int32Array = NO_INTS
  previous: Int32Array = NO_INTS
  /** Place in the chunk, by slot. */
  order: Uint8Array = NO_BYTES
  /** By index: chunk number × CHUNK + place. */
  startPages: Float64Array = NO_PAGES
  lastPages: Float64Array = NO_PAGES
  /** Start offset in bits 11:0, last offset in bits 27:16. */
  offsets: Int32Array = NO_INTS
  readonly values: (T | undefined)[] = []
  /** `order`, four places a word, the lowest rank in the lowest bits. */
  #orderWords: Int32Array = NO_INTS
  #free = -1

  /** Takes a free chunk and links it after another one (-1: it is alone). */
  take(after: number): number {
    if (this.#free < 0) this.#grow(Math.max(this.counts.length * 2, FIRST_CHUNKS))
    const chunk = this.#free
    this.#free = this.next[chunk]!
    const following = after < 0 ? -1 : this.next[after]!
    this.counts[chunk] = 0
    this.next[chunk] = following
    this.previous[chunk] = after
    if (after >= 0) this.next[after] = chunk
    if (following >= 0) this.previous[following] = chunk
    return chunk
  }

  /** Unlinks an empty chunk and frees it. */
  give(chunk: number): void {
    const previous = this.previous[chunk]!
    const next = this.next[chunk]!
    if (previous >= 0) this.next[previous] = next
    if (next >= 0) this.previous[next] = previous
    this.next[chunk] = this.#free
    this.#free = chunk
  }

  /** Puts a range at the slot; those from there on come one later. The chunk is not full. */
  add(slot: number, startHi: number, startLo: number, lastHi: number, lastLo: number, value: T): void {
    const index = this.#open(slot)
    this.startPages[index] = pageOf(startHi, startLo)
    this.lastPages[index] = pageOf(lastHi, lastLo)
    this.offsets[index] = (startLo & 4095) | ((lastLo & 4095) << 16)
    this.values[index] = value
  }

  /** Removes the range at the slot. */
  close(slot: number): void {
    const words = this.#orderWords
    const chunk = slot >> SHIFT
    const last = (chunk << SHIFT) + --this.counts[chunk]!
    const place = this.order[slot]!
    this.values[(slot & ~RANK) + place] = undefined
    const first = slot >> 2
    const end = last >> 2
    const below = (1 << ((slot & 3) << 3)) - 1
    const kept = words[first]! & below
    for (let word = first; word < end; word++) words[word] = (words[word]! >>> 8) | (words[word + 1]! << 24)
    words[end] = (words[end]! >>> 8) | (place << 24)
    words[first] = (words[first]! & ~below) | kept
  }

  /** Moves a chunk's ranges from the rank on to the end of another chunk. */
  moveTail(from: number, rank: number, to: number): void {
    const end = (from << SHIFT) + this.counts[from]!
    for (let slot = (from << SHIFT) + rank; slot < end; slot++) {
      const source = this.indexOf(slot)
      const target = this.indexOf((to << SHIFT) + this.counts[to]!++)
      this.startPages[target] = this.startPages[source]!
      this.lastPages[target] = this.lastPages[source]!
      this.offsets[target] = this.offsets[source]!
      this.values[target] = this.values[source]
      this.values[source] = undefined
    }
    this.counts[from] = rank
  }

  startHiAt(slot: number): number {
    return pageHi(this.startPages[this.indexOf(slot)]!)
  }

  startLoAt(slot: number): number {
    const index = this.indexOf(slot)
    return (this.startPages[index]! << 12) | (this.offsets[index]! & 4095)
  }

  lastHiAt(slot: number): number {
    return pageHi(this.lastPages[this.indexOf(slot)]!)
  }

  lastLoAt(slot: number): number {
    const index = this.indexOf(slot)
    return (this.lastPages[index]! << 12) | (this.offsets[index]! >>> 16)
  }

  /** The range at the slot ends below the address. */
  endsBelow(slot: number, hi: number, lo: number): boolean {
    const page = pageOf(hi, lo)
    const index = this.indexOf(slot)
    const last = this.lastPages[index]!
    return last < page || (last === page && this.offsets[index]! >>> 16 < (lo & 4095))
  }

  /** The range at the slot starts above the address. */
  startsAbove(slot: number, hi: number, lo: number): boolean {
    const page = pageOf(hi, lo)
    const index = this.indexOf(slot)
    const start = this.startPages[index]!
    return start > page || (start === page && (this.offsets[index]! & 4095) > (lo & 4095))
  }

  /** Where the slot's range stands in the columns. */
  indexOf(slot: number): number {
    return (slot & ~RANK) + this.order[slot]!
  }

  /** Makes room at the slot and returns the index to write at. */
  #open(slot: number): number {
    const words = this.#orderWords
    const chunk = slot >> SHIFT
    const end = (chunk << SHIFT) + this.counts[chunk]!++
    const place = this.order[end | 3]!
    const first = slot >> 2
    for (let word = end >> 2; word > first; word--)
      words[word] = (words[word]! << 8) | (words[word - 1]! >>> 24)
    const shift = (slot & 3) << 3
    const below = (1 << shift) - 1
    const moved = words[first]!
    words[first] = (moved & below) | (place << shift) | ((moved & ~below) << 8)
    return (slot & ~RANK) + place
  }

  #grow(chunks: number): void {
    const old = this.counts.length
    const entries = chunks << SHIFT
    this.counts = grown(this.counts, new Int32Array(chunks))
    this.next = grown(this.next, new Int32Array(chunks))
    this.previous = grown(this.previous, new Int32Array(chunks))
    this.startPages = grown(this.startPages, new Float64Array(entries))
    this.lastPages = grown(this.lastPages, new Float64Array(entries))
    this.offsets = grown(this.offsets, new Int32Array(entries))
    this.order = grown(this.order, new Uint8Array(entries))
    this.#orderWords = new Int32Array(this.order.buffer)
    for (let slot = old << SHIFT; slot < entries; slot++) {
      this.order[slot] = slot & RANK
      this.values.push(undefined)
    }
    for (let chunk = chunks - 1; chunk >= old; chunk--) {
      this.next[chunk] = this.#free
      this.#free = chunk
    }
  }
}

function grown<A extends Int32Array | Float64Array | Uint8Array>(column: A, larger: A): A {
  larger.set(column)
  return larger
}
