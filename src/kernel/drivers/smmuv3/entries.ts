// SPDX-License-Identifier: MIT
import * as layout from '../../../hardware/iommus/smmuv3/layout.ts'
import type { Features } from './features.ts'
import type { CdTable } from './tables.ts'

const {
  CD_A,
  CD_AA64,
  CD_ASID_SHIFT,
  CD_EPD0,
  CD_EPD1,
  CD_HA,
  CD_HD,
  CD_IR0_WBRA,
  CD_MAIR_WB,
  CD_MAIR_WORD,
  CD_OR0_WBRA,
  CD_R,
  CD_S,
  CD_SH0_ISH,
  CD_TTB0_WORD,
  CD_V,
  EATS_ABT,
  EATS_TRANS,
  STE_CONFIG_SHIFT,
  STE_CONFIG_S1_TRANS,
  STE_CONFIG_S2_TRANS,
  STE_EATS_SHIFT,
  STE_S1CDMAX_SHIFT,
  STE_S1CIR_WBRA,
  STE_S1COR_WBRA,
  STE_S1CSH_ISH,
  STE_S1FMT_SHIFT,
  STE_S1STALLD,
  STE_S2AA64,
  STE_S2HA,
  STE_S2HD,
  STE_S2IR0_WBRA,
  STE_S2OR0_WBRA,
  STE_S2PS_SHIFT,
  STE_S2R,
  STE_S2S,
  STE_S2SH0_ISH,
  STE_S2SL0_SHIFT,
  STE_V,
  STE_WORDS,
} = layout

/** 48-bit addresses of stage 1. */
const T0SZ_48 = 16
/** Four levels of stage 2. */
const SL0_FOUR_LEVELS = 2

/** A stage-1 table as a CD describes it. */
export interface Stage1 {
  readonly asid: number
  /** Frame of the first table. */
  readonly root: number
}

/** A stage-2 table as an STE describes it. */
export interface Stage2 {
  readonly vmid: number
  readonly root: number
}

/** Writes CDs and STEs; valid words last. Who calls has the unit forget what it has cached. */
export class Entries {
  readonly #words: Int32Array
  readonly #features: Features

  constructor(words: Int32Array, features: Features) {
    this.#words = words
    this.#features = features
  }

  /** `stall`: faults wait for software. */
  writeCd(at: number, { asid, root }: Stage1, stall: boolean): void {
    const words = this.#words
    const { addressSize, dirty } = this.#features
    words[at] = 0
    words[at + CD_MAIR_WORD] = CD_MAIR_WB
    words[at + CD_TTB0_WORD] = root << 12
    words[at + CD_TTB0_WORD + 1] = root >>> 20
    const usage = dirty ? CD_HA | CD_HD : 0
    const faults = CD_R | CD_A | (stall ? CD_S : 0)
    words[at + 1] = addressSize | CD_AA64 | usage | faults | (asid << CD_ASID_SHIFT)
    words[at] = T0SZ_48 | CD_IR0_WBRA | CD_OR0_WBRA | CD_SH0_ISH | CD_EPD1 | CD_V
  }

  /**
   * The process is gone: walks find nothing, and nobody hears of it (`spec/01` §4.3). A unit that can only stall still does.
   */
  silenceCd(at: number): void {
    const words = this.#words
    const kept = this.#features.stall === 'forced' ? -1 : ~CD_S
    words[at + 1] = words[at + 1]! & ~CD_R & kept
    words[at] = words[at]! | CD_EPD0
  }

  clearCd(at: number): void {
    this.#words.fill(0, at, at + STE_WORDS)
  }

  /** Without tables: STE_CONFIG_ABORT or STE_CONFIG_BYPASS. */
  writeUntabled(at: number, config: number): void {
    this.#write(at, [STE_V | (config << STE_CONFIG_SHIFT)])
  }

  /** Through a device's own CDs. */
  writeCdTable(
    at: number,
    table: CdTable,
    options: { readonly s1dss: number; readonly ats: boolean; readonly stallEnabled: boolean },
  ): void {
    const { firstFrame, bits, format } = table
    const word0 = STE_V | (STE_CONFIG_S1_TRANS << STE_CONFIG_SHIFT) | (format << STE_S1FMT_SHIFT)
    const word2 = options.s1dss | STE_S1CIR_WBRA | STE_S1COR_WBRA | STE_S1CSH_ISH
    this.#write(at, [
      word0 | (firstFrame << 12),
      (firstFrame >>> 20) | (bits << STE_S1CDMAX_SHIFT),
      word2 | this.stallDisabled(options.stallEnabled) | atsBits(options.ats),
      0,
    ])
  }

  writeStage2(
    at: number,
    stage2: Stage2,
    options: { readonly ats: boolean; readonly stallEnabled: boolean },
  ): void {
    const word0 = STE_V | (STE_CONFIG_S2_TRANS << STE_CONFIG_SHIFT)
    this.#write(at, [word0, 0, atsBits(options.ats), 0, ...this.#stage2(stage2, options)])
  }

  /** `words`: the first four, checked. */
  writeNested(
    at: number,
    words: readonly number[],
    stage2: Stage2,
    options: { readonly ats: boolean; readonly stallEnabled: boolean },
  ): void {
    this.#write(at, [...words, ...this.#stage2(stage2, options)])
  }

  clear(at: number): void {
    this.#write(at, [])
  }

  /** A stream whose device cannot stall must not. */
  stallDisabled(stallEnabled: boolean): number {
    return stallEnabled || this.#features.stall !== 'both' ? 0 : STE_S1STALLD
  }

  /** Stalls and answers to translation requests exclude each other. */
  #stage2(
    { vmid, root }: Stage2,
    options: { readonly ats: boolean; readonly stallEnabled: boolean },
  ): number[] {
    const { addressBits, addressSize, dirty } = this.#features
    const stalls = options.stallEnabled && !options.ats
    const word5 =
      (64 - addressBits) |
      (SL0_FOUR_LEVELS << STE_S2SL0_SHIFT) |
      STE_S2IR0_WBRA |
      STE_S2OR0_WBRA |
      STE_S2SH0_ISH |
      (addressSize << STE_S2PS_SHIFT) |
      STE_S2AA64 |
      (dirty ? STE_S2HA | STE_S2HD : 0) |
      (stalls ? STE_S2S : 0) |
      STE_S2R
    return [vmid, word5, root << 12, root >>> 20]
  }

  #write(at: number, values: readonly number[]): void {
    const words = this.#words
    words[at] = 0
    for (let i = STE_WORDS - 1; i >= 0; i--) words[at + i] = values[i] ?? 0
  }
}

function atsBits(ats: boolean): number {
  return (ats ? EATS_TRANS : EATS_ABT) << STE_EATS_SHIFT
}
