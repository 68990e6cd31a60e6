// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../memory.ts'
import type { Smmuv3Config } from './config.ts'
import type { Refusal } from './fault.ts'
import * as layout from './layout.ts'
import * as queues from './layout-queues.ts'
import { decodeStream, StreamConfig } from './stream-config.ts'
import type { Walkers } from './tables.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const {
  ADDRESS_HI_MASK,
  L1STD_L2PTR_MASK,
  L1STD_SPAN_MASK,
  STE_SHIFT,
  STRTAB_BASE_CFG_FMT_2LVL,
  STRTAB_BASE_CFG_FMT_MASK,
  STRTAB_BASE_CFG_LOG2SIZE_MASK,
  STRTAB_BASE_CFG_SPLIT_MASK,
  STRTAB_BASE_CFG_SPLIT_SHIFT,
} = layout
const { EVT_C_BAD_STE, EVT_C_BAD_STREAMID, EVT_F_STE_FETCH } = queues

const SLOTS = 64
const NO_SID = -1
const BASE_LO_MASK = ~0x3f

/**
 * Stream table entries and what the unit remembers of them. Legal entries are cached: software that changes one
 * issues CMD_CFGI_STE before it relies on the change.
 *
 * @spec SMMUv3 3.3.1 done
 */
export class Streams {
  baseLo = 0
  baseHi = 0
  /** SMMU_STRTAB_BASE_CFG. */
  format = 0
  readonly #memory: PhysicalMemory
  readonly #config: Smmuv3Config
  readonly #walkers: Walkers
  readonly #refusal: Refusal
  readonly #slots: readonly StreamConfig[]

  constructor(memory: PhysicalMemory, config: Smmuv3Config, walkers: Walkers, refusal: Refusal) {
    this.#memory = memory
    this.#config = config
    this.#walkers = walkers
    this.#refusal = refusal
    this.#slots = Array.from({ length: SLOTS }, () => new StreamConfig())
  }

  /** The stream's entry; `undefined`: see the refusal. */
  find(sid: number): StreamConfig | undefined {
    const slot = this.#slots[sid & (SLOTS - 1)]!
    if (slot.sid === sid) return slot
    slot.sid = NO_SID
    const word = this.#locate(sid)
    if (word < 0) return undefined
    if (!decodeStream(slot, this.#memory.words, word, this.#config, this.#walkers)) {
      this.#refusal.set(EVT_C_BAD_STE)
      return undefined
    }
    slot.sid = sid
    return slot
  }

  /** Forgets 2^log2 streams, naturally aligned. */
  invalidate(sid: number, log2: number): void {
    for (const slot of this.#slots) {
      if (log2 >= 32 || (slot.sid ^ sid) >>> log2 === 0) slot.sid = NO_SID
    }
  }

  /** Word index of the entry, -1: none. */
  #locate(sid: number): number {
    const log2 = Math.min(this.format & STRTAB_BASE_CFG_LOG2SIZE_MASK, this.#config.streamIdBits)
    if (log2 < 32 && sid >>> log2 !== 0) return this.#refuse(EVT_C_BAD_STREAMID)
    const baseLo = this.baseLo & BASE_LO_MASK
    const baseHi = this.baseHi & ADDRESS_HI_MASK
    if ((this.format & STRTAB_BASE_CFG_FMT_MASK) !== STRTAB_BASE_CFG_FMT_2LVL)
      return this.#word(baseHi, baseLo, sid, STE_SHIFT)
    return this.#locateInTwoLevels(sid, baseHi, baseLo)
  }

  #locateInTwoLevels(sid: number, baseHi: number, baseLo: number): number {
    const split = (this.format >>> STRTAB_BASE_CFG_SPLIT_SHIFT) & STRTAB_BASE_CFG_SPLIT_MASK
    const level1 = this.#word(baseHi, baseLo, sid >>> split, 3)
    if (level1 < 0) return -1
    const { words } = this.#memory
    const lo = words[level1]!
    const span = lo & L1STD_SPAN_MASK
    const index = sid & (2 ** split - 1)
    if (span === 0 || span > split + 1 || index >= 2 ** (span - 1)) return this.#refuse(EVT_C_BAD_STREAMID)
    return this.#word(words[level1 + 1]! & ADDRESS_HI_MASK, lo & L1STD_L2PTR_MASK, index, STE_SHIFT)
  }

  /** Word index of entry `index`, of 2^shift bytes; -1: not in RAM. */
  #word(hi: number, lo: number, index: number, shift: number): number {
    const address = (lo >>> 0) + index * 2 ** shift
    const word = address / 4
    if (hi === 0 && word + 2 ** (shift - 2) <= this.#memory.words.length) return word
    this.#refusal.setFetch(EVT_F_STE_FETCH, hi, address | 0)
    return -1
  }

  #refuse(event: number): -1 {
    this.#refusal.set(event)
    return -1
  }
}
