// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { type BulkMemory, createBulkMemory, hostWasm } from './memory/wasm-copy.ts'

const FRAME_BYTES = 4096
const RAM_BYTES_MAX = 2 ** 32

/** Frame numbers are below 2^31 (physical addresses of 43 bits), so that they stay small integers everywhere. */
export const FRAME_LIMIT: number = 2 ** 31

/** Frames that are not RAM: for instance pages of another process. `frame` counts from the backing's first frame. */
export interface FrameBacking {
  /** Copies `length` bytes of one frame to `into[at...]`. `false`: bus error. */
  read(frame: number, offset: number, into: Uint8Array, at: number, length: number): boolean
  /** Copies `length` bytes of `from[at...]` into one frame. `false`: bus error. */
  write(frame: number, offset: number, from: Uint8Array, at: number, length: number): boolean
}

export interface PhysicalMemoryOptions {
  /** RAM size: a multiple of 4096, at most 4 GiB. */
  readonly bytes: number
  /** `false`: a plain array instead of WebAssembly memory. */
  readonly wasm?: boolean
}

interface BackedRange {
  readonly first: number
  readonly frames: number
  readonly backing: FrameBacking
}

/**
 * Physical memory in frames of 4 KiB, little-endian. RAM is frames 0 ... `frames`-1; other frames exist where
 * `addBacking` put them. Nothing here throws on a wrong frame: loads give all ones, stores vanish, block operations
 * return `false`, and `busErrors` counts.
 */
export class PhysicalMemory {
  /** Number of RAM frames. */
  readonly frames: number
  /** All RAM, by byte address. */
  readonly bytes: Uint8Array
  /** All RAM as int32: the first word of a frame is `frame * 1024`. */
  readonly words: Int32Array
  readonly kind: BulkMemory['kind']
  /** Accesses to frames that do not exist, or that their backing refused. */
  busErrors = 0
  /** Results of `load64`. */
  loadedHi = 0
  loadedLo = 0
  readonly #copyRam: BulkMemory['copy']
  readonly #copyCached: BulkMemory['copy']
  readonly #fillRam: BulkMemory['fill']
  readonly #scratch: Uint8Array = new Uint8Array(FRAME_BYTES)
  readonly #scratchWords: Int32Array = new Int32Array(this.#scratch.buffer)
  readonly #backed: BackedRange[] = []

  constructor({ bytes, wasm = true }: PhysicalMemoryOptions) {
    assert(
      Number.isInteger(bytes / FRAME_BYTES) && bytes > 0 && bytes <= RAM_BYTES_MAX,
      `RAM of ${bytes} bytes: expected a multiple of 4096 up to 4 GiB`,
    )
    const bulk = createBulkMemory(bytes, wasm ? hostWasm() : undefined)
    this.frames = bytes / FRAME_BYTES
    this.bytes = new Uint8Array(bulk.buffer, 0, bytes)
    this.words = new Int32Array(bulk.buffer, 0, bytes / 4)
    this.kind = bulk.kind
    this.#copyRam = bulk.copy
    this.#copyCached = bulk.copyCached
    this.#fillRam = bulk.fill
  }

  isRam(frame: number): boolean {
    return frame >= 0 && frame < this.frames
  }

  /** Whether the frame is RAM or has a backing. */
  exists(frame: number): boolean {
    return this.isRam(frame) || this.#backingOf(frame) !== undefined
  }

  /** Gives `frames` frames from `firstFrame` on to `backing`. They must lie above RAM and be nobody's. */
  addBacking(firstFrame: number, frames: number, backing: FrameBacking): void {
    const end = firstFrame + frames
    assert(
      firstFrame >= this.frames && frames > 0 && end <= FRAME_LIMIT,
      `backing at ${firstFrame}+${frames}`,
    )
    for (const range of this.#backed) {
      assert(
        end <= range.first || firstFrame >= range.first + range.frames,
        `backing at ${firstFrame} overlaps`,
      )
    }
    this.#backed.push({ first: firstFrame, frames, backing })
  }

