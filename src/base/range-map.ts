// SPDX-License-Identifier: MIT
import { broken } from './assert.ts'
import { CHUNK, CHUNK_SHIFT, RangeChunks } from './range-chunks.ts'
import { compareU64, hex64, pageOf } from './u64.ts'

/** A chunk with fewer ranges is joined with the next one when both together have no more than `JOINED_MAX`. */
const CHUNK_SPARSE = 16
const JOINED_MAX = 48

/** The module's own, because the compiler folds no imported constant. */
const SHIFT = CHUNK_SHIFT
const FULL = CHUNK
const RANK = CHUNK - 1

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
  /** Chunks in ascending order, and the page of the first range of each; behind them Infinity. */
  #directory: Int32Array
  #directoryPages: Float64Array
  #directoryLength = 0
  /** Place in the directory that the last search found: look there first. */
  #hint = 0

  constructor() {
    this.#chunks = new RangeChunks<T>()
    this.#directory = new Int32Array(16)
    this.#directoryPages = new Float64Array(16).fill(Number.POSITIVE_INFINITY)
  }

  /** Adds `start … last`; `false`, and nothing happens, when it overlaps a range. */
  insert(startHi: number, startLo: number, lastHi: number, lastLo: number, value: T): boolean {
    if (startHi !== lastHi || startLo >>> 0 > lastLo >>> 0) checkOrder(startHi, startLo, lastHi, lastLo)
    const before = this.#floor(startHi, startLo)
    const slot = this.#placeAfter(before, startHi, startLo, lastHi, lastLo)
    if (slot >= 0) {
      this.#chunks.add(slot, startHi, startLo, lastHi, lastLo, value)
      this.size++
      return true
    }
    return this.#insertCarefully(before, startHi, startLo, lastHi, lastLo, value)
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
    const chunk = slot >> SHIFT
    const rank = slot & RANK
    const { counts, next } = this.#chunks
    const left = counts[chunk]! - 1
    if (!(rank <= left)) gone(slot, this.size)
    if (rank === 0 || left < CHUNK_SPARSE) return this.#removeCarefully(slot)
    this.#chunks.close(slot)
    this.size--
    if (rank < left) return slot
    const following = next[chunk]!
    return following < 0 ? -1 : following << SHIFT
  }

  clear(): void {
    for (let slot = this.last(); slot >= 0; slot = this.last()) this.remove(slot)
  }

  /** Slot of the lowest range; -1 while empty. */
  first(): number {
    return this.size === 0 ? -1 : this.#directory[0]! << SHIFT
  }

  /** Slot of the highest range; -1 while empty. */
  last(): number {
    return this.size === 0 ? -1 : this.#lastIn(this.#directory[this.#directoryLength - 1]!)
  }

  /** Slot of the range above; -1 after the highest. */
  next(slot: number): number {
    this.#assertSlot(slot)
    return this.#following(slot)
  }

  /** Slot of the range below; -1 before the lowest. */
  previous(slot: number): number {
    this.#assertSlot(slot)
    if ((slot & RANK) > 0) return slot - 1
    const chunk = this.#chunks.previous[slot >> SHIFT]!
    return chunk < 0 ? -1 : this.#lastIn(chunk)
  }

  valueAt(slot: number): T {
    this.#assertSlot(slot)
    return this.#chunks.values[this.#chunks.indexOf(slot)]!
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

  /** The slot to open after `before` in the common case: there is room in its chunk, and pages tell that nothing overlaps. */
  #placeAfter(before: number, startHi: number, startLo: number, lastHi: number, lastLo: number): number {
    if (before < 0) return -1
    const { counts, lastPages, order, startPages } = this.#chunks
    const base = before & ~RANK
    const end = base + counts[before >> SHIFT]!
    if (end - base === FULL || lastPages[base + order[before]!]! >= pageOf(startHi, startLo)) return -1
    if (before + 1 === end) return this.#hint + 1 === this.#directoryLength ? end : -1
    return pageOf(lastHi, lastLo) < startPages[base + order[before + 1]!]! ? before + 1 : -1
  }

  /** As `insert`, for every case. */
  #insertCarefully(
    before: number,
    startHi: number,
    startLo: number,
    lastHi: number,
    lastLo: number,
    value: T,
  ): boolean {
    const chunks = this.#chunks
    if (before >= 0 && !chunks.endsBelow(before, startHi, startLo)) return false
    const after = before < 0 ? this.first() : this.#following(before)
    if (after >= 0 && !chunks.startsAbove(after, lastHi, lastLo)) return false
    const slot = this.#makeRoom(before)
    chunks.add(slot, startHi, startLo, lastHi, lastLo, value)
    if ((slot & RANK) === 0) this.#notePage(before < 0 ? 0 : this.#hint + 1)
    this.size++
    return true
  }

  /** As `remove`, where the directory or the next chunk may change too. */
  #removeCarefully(slot: number): number {
    const chunk = slot >> SHIFT
    const { counts, next } = this.#chunks
    const index = this.#directory[this.#hint] === chunk ? this.#hint : this.#indexAt(slot)
    this.#chunks.close(slot)
    this.size--
    const following = next[chunk]!
    const count = counts[chunk]!
    if (count === 0) {
      this.#dropChunk(index)
      return following < 0 ? -1 : following << SHIFT
    }
    if ((slot & RANK) === 0) this.#notePage(index)
    if (count < CHUNK_SPARSE) this.#joinWithNext(index)
    if ((slot & RANK) < counts[chunk]!) return slot
    return following < 0 ? -1 : following << SHIFT
  }

  #endBelow(slot: number, out: ByteRange): void {
    const startLo = this.startLoAt(slot)
    out.lastLo = (startLo - 1) | 0
    out.lastHi = startLo === 0 ? (this.startHiAt(slot) - 1) | 0 : this.startHiAt(slot)
  }

  #assertSlot(slot: number): void {
    const count = this.#chunks.counts[slot >> SHIFT]
    if (count === undefined || (slot & RANK) >= count) gone(slot, this.size)
  }

  #lastIn(chunk: number): number {
    return (chunk << SHIFT) + this.#chunks.counts[chunk]! - 1
  }

  #following(slot: number): number {
    const chunk = slot >> SHIFT
    if ((slot & RANK) + 1 < this.#chunks.counts[chunk]!) return slot + 1
    const following = this.#chunks.next[chunk]!
    return following < 0 ? -1 : following << SHIFT
  }

  /** The highest range that starts at or below the address; -1 when none does. Its chunk is then the hint. */
  #floor(hi: number, lo: number): number {
    const page = pageOf(hi, lo)
    const hint = this.#hint
    const known = this.#directoryPages[hint]! < page && page < this.#directoryPages[hint + 1]!
    const index = known ? hint : this.#indexOf(hi, lo)
    if (index < 0) return -1
    const chunks = this.#chunks
    const chunk = this.#directory[index]!
    const base = chunk << SHIFT
    const { order, startPages } = chunks
    const top = base + chunks.counts[chunk]! - 1
    const reach = startPages[base + order[top]!]!
    if (reach < page) return top
    // Areas are mostly of one size and side by side: the first guess is the range or near it.
    const first = this.#directoryPages[index]!
    let low = base
    let high = top + 1
    let guess = base + ((((page - first) * (top - base)) / (reach - first)) | 0)
    for (let near = 1; high - low > 1; near <<= 2) {
      const at = base + order[guess]!
      const start = startPages[at]!
      if (start < page || (start === page && (chunks.offsets[at]! & 4095) <= (lo & 4095))) {
        low = guess
        guess += near
      } else {
        high = guess
        guess -= near
      }
      if (guess <= low || guess >= high) guess = (low + high) >>> 1
    }
    return low
  }

  /** Place in the directory of the chunk that holds `#floor`; -1 when the address is below everything. */
  #indexOf(hi: number, lo: number): number {
    const page = pageOf(hi, lo)
    const pages = this.#directoryPages
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
    return this.#chunks.startLoAt(this.#directory[index]! << SHIFT) & 4095
  }

  /** Writes down the page of a chunk's first range. */
  #notePage(index: number): void {
    const slot = this.#directory[index]! << SHIFT
    this.#directoryPages[index] = this.#chunks.startPages[this.#chunks.indexOf(slot)]!
  }

  /** Place in the directory of the slot's chunk. */
  #indexAt(slot: number): number {
    return this.#indexOf(this.startHiAt(slot), this.startLoAt(slot))
  }

  /** The slot to open after `before`, which the last `#floor` found: at a border, in the emptier chunk. */
  #makeRoom(before: number): number {
    if (before < 0) return this.#makeRoomFirst()
    const { counts, next } = this.#chunks
    const chunk = before >> SHIFT
    const rank = (before & RANK) + 1
    const count = counts[chunk]!
    if (rank === count) {
      const following = next[chunk]!
      if (following >= 0 && counts[following]! < count) return following << SHIFT
    }
    return count === FULL ? this.#split(this.#hint, rank) : (chunk << SHIFT) + rank
  }

  #makeRoomFirst(): number {
    if (this.#directoryLength === 0) this.#addChunk(0)
    const chunk = this.#directory[0]!
    return this.#chunks.counts[chunk] === FULL ? this.#split(0, 0) : chunk << SHIFT
  }

  /** As `#makeRoom` in a full chunk. Growth at the upper end leaves full chunks behind. */
  #split(index: number, rank: number): number {
    const lower = this.#directory[index]!
    const atEnd = rank === FULL && index + 1 === this.#directoryLength
    const kept = atEnd ? FULL : FULL >> 1
    const upper = this.#addChunk(index + 1)
    this.#chunks.moveTail(lower, kept, upper)
    const slot = rank > kept || atEnd ? (upper << SHIFT) + rank - kept : (lower << SHIFT) + rank
    if (!atEnd) this.#notePage(index + 1)
    return slot
  }

  #addChunk(index: number): number {
    const length = this.#directoryLength++
    if (length + 1 === this.#directory.length) this.#growDirectory()
    if (index < length) {
      this.#directory.copyWithin(index + 1, index, length)
      this.#directoryPages.copyWithin(index + 1, index, length)
    }
    const chunk = this.#chunks.take(index === 0 ? -1 : this.#directory[index - 1]!)
    this.#directory[index] = chunk
    this.#directoryPages[length + 1] = Number.POSITIVE_INFINITY
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
    this.#directoryPages.copyWithin(index, index + 1, this.#directoryLength + 1)
    this.#directoryLength--
    this.#hint = 0
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

/** In a function of its own, because a text that two checks share is built before both. */
function gone(slot: number, size: number): never {
  broken(`slot ${slot} of ${size} ranges is gone`)
}

function checkOrder(startHi: number, startLo: number, lastHi: number, lastLo: number): void {
  if (compareU64(startHi, startLo, lastHi, lastLo) > 0) broken('range ends before it starts')
}

/** `0x… - 0x…`, for messages. */
export function rangeText(startHi: number, startLo: number, lastHi: number, lastLo: number): string {
  return `${hex64(startHi, startLo)} - ${hex64(lastHi, lastLo)}`
}
