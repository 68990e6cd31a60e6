// SPDX-License-Identifier: MIT
import { assert } from './assert.ts'
import { compareU64, hex64, pageHi, pageLo, pageOf } from './u64.ts'

/** Ranges a chunk holds at most. */
const CHUNK = 64

/** A chunk with fewer ranges is joined with its neighbour when both fit into `JOINED_MAX`. */
const CHUNK_SPARSE = 16
const JOINED_MAX = 48

/** Slots of one chunk; a slot is chunk number × CHUNK + place. */
const CHUNK_SHIFT = 6
const PLACE_MASK = CHUNK - 1

/** A closed range of bytes; results of `RangeMap.nextHole`. */
export class ByteRange {
  startHi = 0
  startLo = 0
  lastHi = 0
  lastLo = 0
}

/** Up to 64 ranges in ascending order. A byte address is a page number and an offset in the page. */
class Chunk<T> {
  count = 0
  readonly startPages: Float64Array = new Float64Array(CHUNK)
  readonly lastPages: Float64Array = new Float64Array(CHUNK)
  /** Start offset in bits 11:0, last offset in bits 27:16. */
  readonly offsets: Int32Array = new Int32Array(CHUNK)
  readonly values: (T | undefined)[] = Array.from({ length: CHUNK }, () => undefined)

  /** Moves `count` entries at `from` to `to` of another chunk, or of this one. */
  copyTo(other: Chunk<T>, to: number, from: number, count: number): void {
    other.startPages.set(this.startPages.subarray(from, from + count), to)
    other.lastPages.set(this.lastPages.subarray(from, from + count), to)
    other.offsets.set(this.offsets.subarray(from, from + count), to)
    for (let i = 0; i < count; i++) other.values[to + i] = this.values[from + i]
  }

  /** Makes room at the place. */
  open(place: number): void {
    for (let i = this.count; i > place; i--) this.#move(i - 1, i)
    this.count++
  }

  /** Removes the entry at the place. */
  close(place: number): void {
    this.count--
    for (let i = place; i < this.count; i++) this.#move(i + 1, i)
    this.values[this.count] = undefined
  }

  /** Forgets the entries from the place on. */
  truncate(place: number): void {
    this.values.fill(undefined, place, this.count)
    this.count = place
  }

