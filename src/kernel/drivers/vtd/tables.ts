// SPDX-License-Identifier: MIT
import * as tables from '../../../hardware/iommus/vtd/layout-tables.ts'
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'

const { CONTEXT_ENTRY_WORDS, CONTEXT_PDTS_SHIFT, PASID_ENTRY_WORDS, PASID_WORD2, PASID_WORD4 } = tables
const WORDS_PER_FRAME = 1024
const PASIDS_PER_TABLE: number = 2 ** tables.PDIR_SHIFT
/** 2^7 entries in the smallest directory. */
const DIRECTORY_SHIFT_MIN = 7

/** What a PASID entry says of a domain, in the unit's words. */
export interface EntryImage {
  /** P, AW, PGTT, SSADE. */
  readonly flags: number
  /** Tag of its translations. */
  readonly did: number
  /** Frame of the second-stage table, 0 without. */
  readonly secondRoot: number
  /** SRE and what follows. */
  readonly rules: number
  /** Address of the first-stage table; for nested a guest address. Low 12 bits zero. */
  readonly firstHi: number
  readonly firstLo: number
}

/** Root table and context tables; tables are made as needed and stay. */
export class RootTable {
  readonly frame: number
  readonly #words: Int32Array
  readonly #frames: FrameAllocator

  /** ENOMEM. */
  constructor(memory: PhysicalMemory, frames: FrameAllocator) {
    this.#words = memory.words
    this.#frames = frames
    this.frame = frames.allocZeroed()
  }

  /** Index in the memory's words of the device's context entry; its table is made if there is none: ENOMEM. */
  contextEntry(rid: number): number {
    const words = this.#words
    const half = (rid & 0x80) === 0 ? 0 : tables.ROOT_UPPER
    const at = this.frame * WORDS_PER_FRAME + (rid >>> 8) * tables.ROOT_ENTRY_WORDS + half
    if (words[at] === 0) writePointer(words, at, this.#frames.allocZeroed(), tables.ROOT_P)
    return pointedFrame(words, at) * WORDS_PER_FRAME + (rid & 0x7f) * CONTEXT_ENTRY_WORDS
  }

  free(): void {
    for (let entry = 0; entry < WORDS_PER_FRAME; entry += tables.ROOT_UPPER) {
      const at = this.frame * WORDS_PER_FRAME + entry
      if (this.#words[at] !== 0) this.#frames.put(pointedFrame(this.#words, at))
    }
    this.#frames.put(this.frame)
  }
}

/** The PASID directory of a device and its tables; tables are made as needed and stay. */
export class PasidTable {
  /** PDTS of the context entry. */
  readonly size: number
  readonly #words: Int32Array
  readonly #frames: FrameAllocator
  readonly #directory: number
  readonly #directoryFrames: number

  /** For PASIDs below `pasids`, at least PASID 0. ENOMEM. */
  constructor(memory: PhysicalMemory, frames: FrameAllocator, pasids: number) {
    const tablesNeeded = Math.max(1, pasids / PASIDS_PER_TABLE)
    this.size = Math.max(0, Math.ceil(Math.log2(tablesNeeded)) - DIRECTORY_SHIFT_MIN)
    const words = 2 ** (this.size + DIRECTORY_SHIFT_MIN) * tables.PDIR_ENTRY_WORDS
    this.#words = memory.words
    this.#frames = frames
    this.#directoryFrames = Math.max(1, words / WORDS_PER_FRAME)
    this.#directory = frames.allocContiguous(this.#directoryFrames)
  }

  /** Index in the memory's words of the PASID's entry; its table is made if there is none: ENOMEM. */
  entry(pasid: number): number {
    const words = this.#words
    const at = this.#directory * WORDS_PER_FRAME + (pasid >>> tables.PDIR_SHIFT) * tables.PDIR_ENTRY_WORDS
    if (words[at] === 0) writePointer(words, at, this.#frames.allocZeroed(), tables.PDIR_P)
    return pointedFrame(words, at) * WORDS_PER_FRAME + (pasid & tables.PASID_INDEX_MASK) * PASID_ENTRY_WORDS
  }

  /** Writes the device's context entry with this directory. `flags`: CONTEXT_. RID_PASID is 0. */
  writeContext(at: number, flags: number): void {
    writePointer(this.#words, at, this.#directory, flags | (this.size << CONTEXT_PDTS_SHIFT))
  }

  free(): void {
    const first = this.#directory * WORDS_PER_FRAME
    for (let at = first; at < first + this.#directoryFrames * WORDS_PER_FRAME; at += tables.PDIR_ENTRY_WORDS)
      if (this.#words[at] !== 0) this.#frames.put(pointedFrame(this.#words, at))
    this.#frames.freeContiguous(this.#directory, this.#directoryFrames)
  }
}

export function clearContext(words: Int32Array, at: number): void {
  words.fill(0, at, at + CONTEXT_ENTRY_WORDS)
}

/** Writes a PASID entry; its first word, with P, last. */
export function writeEntry(words: Int32Array, at: number, image: EntryImage, snoop: boolean): void {
  words[at] = 0
  words[at + 1] = image.secondRoot >>> 20
  words[at + PASID_WORD2] = image.did | (snoop ? tables.PASID_PWSNP : 0)
  words[at + PASID_WORD4] = image.firstLo | image.rules
  words[at + PASID_WORD4 + 1] = image.firstHi
  words[at] = (image.secondRoot << 12) | image.flags
}

/** Clears a PASID entry; `flags` may be PASID_FPD: accesses are refused and not recorded. */
export function clearEntry(words: Int32Array, at: number, flags: number): void {
  words[at] = flags
  words.fill(0, at + 1, at + PASID_ENTRY_WORDS)
}

function writePointer(words: Int32Array, at: number, frame: number, flags: number): void {
  words[at + 1] = frame >>> 20
  words[at] = (frame << 12) | flags
}

function pointedFrame(words: Int32Array, at: number): number {
  return (words[at + 1]! << 20) | (words[at]! >>> 12)
}
