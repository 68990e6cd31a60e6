// SPDX-License-Identifier: MIT
import { assert, broken } from '../../base/assert.ts'
import { ENOMEM } from '../../base/errno.ts'
import type { PhysicalMemory } from '../../hardware/memory.ts'
import type { TableFrames } from '../../hardware/page-tables/page-table.ts'
import type { Failpoints } from '../../sim/failpoint.ts'
import { HUGE_FRAMES, HugePool, hugeStart } from './huge-pool.ts'

export interface FrameAllocatorOptions {
  readonly memory: PhysicalMemory
  readonly failpoints: Failpoints
  /** First frame handed out; at least 1, so that frame 0 never belongs to anybody. Default 1. */
  readonly firstFrame?: number
  /** One past the last frame handed out. Default: all RAM, less the huge pages. */
  readonly endFrame?: number
  /** Huge pages set aside at the end of RAM. Default 0. */
  readonly hugePages?: number
}

/** What is known of a frame: word 0 counts its references; for a free one, word 3 is its position in the free list. */
const FRAME_WORDS = 4
const PINS = 1
const DIRTY = 2
const POSITION = 3

/**
 * The RAM frames of a machine: who holds how many references and pins on each (Linux's struct page). A frame goes
 * back when its last reference is put; each pin holds one reference.
 */
export class FrameAllocator implements TableFrames {
  readonly memory: PhysicalMemory
  readonly firstFrame: number
  readonly endFrame: number
  /** Frames with at least one reference. */
  inUse = 0
  /** Pins of all frames. */
  pinned = 0
  readonly #failpoints: Failpoints
  /** Frames from here on were never handed out. */
  #unused: number
  #freeCount = 0
  readonly #free: Int32Array
  /** FRAME_WORDS words a frame, so that what is known of it stands together. */
  readonly #known: Int32Array
  /** Huge pages, which lie above all other frames. */
  readonly huge: HugePool

  constructor({
    memory,
    failpoints,
    firstFrame = 1,
    hugePages = 0,
    endFrame = hugePages === 0 ? memory.frames : hugeStart(memory.frames, hugePages),
  }: FrameAllocatorOptions) {
    assert(firstFrame >= 1 && endFrame <= memory.frames, `frames ${firstFrame} to ${endFrame}`)
    assert(firstFrame < endFrame, `${hugePages} huge pages leave nothing of ${memory.frames} frames`)
    this.memory = memory
    this.firstFrame = firstFrame
    this.endFrame = endFrame
    this.#failpoints = failpoints
    this.#unused = firstFrame
    this.#free = new Int32Array(endFrame)
    const first = hugeStart(memory.frames, hugePages)
    this.#known = new Int32Array((hugePages === 0 ? endFrame : first + hugePages * HUGE_FRAMES) * FRAME_WORDS)
    this.huge = new HugePool(this, failpoints, first, hugePages)
  }

  get freeFrames(): number {
    return this.endFrame - this.#unused + this.#freeCount
  }

