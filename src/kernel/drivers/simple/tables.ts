// SPDX-License-Identifier: MIT
import {
  DEVICE_FLAGS,
  DEVICE_PASID_DIRECTORY,
  DEVICE_SPACE,
  DIRECTORY_LEAF_MASK,
  DIRECTORY_SHIFT,
  RECORD_BYTES,
  SPACE_DOMAIN,
  SPACE_FLAGS,
  SPACE_ROOT,
  SPACE_ROOT_HIGH,
  SPACE_STAGE2_ROOT,
} from '../../../hardware/iommus/simple/layout.ts'
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'

const WORDS_PER_FRAME = 1024
const WORDS_PER_ENTRY: number = RECORD_BYTES / 4
const DEVICE_IDS: number = 1 << 16

/** What an address space entry says: the fields of a domain, in the unit's words. */
export interface AddressSpace {
  /** SPACE_ bits. */
  readonly spaceFlags: number
  /** Tag of its IOTLB entries. */
  readonly tag: number
  readonly root: number
  readonly rootHigh: number
  readonly stage2Root: number
}

/** A directory of leaves of 128 entries; leaves are made as needed and stay. */
export class EntryTable {
  /** First frame of the directory. */
  readonly directory: number
  readonly #memory: PhysicalMemory
  readonly #frames: FrameAllocator
  readonly #leaves: number
  readonly #directoryFrames: number

  /** For ids below `ids`. ENOMEM. */
  constructor(memory: PhysicalMemory, frames: FrameAllocator, ids: number) {
    this.#memory = memory
    this.#frames = frames
    this.#leaves = Math.max(1, ids >>> DIRECTORY_SHIFT)
    this.#directoryFrames = Math.max(1, this.#leaves / WORDS_PER_FRAME)
    this.directory = frames.allocContiguous(this.#directoryFrames)
  }

  /** Index in the memory's words of the entry; its leaf is made if there is none: ENOMEM. */
  entry(id: number): number {
    const { words } = this.#memory
    const slot = this.directory * WORDS_PER_FRAME + (id >>> DIRECTORY_SHIFT)
    if (words[slot] === 0) words[slot] = this.#frames.allocZeroed()
    return words[slot]! * WORDS_PER_FRAME + (id & DIRECTORY_LEAF_MASK) * WORDS_PER_ENTRY
  }

  free(): void {
    const { words } = this.#memory
    for (let leaf = 0; leaf < this.#leaves; leaf++) {
      const frame = words[this.directory * WORDS_PER_FRAME + leaf]!
      if (frame !== 0) this.#frames.put(frame)
    }
    this.#frames.freeContiguous(this.directory, this.#directoryFrames)
  }
}

/** The table of all requester ids. */
export function createDeviceTable(memory: PhysicalMemory, frames: FrameAllocator): EntryTable {
  return new EntryTable(memory, frames, DEVICE_IDS)
}

/** Writes the part of a device entry that is not its address space. */
export function writeDevice(words: Int32Array, entry: number, flags: number, pasidDirectory: number): void {
  words[entry + (DEVICE_PASID_DIRECTORY >> 2)] = pasidDirectory
  words[entry + (DEVICE_FLAGS >> 2)] = flags
}

/** Index of the address space in a device entry. */
export function ridSpace(entry: number): number {
  return entry + (DEVICE_SPACE >> 2)
}

/** Writes an address space; its flags, with VALID, last. */
export function writeSpace(words: Int32Array, at: number, space: AddressSpace): void {
  words[at + (SPACE_FLAGS >> 2)] = 0
  words[at + (SPACE_DOMAIN >> 2)] = space.tag
  words[at + (SPACE_ROOT >> 2)] = space.root
  words[at + (SPACE_ROOT_HIGH >> 2)] = space.rootHigh
  words[at + (SPACE_STAGE2_ROOT >> 2)] = space.stage2Root
  words[at + (SPACE_FLAGS >> 2)] = space.spaceFlags
}

/** Clears an address space; `flags` may be SPACE_FAULT_DISABLE: accesses are refused and not recorded. */
export function clearSpace(words: Int32Array, at: number, flags: number): void {
  words[at + (SPACE_FLAGS >> 2)] = flags
  words[at + (SPACE_DOMAIN >> 2)] = 0
  words[at + (SPACE_ROOT >> 2)] = 0
  words[at + (SPACE_ROOT_HIGH >> 2)] = 0
  words[at + (SPACE_STAGE2_ROOT >> 2)] = 0
}
