// SPDX-License-Identifier: MIT
import { broken } from './assert.ts'
import { CHUNK, CHUNK_SHIFT, RangeChunks } from './range-chunks.ts'
import { RangeDirectory } from './range-directory.ts'
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
  readonly #directory: RangeDirectory

  constructor() {
    this.#chunks = new RangeChunks<T>()
    this.#directory = new RangeDirectory(this.#chunks)
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
    return this.size === 0 ? -1 : this.#directory.chunks[0]! << SHIFT
  }

  /** Slot of the highest range; -1 while empty. */
  last(): number {
    return this.size === 0 ? -1 : this.#lastIn(this.#directory.chunks[this.#directory.length - 1]!)
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
    if (before + 1 === end) return this.#directory.found + 1 === this.#directory.length ? end : -1
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
    if ((slot & RANK) === 0) this.#directory.note(before < 0 ? 0 : this.#directory.found + 1)
    this.size++
    return true
  }

  /** As `remove`, where the directory or the next chunk may change too. */
  #removeCarefully(slot: number): number {
    const chunk = slot >> SHIFT
    const { counts, next } = this.#chunks
    const place = this.#placeOf(slot)
    this.#chunks.close(slot)
    this.size--
    const following = next[chunk]!
    const count = counts[chunk]!
    if (count === 0) {
      this.#directory.drop(place)
      return following < 0 ? -1 : following << SHIFT
    }
    if ((slot & RANK) === 0) this.#directory.note(place)
    if (count < CHUNK_SPARSE) this.#joinWithNext(place)
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
    const directory = this.#directory
    const place = directory.find(hi, lo)
    if (place < 0) return -1
    const chunks = this.#chunks
    const chunk = directory.chunks[place]!
    const base = chunk << SHIFT
    const { order, startPages } = chunks
    const top = base + chunks.counts[chunk]! - 1
    const reach = startPages[base + order[top]!]!
    if (reach < page) return top
    // Areas are mostly of one size and side by side: the first guess is the range or near it.
    const first = directory.pages[place]!
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

  /** Place in the directory of the slot's chunk. */
  #placeOf(slot: number): number {
    const { chunks, found } = this.#directory
    if (chunks[found] === slot >> SHIFT) return found
    return this.#directory.find(this.startHiAt(slot), this.startLoAt(slot))
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
    return count === FULL ? this.#split(this.#directory.found, rank) : (chunk << SHIFT) + rank
  }

  #makeRoomFirst(): number {
    const directory = this.#directory
    const chunk = directory.length === 0 ? directory.add(0) : directory.chunks[0]!
    return this.#chunks.counts[chunk] === FULL ? this.#split(0, 0) : chunk << SHIFT
  }

  /** As `#makeRoom` in a full chunk. Growth at the upper end leaves full chunks behind. */
  #split(place: number, rank: number): number {
    const directory = this.#directory
    const lower = directory.chunks[place]!
    const atEnd = rank === FULL && place + 1 === directory.length
    const kept = atEnd ? FULL : FULL >> 1
    const upper = directory.add(place + 1)
    this.#chunks.moveTail(lower, kept, upper)
    const slot = rank > kept || atEnd ? (upper << SHIFT) + rank - kept : (lower << SHIFT) + rank
    if (!atEnd) directory.note(place + 1)
    return slot
  }

  #joinWithNext(place: number): void {
    const { chunks, length } = this.#directory
    if (place + 1 >= length) return
    const chunk = chunks[place]!
    const other = chunks[place + 1]!
    if (this.#chunks.counts[chunk]! + this.#chunks.counts[other]! > JOINED_MAX) return
    this.#chunks.moveTail(other, 0, chunk)
    this.#directory.drop(place + 1)
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