  /** A frame with one reference, its bytes undefined. ENOMEM (also by failpoint `alloc_page`). */
  alloc(): number {
    if (this.#failpoints.hit('alloc_page')) throw ENOMEM
    const frame = this.#take()
    if (frame < 0) throw ENOMEM
    return this.#handOut(frame)
  }

  /** A frame with one reference and zero bytes. ENOMEM. */
  allocZeroed(): number {
    const frame = this.alloc()
    this.memory.zero(frame)
    return frame
  }

  allocTable(): number {
    return this.allocZeroed()
  }

  freeTable(frame: number): void {
    this.put(frame)
  }

  /**
   * `frames` (a power of two) consecutive zeroed frames, naturally aligned; each has one reference. Returns the
   * first. ENOMEM.
   */
  allocContiguous(frames: number): number {
    assert(frames > 0 && (frames & (frames - 1)) === 0, `contiguous allocation of ${frames} frames`)
    if (this.#failpoints.hit('alloc_page')) throw ENOMEM
    const first = this.#takeRun(frames)
    for (let frame = first; frame < first + frames; frame++) this.#handOut(frame)
    this.memory.fill(first, 0, frames * 4096, 0)
    return first
  }

  /** Puts the reference of each of `frames` frames. */
  freeContiguous(first: number, frames: number): void {
    for (let frame = first; frame < first + frames; frame++) this.put(frame)
  }

  /** One reference on each frame of a huge page, which the pool hands out. */
  handOutHuge(first: number): void {
    for (let frame = first; frame < first + HUGE_FRAMES; frame++) this.#handOut(frame)
  }

  /** Whether the frame's references are counted here: RAM is, a device's memory is not. */
  owns(frame: number): boolean {
    return frame * FRAME_WORDS < this.#known.length
  }

  references(frame: number): number {
    return this.#known[frame * FRAME_WORDS]!
  }

  pins(frame: number): number {
    return this.#known[frame * FRAME_WORDS + PINS]!
  }

  /** References that are not pins: page tables and caches that hold the frame. */
  owners(frame: number): number {
    return this.references(frame) - this.pins(frame)
  }

  get(frame: number): void {
    const known = this.#known
    const at = frame * FRAME_WORDS
    const references = known[at]!
    if (!(references > 0)) wrong(frame, 'is free and gets a reference')
    known[at] = references + 1
  }

  put(frame: number): void {
    const known = this.#known
    const at = frame * FRAME_WORDS
    const left = known[at]! - 1
    if (!(left >= 0)) wrong(frame, 'is free and put')
    known[at] = left
    if (left === 0) this.#release(frame)
  }

  /** A long-term pin: a reference that outlives the mapping. */
  pin(frame: number): void {
    this.get(frame)
    this.#known[frame * FRAME_WORDS + PINS]!++
    this.pinned++
  }

  /** `pin` if the frame has exactly one owner; `false`, and nothing happens, when it has not. */
  pinExclusive(frame: number): boolean {
    const known = this.#known
    const at = frame * FRAME_WORDS
    const references = known[at]!
    const pins = known[at + PINS]!
    if (references - pins !== 1) return false
    known[at] = references + 1
    known[at + PINS] = pins + 1
    this.pinned++
    return true
  }

  /** `dirty`: the device may have written. */
  unpin(frame: number, dirty: boolean): void {
    const known = this.#known
    const at = frame * FRAME_WORDS
    const left = known[at + PINS]! - 1
    if (!(left >= 0)) wrong(frame, 'is unpinned and was not pinned')
    known[at + PINS] = left
    this.pinned--
    if (dirty) known[at + DIRTY] = 1
    this.put(frame)
  }

  markDirty(frame: number): void {
    this.#known[frame * FRAME_WORDS + DIRTY] = 1
  }

  isDirty(frame: number): boolean {
    return this.#known[frame * FRAME_WORDS + DIRTY] === 1
  }

  clearDirty(frame: number): void {
    this.#known[frame * FRAME_WORDS + DIRTY] = 0
  }

  #handOut(frame: number): number {
    const at = frame * FRAME_WORDS
    this.#known[at] = 1
    this.#known[at + DIRTY] = 0
    this.inUse++
    return frame
  }

  #release(frame: number): void {
    if (this.pins(frame) !== 0) wrong(frame, 'is pinned and lost its last reference')
    this.inUse--
    if (frame < this.endFrame) this.#give(frame)
    else this.huge.freed(frame)
  }

  /** Any free frame, the one given back last first; -1 when there is none. */
  #take(): number {
    if (this.#freeCount > 0) return this.#free[--this.#freeCount]!
    return this.#unused < this.endFrame ? this.#unused++ : -1
  }

  #give(frame: number): void {
    this.#known[frame * FRAME_WORDS + POSITION] = this.#freeCount
    this.#free[this.#freeCount++] = frame
  }

  #takeRun(frames: number): number {
    const start = Math.ceil(this.#unused / frames) * frames
    if (start + frames > this.endFrame) return this.#takeRunFromFree(frames)
    while (this.#unused < start) this.#give(this.#unused++)
    this.#unused = start + frames
    return start
  }

  /** Looks at every aligned run below the never used frames. */
  #takeRunFromFree(frames: number): number {
    for (let start = frames; start + frames <= this.endFrame; start += frames) {
      if (start < this.firstFrame || !this.#isFreeRun(start, frames)) continue
      for (let frame = start; frame < start + frames; frame++) this.#removeFree(frame)
      return start
    }
    throw ENOMEM
  }

  #isFreeRun(start: number, frames: number): boolean {
    if (start + frames > this.#unused) return false
    for (let frame = start; frame < start + frames; frame++) {
      if (this.references(frame) !== 0) return false
    }
    return true
  }

  #removeFree(frame: number): void {
    const hole = this.#known[frame * FRAME_WORDS + POSITION]!
    const moved = this.#free[--this.#freeCount]!
    this.#free[hole] = moved
    this.#known[moved * FRAME_WORDS + POSITION] = hole
  }
}

/** In a function of its own, because a text that two checks share is built before both. */
function wrong(frame: number, what: string): never {
  broken(`frame ${frame} ${what}`)
}
