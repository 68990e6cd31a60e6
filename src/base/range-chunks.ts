// SPDX-License-Identifier: MIT
import { pageOf } from './u64.ts'

/** Ranges a chunk holds at most: a slot is chunk number × CHUNK + place. */
export const CHUNK = 64
export const CHUNK_SHIFT = 6
export const PLACE_MASK: number = CHUNK - 1

const FIRST_CHUNKS = 4

/**
 * The columns in which a `RangeMap` keeps its ranges: chunks of up to 64 in ascending order, linked with each other.
 * A byte address is a page number (a double) and an offset in the page; no double is passed between functions, because
 * one that is not inlined would box it.
 */
export class RangeChunks {
  /** Ranges in each chunk. */
  counts: Int32Array
  /** Neighbour chunks, -1 at the ends; `next` also links free chunks. */
  next: Int32Array
  previous: Int32Array
  startPages: Float64Array
  lastPages: Float64Array
  /** Start offset in bits 11:0, last offset in bits 27:16. */
  offsets: Int32Array
  /** Number of the range's value. */
  valueIds: Int32Array
  #free = -1

  constructor() {
    this.counts = new Int32Array(0)
    this.next = new Int32Array(0)
    this.previous = new Int32Array(0)
    this.startPages = new Float64Array(0)
    this.lastPages = new Float64Array(0)
    this.offsets = new Int32Array(0)
    this.valueIds = new Int32Array(0)
    this.#grow(FIRST_CHUNKS)
  }

  /** Takes a free chunk and links it after another one (-1: it is alone). */
  take(after: number): number {
    if (this.#free < 0) this.#grow(this.counts.length * 2)
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

  /** Unlinks a chunk and frees it. */
  give(chunk: number): void {
    const previous = this.previous[chunk]!
    const next = this.next[chunk]!
    if (previous >= 0) this.next[previous] = next
    if (next >= 0) this.previous[next] = previous
    this.counts[chunk] = 0
    this.next[chunk] = this.#free
    this.#free = chunk
  }

  write(
    slot: number,
    startHi: number,
    startLo: number,
    lastHi: number,
    lastLo: number,
    valueId: number,
  ): void {
    this.startPages[slot] = pageOf(startHi, startLo)
    this.lastPages[slot] = pageOf(lastHi, lastLo)
    this.offsets[slot] = (startLo & 4095) | ((lastLo & 4095) << 16)
    this.valueIds[slot] = valueId
  }

  /** Makes room at the slot by moving the chunk's upper ranges up. */
  open(slot: number): void {
    const { startPages, lastPages, offsets, valueIds } = this
    const chunk = slot >> CHUNK_SHIFT
    for (let i = (chunk << CHUNK_SHIFT) + this.counts[chunk]!; i > slot; i--) {
      startPages[i] = startPages[i - 1]!
      lastPages[i] = lastPages[i - 1]!
      offsets[i] = offsets[i - 1]!
      valueIds[i] = valueIds[i - 1]!
    }
    this.counts[chunk]!++
  }

  /** Removes the range at the slot by moving the chunk's upper ranges down. */
  close(slot: number): void {
    const { startPages, lastPages, offsets, valueIds } = this
    const chunk = slot >> CHUNK_SHIFT
    const last = (chunk << CHUNK_SHIFT) + --this.counts[chunk]!
    for (let i = slot; i < last; i++) {
      startPages[i] = startPages[i + 1]!
      lastPages[i] = lastPages[i + 1]!
      offsets[i] = offsets[i + 1]!
      valueIds[i] = valueIds[i + 1]!
    }
  }

  /** Moves a chunk's ranges from the place on to the end of another chunk. */
  moveTail(from: number, place: number, to: number): void {
    const first = (from << CHUNK_SHIFT) + place
    const end = (from << CHUNK_SHIFT) + this.counts[from]!
    const target = (to << CHUNK_SHIFT) + this.counts[to]!
    this.startPages.copyWithin(target, first, end)
    this.lastPages.copyWithin(target, first, end)
    this.offsets.copyWithin(target, first, end)
    this.valueIds.copyWithin(target, first, end)
    this.counts[from] = place
    this.counts[to]! += end - first
  }

  /** The highest slot of the chunk whose range starts at or below the address, else the slot before its first. */
  floorIn(chunk: number, hi: number, lo: number): number {
    const page = pageOf(hi, lo)
    const { startPages } = this
    let low = chunk << CHUNK_SHIFT
    let high = low + this.counts[chunk]!
    while (low < high) {
      const middle = (low + high) >>> 1
      const start = startPages[middle]!
      if (start < page || (start === page && (this.offsets[middle]! & 4095) <= (lo & 4095))) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** The range at the slot ends below the address. */
  endsBelow(slot: number, hi: number, lo: number): boolean {
    const page = pageOf(hi, lo)
    const last = this.lastPages[slot]!
    return last < page || (last === page && this.offsets[slot]! >>> 16 < (lo & 4095))
  }

  /** The range at the slot starts above the address. */
  startsAbove(slot: number, hi: number, lo: number): boolean {
    const page = pageOf(hi, lo)
    const start = this.startPages[slot]!
    return start > page || (start === page && (this.offsets[slot]! & 4095) > (lo & 4095))
  }

  #grow(chunks: number): void {
    const old = this.counts.length
    this.counts = grown(this.counts, chunks)
    this.next = grown(this.next, chunks)
    this.previous = grown(this.previous, chunks)
    this.startPages = grownDoubles(this.startPages, chunks << CHUNK_SHIFT)
    this.lastPages = grownDoubles(this.lastPages, chunks << CHUNK_SHIFT)
    this.offsets = grown(this.offsets, chunks << CHUNK_SHIFT)
    this.valueIds = grown(this.valueIds, chunks << CHUNK_SHIFT)
    for (let chunk = chunks - 1; chunk >= old; chunk--) {
      this.next[chunk] = this.#free
      this.#free = chunk
    }
  }
}

function grown(column: Int32Array, length: number): Int32Array {
  const copy = new Int32Array(length)
  copy.set(column)
  return copy
}

function grownDoubles(column: Float64Array, length: number): Float64Array {
  const copy = new Float64Array(length)
  copy.set(column)
  return copy
}