  removeBacking(backing: FrameBacking): void {
    const at = this.#backed.findIndex((range) => range.backing === backing)
    assert(at >= 0, 'removing a backing that was never added')
    this.#backed.splice(at, 1)
  }

  /** Copies `length` bytes; overlap is fine. Only inside RAM may either side run over its frame's end. */
  copy(toFrame: number, toOffset: number, fromFrame: number, fromOffset: number, length: number): boolean {
    if (
      this.isRam(toFrame) &&
      this.isRam(fromFrame) &&
      toOffset + length <= FRAME_BYTES &&
      fromOffset + length <= FRAME_BYTES
    ) {
      this.#copyRam((toFrame << 12) + toOffset, (fromFrame << 12) + fromOffset, length)
      return true
    }
    return this.#copySpanning(toFrame, toOffset, fromFrame, fromOffset, length)
  }

  /**
   * Copies the first `count` frames of `from` to those of `to`, in order; frames that continue one another at once.
   * Returns how many: it stops at a frame that is not RAM. `cached`: what is copied is probably in the processor's cache.
   */
  copyFrames(to: Int32Array, from: Int32Array, count: number, cached: boolean): number {
    let done = 0
    while (done < count) {
      const first = to[done]!
      const source = from[done]!
      if (!this.isRam(first) || !this.isRam(source)) break
      const next = done + 1
      const continues = next < count && to[next] === first + 1 && from[next] === source + 1
      const run = continues ? this.#runLength(to, from, done, count) : 1
      if (cached) this.#copyCached(first << 12, source << 12, run << 12)
      else this.#copyRam(first << 12, source << 12, run << 12)
      done += run
    }
    return done
  }

