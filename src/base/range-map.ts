// SPDX-License-Identifier: MIT
import { assert, broken } from './assert.ts'
import { CHUNK, CHUNK_SHIFT, RANK_MASK, RangeChunks } from './range-chunks.ts'
import { compareU64, hex64, pageOf } from './u64.ts'

/** A chunk with fewer ranges is joined with the next one when both together have no more than `JOINED_MAX`. */
const CHUNK_SPARSE = 16
const JOINED_MAX = 48

/** A closed range of bytes; results of `RangeMap.nextHole`. */
export class ByteRange {
  startHi = 0
  startLo = 0
  lastHi = 0
  lastLo = 0
}

/**
 * Closed byte ranges that do not overlap, over the whole 64-bit space, each with a value. Ranges live in chunks of up to
 * 64, found by binary search in a directory of first pages.
 *
 * A *slot* names a range until the next insertion or removal; -1 is none. Iterate with
 * `for (let slot = map.first(); slot >= 0; slot = map.next(slot))`.
 */
export class RangeMap<T> {
  /** Number of ranges. */
  size = 0
  readonly #chunks: RangeChunks<T>
  /** Chunks in ascending order, and the page of the first range of each. */
  #directory: Int32Array
  #directoryPages: Float64Array
  #directoryLength = 0
  /** Place in the directory that the last search found: look there first. */
  #hint = 0

  constructor() {
    this.#chunks = new RangeChunks<T>()
    this.#directory = new Int32Array(16)
    this.#directoryPages = new Float64Array(16)
  }

