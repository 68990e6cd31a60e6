// SPDX-License-Identifier: MIT
import * as layout from '../../../hardware/iommus/smmuv3/layout.ts'
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'

const { L1CD_V, S1FMT_64K_L2_64K, S1FMT_LINEAR, STE_WORDS } = layout

const WORDS_PER_FRAME = 1024
/** STEs of a second-level stream table, and their frames. */
const SPLIT = 8
const STREAM_LEAF_FRAMES = 4
/** CDs of a second-level CD table, and their frames. */
const CD_LEAF_BITS = 10
const CD_LEAF_FRAMES = 16
/** Largest table of one level: 2^n entries. */
const LINEAR_BITS_MAX = 10

/** The unit's stream table; parts are made as streams need them, and stay. */
export class StreamTable {
  readonly firstFrame: number
  /** SMMU_STRTAB_BASE_CFG. */
  readonly format: number
  readonly #memory: PhysicalMemory
  readonly #frames: FrameAllocator
  readonly #twoLevels: boolean
  readonly #frameCount: number
  readonly #leaves: number[] = []

  /** For StreamIDs below 2^bits. ENOMEM. */
  constructor(memory: PhysicalMemory, frames: FrameAllocator, bits: number, twoLevels: boolean) {
    this.#memory = memory
    this.#frames = frames
    this.#twoLevels = twoLevels && bits > SPLIT
    const bytes = this.#twoLevels ? 2 ** (bits - SPLIT) * 8 : 2 ** bits * STE_WORDS * 4
    this.#frameCount = Math.max(1, bytes / 4096)
    this.firstFrame = frames.allocContiguous(this.#frameCount)
    const split = layout.STRTAB_BASE_CFG_FMT_2LVL | (SPLIT << layout.STRTAB_BASE_CFG_SPLIT_SHIFT)
    this.format = bits | (this.#twoLevels ? split : 0)
  }

  /** Index in the memory's words of the stream's entry; its part is made if there is none: ENOMEM. */
  entry(sid: number): number {
    const first = this.firstFrame * WORDS_PER_FRAME
    if (!this.#twoLevels) return first + sid * STE_WORDS
    const { words } = this.#memory
    const slot = first + (sid >>> SPLIT) * 2
    if (words[slot] === 0) {
      const leaf = this.#frames.allocContiguous(STREAM_LEAF_FRAMES)
      this.#leaves.push(leaf)
      words[slot] = (leaf << 12) | (SPLIT + 1)
    }
    const leaf = (words[slot]! & ~0xfff) >>> 2
    return leaf + (sid & (2 ** SPLIT - 1)) * STE_WORDS
  }

  free(): void {
    for (const leaf of this.#leaves) this.#frames.freeContiguous(leaf, STREAM_LEAF_FRAMES)
    this.#frames.freeContiguous(this.firstFrame, this.#frameCount)
  }
}

/** A device's context descriptors; parts are made as substreams need them, and stay. */
export class CdTable {
  readonly firstFrame: number
  /** log2 of the CDs, as in STE.S1CDMax. */
  readonly bits: number
  /** S1FMT_. */
  readonly format: number
  readonly #memory: PhysicalMemory
  readonly #frames: FrameAllocator
  readonly #frameCount: number
  readonly #leaves: number[] = []

  /** ENOMEM. */
  constructor(memory: PhysicalMemory, frames: FrameAllocator, bits: number, twoLevels: boolean) {
    this.#memory = memory
    this.#frames = frames
    this.bits = bits
    this.format = twoLevels && bits > LINEAR_BITS_MAX ? S1FMT_64K_L2_64K : S1FMT_LINEAR
    const bytes = this.format === S1FMT_LINEAR ? 2 ** bits * STE_WORDS * 4 : 2 ** (bits - CD_LEAF_BITS) * 8
    this.#frameCount = Math.max(1, bytes / 4096)
    this.firstFrame = frames.allocContiguous(this.#frameCount)
  }

  /** Index in the memory's words of the substream's CD; its part is made if there is none: ENOMEM. */
  entry(ssid: number): number {
    const first = this.firstFrame * WORDS_PER_FRAME
    if (this.format === S1FMT_LINEAR) return first + ssid * STE_WORDS
    const { words } = this.#memory
    const slot = first + (ssid >>> CD_LEAF_BITS) * 2
    if (words[slot] === 0) {
      const leaf = this.#frames.allocContiguous(CD_LEAF_FRAMES)
      this.#leaves.push(leaf)
      words[slot] = (leaf << 12) | L1CD_V
    }
    return ((words[slot]! & ~0xfff) >>> 2) + (ssid & (2 ** CD_LEAF_BITS - 1)) * STE_WORDS
  }

  free(): void {
    for (const leaf of this.#leaves) this.#frames.freeContiguous(leaf, CD_LEAF_FRAMES)
    this.#frames.freeContiguous(this.firstFrame, this.#frameCount)
  }
}
