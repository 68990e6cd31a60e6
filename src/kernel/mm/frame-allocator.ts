// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { ENOMEM } from '../../base/errno.ts'
import type { PhysicalMemory } from '../../hardware/memory.ts'
import type { TableFrames } from '../../hardware/page-tables/page-table.ts'
import type { Failpoints } from '../../sim/failpoint.ts'

export interface FrameAllocatorOptions {
  readonly memory: PhysicalMemory
  readonly failpoints: Failpoints
  /** First frame handed out; at least 1, so that frame 0 never belongs to anybody. Default 1. */
  readonly firstFrame?: number
  /** One past the last frame handed out. Default: all RAM. */
  readonly endFrame?: number
}

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
  /** Position of a free frame in `#free`. */
  readonly #position: Int32Array
  readonly #references: Int32Array
  readonly #pins: Int32Array
  readonly #dirty: Uint8Array

  constructor({ memory, failpoints, firstFrame = 1, endFrame = memory.frames }: FrameAllocatorOptions) {
    assert(firstFrame >= 1 && endFrame <= memory.frames, `frames ${firstFrame} to ${endFrame}`)
    this.memory = memory
    this.firstFrame = firstFrame
    this.endFrame = endFrame
    this.#failpoints = failpoints
    this.#unused = firstFrame
    this.#free = new Int32Array(endFrame)
    this.#position = new Int32Array(endFrame)
    this.#references = new Int32Array(endFrame)
    this.#pins = new Int32Array(endFrame)
    this.#dirty = new Uint8Array(endFrame)
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

  references(frame: number): number {
    return this.#references[frame]!
  }

  pins(frame: number): number {
    return this.#pins[frame]!
  }

  /** References that are not pins: page tables and caches that hold the frame. */
  owners(frame: number): number {
    return this.#references[frame]! - this.#pins[frame]!
  }

  get(frame: number): void {
    assert(this.#references[frame]! > 0, `reference to free frame ${frame}`)
    this.#references[frame]!++
  }

  put(frame: number): void {
    const left = this.#references[frame]! - 1
    assert(left >= 0, `put of free frame ${frame}`)
    this.#references[frame] = left
    if (left === 0) this.#release(frame)
  }

  /** A long-term pin: a reference that outlives the mapping. */
  pin(frame: number): void {
    this.get(frame)
    this.#pins[frame]!++
    this.pinned++
  }

  /** `dirty`: the device may have written. */
  unpin(frame: number, dirty: boolean): void {
    const left = this.#pins[frame]! - 1
    assert(left >= 0, `unpin of frame ${frame} that is not pinned`)
    this.#pins[frame] = left
    this.pinned--
    if (dirty) this.#dirty[frame] = 1
    this.put(frame)
  }

  markDirty(frame: number): void {
    this.#dirty[frame] = 1
  }

  isDirty(frame: number): boolean {
    return this.#dirty[frame] === 1
  }

  clearDirty(frame: number): void {
    this.#dirty[frame] = 0
  }

  #handOut(frame: number): number {
    this.#references[frame] = 1
    this.#dirty[frame] = 0
    this.inUse++
    return frame
  }

  #release(frame: number): void {
    assert(this.#pins[frame] === 0, `pinned frame ${frame} lost its last reference`)
    this.inUse--
    this.#give(frame)
  }

  /** Any free frame, the one given back last first; -1 when there is none. */
  #take(): number {
    if (this.#freeCount > 0) return this.#free[--this.#freeCount]!
    return this.#unused < this.endFrame ? this.#unused++ : -1
  }

  #give(frame: number): void {
    this.#position[frame] = this.#freeCount
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
      if (this.#references[frame] !== 0) return false
    }
    return true
  }

  #removeFree(frame: number): void {
    const hole = this.#position[frame]!
    const moved = this.#free[--this.#freeCount]!
    this.#free[hole] = moved
    this.#position[moved] = hole
  }
}