  /** How many frames from `start` on follow one another on both sides, in RAM, and do not overlap. */
  #runLength(to: Int32Array, from: Int32Array, start: number, count: number): number {
    const first = to[start]!
    const source = from[start]!
    const most = Math.min(count - start, this.frames - first, this.frames - source, Math.abs(first - source))
    let run = 1
    while (run < most && to[start + run] === first + run && from[start + run] === source + run) run++
    return run
  }

  /** A copy that leaves a frame or RAM. */
  #copySpanning(
    toFrame: number,
    toOffset: number,
    fromFrame: number,
    fromOffset: number,
    length: number,
  ): boolean {
    if (this.#inRam(toFrame, toOffset, length) && this.#inRam(fromFrame, fromOffset, length)) {
      this.#copyRam((toFrame << 12) + toOffset, (fromFrame << 12) + fromOffset, length)
      return true
    }
    return this.#copyBacked(toFrame, toOffset, fromFrame, fromOffset, length)
  }

  /** Sets `length` bytes. */
  fill(frame: number, offset: number, length: number, value: number): boolean {
    if (this.#inRam(frame, offset, length)) {
      this.#fillRam((frame << 12) + offset, value, length)
      return true
    }
    this.#scratch.fill(value, 0, length)
    return this.write(frame, offset, this.#scratch, 0, length)
  }

  zero(frame: number): boolean {
    return this.fill(frame, 0, FRAME_BYTES, 0)
  }

  /** Copies `length` bytes of physical memory to `into[at...]`. */
  read(frame: number, offset: number, into: Uint8Array, at: number, length: number): boolean {
    if (!this.#inRam(frame, offset, length)) return this.#readBacked(frame, offset, into, at, length)
    copyBetween(into, at, this.bytes, frame * FRAME_BYTES + offset, length)
    return true
  }

  /** Copies `length` bytes of `from[at...]` to physical memory. */
  write(frame: number, offset: number, from: Uint8Array, at: number, length: number): boolean {
    if (!this.#inRam(frame, offset, length)) return this.#writeBacked(frame, offset, from, at, length)
    copyBetween(this.bytes, frame * FRAME_BYTES + offset, from, at, length)
    return true
  }

  /** The int32 at a byte offset that is a multiple of 4; -1 on a bus error. */
  load32(frame: number, offset: number): number {
    if (this.isRam(frame)) return this.words[(frame << 10) + (offset >> 2)]!
    return this.#readBacked(frame, offset, this.#scratch, 0, 4) ? this.#scratchWords[0]! : -1
  }

  store32(frame: number, offset: number, value: number): void {
    if (this.isRam(frame)) {
      this.words[(frame << 10) + (offset >> 2)] = value
      return
    }
    this.#scratchWords[0] = value
    this.#writeBacked(frame, offset, this.#scratch, 0, 4)
  }

  /** Loads the 64 bits at a byte offset that is a multiple of 8 into `loadedHi` and `loadedLo`. */
  load64(frame: number, offset: number): void {
    this.loadedLo = this.load32(frame, offset)
    this.loadedHi = this.load32(frame, offset + 4)
  }

  store64(frame: number, offset: number, hi: number, lo: number): void {
    this.store32(frame, offset, lo)
    this.store32(frame, offset + 4, hi)
  }

  #inRam(frame: number, offset: number, length: number): boolean {
    if (frame < 0 || frame >= this.frames) return false
    const end = offset + length
    return end <= FRAME_BYTES || frame * FRAME_BYTES + end <= this.frames * FRAME_BYTES
  }

  #backingOf(frame: number): BackedRange | undefined {
    for (const range of this.#backed) {
      if (frame >= range.first && frame < range.first + range.frames) return range
    }
    return undefined
  }

  #readBacked(frame: number, offset: number, into: Uint8Array, at: number, length: number): boolean {
    const range = this.#rangeFor(frame, offset, length)
    if (range?.backing.read(frame - range.first, offset, into, at, length)) return true
    this.busErrors++
    return false
  }

  #writeBacked(frame: number, offset: number, from: Uint8Array, at: number, length: number): boolean {
    const range = this.#rangeFor(frame, offset, length)
    if (range?.backing.write(frame - range.first, offset, from, at, length)) return true
    this.busErrors++
    return false
  }

  #rangeFor(frame: number, offset: number, length: number): BackedRange | undefined {
    return offset + length <= FRAME_BYTES ? this.#backingOf(frame) : undefined
  }

  #copyBacked(
    toFrame: number,
    toOffset: number,
    fromFrame: number,
    fromOffset: number,
    length: number,
  ): boolean {
    if (this.isRam(toFrame)) return this.#readBackedToRam(toFrame, toOffset, fromFrame, fromOffset, length)
    if (this.isRam(fromFrame)) {
      return this.#writeBacked(toFrame, toOffset, this.bytes, fromFrame * FRAME_BYTES + fromOffset, length)
    }
    return (
      this.#readBacked(fromFrame, fromOffset, this.#scratch, 0, length) &&
      this.#writeBacked(toFrame, toOffset, this.#scratch, 0, length)
    )
  }

  #readBackedToRam(
    toFrame: number,
    toOffset: number,
    frame: number,
    offset: number,
    length: number,
  ): boolean {
    if (this.#inRam(toFrame, toOffset, length)) {
      return this.#readBacked(frame, offset, this.bytes, toFrame * FRAME_BYTES + toOffset, length)
    }
    this.busErrors++
    return false
  }
}

const LOOP_BYTES_MAX = 96

/** Below some 100 bytes, the longest struct of a command, a loop is as fast as a view and makes no garbage. */
function copyBetween(to: Uint8Array, toAt: number, from: Uint8Array, fromAt: number, length: number): void {
  if (length > LOOP_BYTES_MAX) {
    to.set(from.subarray(fromAt, fromAt + length), toAt)
    return
  }
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i]!
}
