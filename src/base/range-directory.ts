// SPDX-License-Identifier: MIT
import { CHUNK_SHIFT, type RangeChunks } from './range-chunks.ts'
import { pageOf } from './u64.ts'

/** The module's own, because the compiler folds no imported constant. */
const SHIFT = CHUNK_SHIFT

const FIRST_LENGTH = 16

/** The directory of every empty map. */
const NO_CHUNKS = new Int32Array(1)
const NO_PAGES = new Float64Array([Number.POSITIVE_INFINITY])

/** Which chunk of a `RangeMap` holds an address: the chunks in ascending order, searched by their first pages. */
export class RangeDirectory {
  length = 0
  /** Place of the chunk that the last `find` found: it looks there first. */
  found = 0
  /** Chunk numbers, and the page of the first range of each; behind them Infinity. */
  chunks: Int32Array = NO_CHUNKS
  pages: Float64Array = NO_PAGES
  readonly #columns: RangeChunks<unknown>

  constructor(columns: RangeChunks<unknown>) {
    this.#columns = columns
  }

  /** Place of the chunk with the highest range that starts at or below the address; -1 when none does. */
  find(hi: number, lo: number): number {
    const page = pageOf(hi, lo)
    const place = this.found
    const first = this.pages[place]!
    if (first > page || page >= this.pages[place + 1]!) return this.#search(hi, lo)
    if (first === page && this.#firstOffset(place) > (lo & 4095)) return this.#search(hi, lo)
    return place
  }

  /** Writes down the page of a chunk's first range. */
  note(place: number): void {
    this.pages[place] = this.#columns.startPages[this.#columns.indexOf(this.chunks[place]! << SHIFT)]!
  }

  /** Takes a chunk and puts it at the place; `note` must follow, once it has a range. */
  add(place: number): number {
    const length = this.length++
    if (length + 1 === this.chunks.length) this.#grow()
    if (place < length) {
      this.chunks.copyWithin(place + 1, place, length)
      this.pages.copyWithin(place + 1, place, length)
    }
    const chunk = this.#columns.take(place === 0 ? -1 : this.chunks[place - 1]!)
    this.chunks[place] = chunk
    this.pages[length + 1] = Number.POSITIVE_INFINITY
    return chunk
  }

  /** Frees the chunk at the place, which is empty. */
  drop(place: number): void {
    this.#columns.give(this.chunks[place]!)
    this.chunks.copyWithin(place, place + 1, this.length)
    this.pages.copyWithin(place, place + 1, this.length + 1)
    this.length--
    this.found = 0
  }

  /** Chunks mostly hold stretches of one length: the first guess is the chunk or near it. */
  #search(hi: number, lo: number): number {
    const page = pageOf(hi, lo)
    const { pages, length } = this
    let low = -1
    let high = length
    let guess = this.#guess(page)
    for (let near = 1; high - low > 1; near <<= 2) {
      const first = pages[guess]!
      if (first < page || (first === page && this.#firstOffset(guess) <= (lo & 4095))) {
        low = guess
        guess += near
      } else {
        high = guess
        guess -= near
      }
      if (guess <= low || guess >= high) guess = (low + high) >> 1
    }
    this.found = low < 0 ? 0 : low
    return low
  }

  /** Where the page would be if all chunks were alike. */
  #guess(page: number): number {
    const { pages, length } = this
    const top = length - 1
    if (top <= 0) return 0
    const first = pages[0]!
    const last = pages[top]!
    if (page <= first) return 0
    return page >= last ? top : (((page - first) * top) / (last - first)) | 0
  }

  #firstOffset(place: number): number {
    const columns = this.#columns
    return columns.offsets[columns.indexOf(this.chunks[place]! << SHIFT)]! & 4095
  }

  #grow(): void {
    const chunks = new Int32Array(Math.max(this.chunks.length * 2, FIRST_LENGTH))
    chunks.set(this.chunks)
    this.chunks = chunks
    const pages = new Float64Array(chunks.length).fill(Number.POSITIVE_INFINITY)
    pages.set(this.pages)
    this.pages = pages
  }
}