  /** Number of ranges that start at or below the address. */
  countUpTo(page: number, offset: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      const start = this.startPages[middle]!
      if (start < page || (start === page && (this.offsets[middle]! & 4095) <= offset)) low = middle + 1
      else high = middle
    }
    return low
  }

  #move(from: number, to: number): void {
    this.startPages[to] = this.startPages[from]!
    this.lastPages[to] = this.lastPages[from]!
    this.offsets[to] = this.offsets[from]!
    this.values[to] = this.values[from]
  }
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
  size: number
  readonly #chunks: Chunk<T>[]
  /** Page of each chunk's first range; as long as the capacity, not as the number of chunks. */
  #firstPages: Float64Array
  readonly #spare: Chunk<T>[]

  constructor() {
    this.size = 0
    this.#chunks = []
    this.#firstPages = new Float64Array(16)
    this.#spare = []
  }

  /** Adds `start … last`; `false`, and nothing happens, when it overlaps a range. */
  insert(startHi: number, startLo: number, lastHi: number, lastLo: number, value: T): boolean {
    assert(compareU64(startHi, startLo, lastHi, lastLo) <= 0, 'range ends before it starts')
    const startPage = pageOf(startHi, startLo)
    const lastPage = pageOf(lastHi, lastLo)
    const before = this.#floor(startPage, startLo & 4095)
    if (before >= 0 && !this.#endsBefore(before, startPage, startLo & 4095)) return false
    const after = before < 0 ? this.first() : this.next(before)
    if (after >= 0 && !this.#startsAfter(after, lastPage, lastLo & 4095)) return false
    const slot = this.#makeRoom(before)
    const chunk = this.#chunks[slot >> CHUNK_SHIFT]!
    const place = slot & PLACE_MASK
    chunk.startPages[place] = startPage
    chunk.lastPages[place] = lastPage
    chunk.offsets[place] = (startLo & 4095) | ((lastLo & 4095) << 16)
    chunk.values[place] = value
    if (place === 0) this.#firstPages[slot >> CHUNK_SHIFT] = startPage
    this.size++
    return true
  }

  /** The range that holds the byte; -1 when none does. */
  find(hi: number, lo: number): number {
    const page = pageOf(hi, lo)
    const slot = this.#floor(page, lo & 4095)
    return slot < 0 || this.#endsBefore(slot, page, lo & 4095) ? -1 : slot
  }

  /** The lowest range that shares a byte with `start … last`; -1 when none does. */
  firstOverlap(startHi: number, startLo: number, lastHi: number, lastLo: number): number {
    const slot = this.firstEndingAt(startHi, startLo)
    return slot < 0 || this.#startsAfter(slot, pageOf(lastHi, lastLo), lastLo & 4095) ? -1 : slot
  }

  /** The lowest range whose last byte is at or above the address; -1 when there is none. */
  firstEndingAt(hi: number, lo: number): number {
    const page = pageOf(hi, lo)
    const slot = this.#floor(page, lo & 4095)
    if (slot < 0) return this.first()
    return this.#endsBefore(slot, page, lo & 4095) ? this.next(slot) : slot
  }

  /** Removes the range of the slot and returns the slot of the one that followed, -1 after the last. */
  remove(slot: number): number {
    const index = slot >> CHUNK_SHIFT
    const place = slot & PLACE_MASK
    const chunk = this.#chunkAt(slot)
    chunk.close(place)
    this.size--
    if (chunk.count === 0) {
      this.#dropChunk(index)
      return index < this.#chunks.length ? index << CHUNK_SHIFT : -1
    }
    if (place === 0) this.#firstPages[index] = chunk.startPages[0]!
    if (chunk.count < CHUNK_SPARSE) this.#joinWithNext(index)
    if (place < chunk.count) return slot
    return index + 1 < this.#chunks.length ? (index + 1) << CHUNK_SHIFT : -1
  }

  clear(): void {
    this.#chunks.length = 0
    this.size = 0
  }

  /** Slot of the lowest range; -1 while empty. */
  first(): number {
    return this.size === 0 ? -1 : 0
  }

  /** Slot of the highest range; -1 while empty. */
  last(): number {
    const index = this.#chunks.length - 1
    return index < 0 ? -1 : (index << CHUNK_SHIFT) + this.#chunks[index]!.count - 1
  }

  /** Slot of the range above; -1 after the highest. */
  next(slot: number): number {
    const index = slot >> CHUNK_SHIFT
    if ((slot & PLACE_MASK) + 1 < this.#chunkAt(slot).count) return slot + 1
    return index + 1 < this.#chunks.length ? (index + 1) << CHUNK_SHIFT : -1
  }

  /** Slot of the range below; -1 before the lowest. */
  previous(slot: number): number {
    if ((slot & PLACE_MASK) > 0) return slot - 1
    const index = (slot >> CHUNK_SHIFT) - 1
    return index < 0 ? -1 : (index << CHUNK_SHIFT) + this.#chunks[index]!.count - 1
  }

  valueAt(slot: number): T {
    return this.#chunkAt(slot).values[slot & PLACE_MASK]!
  }

  startHiAt(slot: number): number {
    return pageHi(this.#chunkAt(slot).startPages[slot & PLACE_MASK]!)
  }

  startLoAt(slot: number): number {
    const chunk = this.#chunkAt(slot)
    return pageLo(chunk.startPages[slot & PLACE_MASK]!) | (chunk.offsets[slot & PLACE_MASK]! & 4095)
  }

  lastHiAt(slot: number): number {
    return pageHi(this.#chunkAt(slot).lastPages[slot & PLACE_MASK]!)
  }

  lastLoAt(slot: number): number {
    const chunk = this.#chunkAt(slot)
    return pageLo(chunk.lastPages[slot & PLACE_MASK]!) | (chunk.offsets[slot & PLACE_MASK]! >>> 16)
  }

  /**
   * The first hole that reaches to the address or beyond, cut off below the address: into `out`, `false` when
   * everything from the address on is covered. Continue at `out.last` + 1.
   */
  nextHole(hi: number, lo: number, out: ByteRange): boolean {
    out.startHi = hi
    out.startLo = lo
    let slot = this.firstEndingAt(hi, lo)
    while (
      slot >= 0 &&
      compareU64(this.startHiAt(slot), this.startLoAt(slot), out.startHi, out.startLo) <= 0
    ) {
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

  #chunkAt(slot: number): Chunk<T> {
    const chunk = this.#chunks[slot >> CHUNK_SHIFT]
    assert(chunk !== undefined && (slot & PLACE_MASK) < chunk.count, `slot ${slot} of ${this.size} ranges`)
    return chunk
  }

  /** The highest range that starts at or below the address; -1 when none does. */
  #floor(page: number, offset: number): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const first = this.#firstPages[middle]!
      if (first < page || (first === page && (this.#chunks[middle]!.offsets[0]! & 4095) <= offset))
        low = middle + 1
      else high = middle
    }
    if (low === 0) return -1
    return ((low - 1) << CHUNK_SHIFT) + this.#chunks[low - 1]!.countUpTo(page, offset) - 1
  }

  #endsBefore(slot: number, page: number, offset: number): boolean {
    const chunk = this.#chunks[slot >> CHUNK_SHIFT]!
    const last = chunk.lastPages[slot & PLACE_MASK]!
    return last < page || (last === page && chunk.offsets[slot & PLACE_MASK]! >>> 16 < offset)
  }

  #startsAfter(slot: number, page: number, offset: number): boolean {
    const chunk = this.#chunks[slot >> CHUNK_SHIFT]!
    const start = chunk.startPages[slot & PLACE_MASK]!
    return start > page || (start === page && (chunk.offsets[slot & PLACE_MASK]! & 4095) > offset)
  }

  /** Opens a place after the slot (-1: before all) and returns it. */
  #makeRoom(before: number): number {
    if (this.#chunks.length === 0) this.#addChunk(0)
    const index = before < 0 ? 0 : before >> CHUNK_SHIFT
    const place = before < 0 ? 0 : (before & PLACE_MASK) + 1
    const chunk = this.#chunks[index]!
    if (chunk.count < CHUNK) {
      chunk.open(place)
      return (index << CHUNK_SHIFT) + place
    }
    return this.#split(index, place)
  }

  /** As `#makeRoom` in a full chunk. Growth at the upper end leaves full chunks behind. */
  #split(index: number, place: number): number {
    const chunk = this.#chunks[index]!
    const kept = place === CHUNK && index + 1 === this.#chunks.length ? CHUNK : CHUNK >> 1
    const upper = this.#addChunk(index + 1)
    chunk.copyTo(upper, 0, kept, CHUNK - kept)
    upper.count = CHUNK - kept
    chunk.truncate(kept)
    this.#firstPages[index + 1] = upper.startPages[0]!
    const inUpper = place > kept || kept === CHUNK
    const target = inUpper ? upper : chunk
    target.open(inUpper ? place - kept : place)
    return inUpper ? ((index + 1) << CHUNK_SHIFT) + place - kept : (index << CHUNK_SHIFT) + place
  }

  #addChunk(index: number): Chunk<T> {
    const count = this.#chunks.length
    if (count === this.#firstPages.length) {
      const grown = new Float64Array(count * 2)
      grown.set(this.#firstPages)
      this.#firstPages = grown
    }
    const chunk = this.#spare.pop() ?? new Chunk<T>()
    this.#firstPages.copyWithin(index + 1, index, count)
    this.#chunks.splice(index, 0, chunk)
    return chunk
  }

  #dropChunk(index: number): void {
    const [chunk] = this.#chunks.splice(index, 1)
    this.#firstPages.copyWithin(index, index + 1, this.#chunks.length + 1)
    chunk!.truncate(0)
    if (this.#spare.length < 4) this.#spare.push(chunk!)
  }

  #joinWithNext(index: number): void {
    const chunk = this.#chunks[index]!
    const other = this.#chunks[index + 1]
    if (other === undefined || chunk.count + other.count > JOINED_MAX) return
    other.copyTo(chunk, chunk.count, 0, other.count)
    chunk.count += other.count
    this.#dropChunk(index + 1)
  }
}

/** `0x… - 0x…`, for messages. */
export function rangeText(startHi: number, startLo: number, lastHi: number, lastLo: number): string {
  return `${hex64(startHi, startLo)} - ${hex64(lastHi, lastLo)}`
}