  /** Adds `start … last`; `false`, and nothing happens, when it overlaps a range. */
  insert(startHi: number, startLo: number, lastHi: number, lastLo: number, value: T): boolean {
    assert(compareU64(startHi, startLo, lastHi, lastLo) <= 0, 'range ends before it starts')
    const index = this.#indexOf(startHi, startLo)
    const before = index < 0 ? -1 : this.#chunks.floorIn(this.#directory[index]!, startHi, startLo)
    if (before >= 0 && !this.#chunks.endsBelow(before, startHi, startLo)) return false
    const after = before < 0 ? this.first() : this.next(before)
    if (after >= 0 && !this.#chunks.startsAbove(after, lastHi, lastLo)) return false
    const slot = this.#makeRoom(Math.max(index, 0), before < 0 ? 0 : (before & RANK_MASK) + 1)
    this.#chunks.write(slot, startHi, startLo, lastHi, lastLo, value)
    if ((slot & RANK_MASK) === 0) this.#notePage(before < 0 ? 0 : this.#directoryLength - 1)
    this.size++
    return true
  }

  /** The range that holds the byte; -1 when none does. */
  find(hi: number, lo: number): number {
    const slot = this.#floor(hi, lo)
    return slot < 0 || this.#chunks.endsBelow(slot, hi, lo) ? -1 : slot
  }

  /** The lowest range that shares a byte with `start … last`; -1 when none does. */
  firstOverlap(startHi: number, startLo: number, lastHi: number, lastLo: number): number {
    const slot = this.firstEndingAt(startHi, startLo)
    return slot < 0 || this.#chunks.startsAbove(slot, lastHi, lastLo) ? -1 : slot
  }

  /** The lowest range whose last byte is at or above the address; -1 when there is none. */
  firstEndingAt(hi: number, lo: number): number {
    const slot = this.#floor(hi, lo)
    if (slot < 0) return this.first()
    return this.#chunks.endsBelow(slot, hi, lo) ? this.next(slot) : slot
  }

  /** Removes the range of the slot and returns the slot of the one that followed, -1 after the last. */
  remove(slot: number): number {
    this.#assertSlot(slot)
    const chunk = slot >> CHUNK_SHIFT
    const { counts } = this.#chunks
    const index = (slot & RANK_MASK) === 0 || counts[chunk]! <= CHUNK_SPARSE ? this.#indexAt(slot) : -1
    this.#chunks.close(slot)
    this.size--
    const following = this.#chunks.next[chunk]!
    if (counts[chunk] === 0) {
      this.#dropChunk(index)
      return following < 0 ? -1 : following << CHUNK_SHIFT
    }
    if ((slot & RANK_MASK) === 0) this.#notePage(index)
    if (counts[chunk]! < CHUNK_SPARSE) this.#joinWithNext(index)
    if ((slot & RANK_MASK) < counts[chunk]!) return slot
    return following < 0 ? -1 : following << CHUNK_SHIFT
  }

  clear(): void {
    for (let slot = this.last(); slot >= 0; slot = this.last()) this.remove(slot)
  }

  /** Slot of the lowest range; -1 while empty. */
  first(): number {
    return this.size === 0 ? -1 : this.#directory[0]! << CHUNK_SHIFT
  }

  /** Slot of the highest range; -1 while empty. */
  last(): number {
    return this.size === 0 ? -1 : this.#lastIn(this.#directory[this.#directoryLength - 1]!)
  }

  /** Slot of the range above; -1 after the highest. */
  next(slot: number): number {
    this.#assertSlot(slot)
    const chunk = slot >> CHUNK_SHIFT
    if ((slot & RANK_MASK) + 1 < this.#chunks.counts[chunk]!) return slot + 1
    const following = this.#chunks.next[chunk]!
    return following < 0 ? -1 : following << CHUNK_SHIFT
  }

  /** Slot of the range below; -1 before the lowest. */
  previous(slot: number): number {
    this.#assertSlot(slot)
    if ((slot & RANK_MASK) > 0) return slot - 1
    const chunk = this.#chunks.previous[slot >> CHUNK_SHIFT]!
    return chunk < 0 ? -1 : this.#lastIn(chunk)
  }

  valueAt(slot: number): T {
    this.#assertSlot(slot)
    return this.#chunks.valueAt(slot)!
  }

  startHiAt(slot: number): number {
    return this.#chunks.startHiAt(slot)
  }

  startLoAt(slot: number): number {
    return this.#chunks.startLoAt(slot)
  }

  lastHiAt(slot: number): number {
    return this.#chunks.lastHiAt(slot)
  }

  lastLoAt(slot: number): number {
    return this.#chunks.lastLoAt(slot)
  }

  /**
   * The first hole that reaches to the address or beyond, cut off below the address: into `out`, `false` when
   * everything from the address on is covered. Continue at `out.last` + 1.
   */
  nextHole(hi: number, lo: number, out: ByteRange): boolean {
    out.startHi = hi
    out.startLo = lo
    let slot = this.firstEndingAt(hi, lo)
    while (slot >= 0 && !this.#chunks.startsAbove(slot, out.startHi, out.startLo)) {
      const lastHi = this.lastHiAt(slot)
      const lastLo = this.lastLoAt(slot)
      if ((lastHi & lastLo) === -1) return false
      out.startLo = (lastLo + 1) | 0
      out.startHi = out.startLo === 0 ? (lastHi + 1) | 0 : lastHi
      slot = this.next(slot)
    }
    out.lastHi = -1
    out.lastLo = -1
    if (slot >= 0) this.#endBelow(slot, out)
    return true
  }

  /** Values by ascending range. */
  *values(): Generator<T> {
    for (let slot = this.first(); slot >= 0; slot = this.next(slot)) yield this.valueAt(slot)
  }

  #endBelow(slot: number, out: ByteRange): void {
    const startLo = this.startLoAt(slot)
    out.lastLo = (startLo - 1) | 0
    out.lastHi = startLo === 0 ? (this.startHiAt(slot) - 1) | 0 : this.startHiAt(slot)
  }

  #assertSlot(slot: number): void {
    const count = this.#chunks.counts[slot >> CHUNK_SHIFT]
    if (count === undefined || (slot & RANK_MASK) >= count)
      broken(`slot ${slot} of ${this.size} ranges is gone`)
  }

  #lastIn(chunk: number): number {
    return (chunk << CHUNK_SHIFT) + this.#chunks.counts[chunk]! - 1
  }

  /** The highest range that starts at or below the address; -1 when none does. */
  #floor(hi: number, lo: number): number {
    const index = this.#indexOf(hi, lo)
    return index < 0 ? -1 : this.#chunks.floorIn(this.#directory[index]!, hi, lo)
  }

  /** Place in the directory of the chunk that holds `#floor`; -1 when the address is below everything. */
  #indexOf(hi: number, lo: number): number {
    const page = pageOf(hi, lo)
    const pages = this.#directoryPages
    const hint = this.#hint
    if (hint + 1 < this.#directoryLength && pages[hint]! < page && page < pages[hint + 1]!) return hint
    let low = 0
    let high = this.#directoryLength
    while (low < high) {
      const middle = (low + high) >>> 1
      const first = pages[middle]!
      if (first < page || (first === page && this.#firstOffset(middle) <= (lo & 4095))) low = middle + 1
      else high = middle
    }
    this.#hint = low === 0 ? 0 : low - 1
    return low - 1
  }

  #firstOffset(index: number): number {
    return this.#chunks.startLoAt(this.#directory[index]! << CHUNK_SHIFT) & 4095
  }

  /** Writes down the page of a chunk's first range. */
  #notePage(index: number): void {
    const slot = this.#directory[index]! << CHUNK_SHIFT
    this.#directoryPages[index] = pageOf(this.#chunks.startHiAt(slot), this.#chunks.startLoAt(slot))
  }

  /** Place in the directory of the slot's chunk. */
  #indexAt(slot: number): number {
    return this.#indexOf(this.startHiAt(slot), this.startLoAt(slot))
  }

  /** Opens a place in the chunk at the directory's index and returns its slot. */
  #makeRoom(index: number, rank: number): number {
    if (this.#directoryLength === 0) this.#addChunk(0)
    const chunk = this.#directory[index]!
    if (this.#chunks.counts[chunk] === CHUNK) return this.#split(index, rank)
    const slot = (chunk << CHUNK_SHIFT) + rank
    this.#chunks.open(slot)
    return slot
  }

  /** As `#makeRoom` in a full chunk. Growth at the upper end leaves full chunks behind. */
  #split(index: number, rank: number): number {
    const lower = this.#directory[index]!
    const atEnd = rank === CHUNK && index + 1 === this.#directoryLength
    const kept = atEnd ? CHUNK : CHUNK >> 1
    const upper = this.#addChunk(index + 1)
    this.#chunks.moveTail(lower, kept, upper)
    const slot = rank > kept || atEnd ? (upper << CHUNK_SHIFT) + rank - kept : (lower << CHUNK_SHIFT) + rank
    if (!atEnd) this.#notePage(index + 1)
    this.#chunks.open(slot)
    return slot
  }

  #addChunk(index: number): number {
    const length = this.#directoryLength++
    if (length === this.#directory.length) this.#growDirectory()
    this.#directory.copyWithin(index + 1, index, length)
    this.#directoryPages.copyWithin(index + 1, index, length)
    const chunk = this.#chunks.take(index === 0 ? -1 : this.#directory[index - 1]!)
    this.#directory[index] = chunk
    return chunk
  }

  #growDirectory(): void {
    const directory = new Int32Array(this.#directory.length * 2)
    directory.set(this.#directory)
    this.#directory = directory
    const pages = new Float64Array(directory.length)
    pages.set(this.#directoryPages)
    this.#directoryPages = pages
  }

  #dropChunk(index: number): void {
    this.#chunks.give(this.#directory[index]!)
    this.#directory.copyWithin(index, index + 1, this.#directoryLength)
    this.#directoryPages.copyWithin(index, index + 1, this.#directoryLength)
    this.#directoryLength--
  }

  #joinWithNext(index: number): void {
    if (index + 1 >= this.#directoryLength) return
    const chunk = this.#directory[index]!
    const other = this.#directory[index + 1]!
    if (this.#chunks.counts[chunk]! + this.#chunks.counts[other]! > JOINED_MAX) return
    this.#chunks.moveTail(other, 0, chunk)
    this.#dropChunk(index + 1)
  }
}

/** `0x… - 0x…`, for messages. */
export function rangeText(startHi: number, startLo: number, lastHi: number, lastLo: number): string {
  return `${hex64(startHi, startLo)} - ${hex64(lastHi, lastLo)}`
}
