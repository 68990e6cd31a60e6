// SPDX-License-Identifier: MIT
import type { Smmuv3Config } from './config.ts'
import * as layout from './layout.ts'
import { TableBase, type Walkers } from './tables.ts'

const {
  ADDRESS_HI_MASK,
  ADDRESS_SIZES,
  EATS_S1CHK,
  EATS_TRANS,
  S1DSS_SSID0,
  S1FMT_64K_L2_64K,
  STE_CONFIG_BYPASS,
  STE_CONFIG_MASK,
  STE_CONFIG_NESTED,
  STE_CONFIG_SHIFT,
  STE_EATS_MASK,
  STE_EATS_SHIFT,
  STE_PPAR,
  STE_S1CDMAX_SHIFT,
  STE_S1CONTEXTPTR_MASK,
  STE_S1DSS_MASK,
  STE_S1FMT_MASK,
  STE_S1FMT_SHIFT,
  STE_S1STALLD,
  STE_S2AA64,
  STE_S2AFFD,
  STE_S2ENDI,
  STE_S2HA,
  STE_S2HD,
  STE_S2PS_SHIFT,
  STE_S2R,
  STE_S2S,
  STE_S2SL0_SHIFT,
  STE_S2T0SZ_MASK,
  STE_S2TG_MASK,
  STE_S2TTB_MASK,
  STE_S2VMID_MASK,
  STE_STRW_MASK,
  STE_V,
} = layout

/** VMIDs of this unit have 8 bits (IDR0.VMID16 is 0). */
const VMID_MASK = 0xff
const NO_SID = -1
/** By S2SL0. */
const STAGE2_LEVELS = [2, 3, 4] as const

/** A stream table entry as the unit last read it. */
export class StreamConfig {
  sid: number = NO_SID
  /** STE_CONFIG_. */
  config = 0
  /** S1FMT_; linear where there is one CD. */
  format = 0
  /** log2 of the CDs. */
  cdBits = 0
  /** S1DSS_. */
  s1dss = 0
  /** Byte address of the CD table: physical, or an IPA under stage 2. */
  contextHi = 0
  contextLo = 0
  stage1StallDisabled = false
  /** EATS_. */
  eats = 0
  responsePasid = false
  vmid = 0
  stage2Stall = false
  stage2Record = false
  /** Without a walker: no stage 2. */
  readonly stage2: TableBase = new TableBase()

  get hasStage1(): boolean {
    return (this.config & 5) === 5
  }

  get hasStage2(): boolean {
    return (this.config & 6) === 6
  }
}

/**
 * Reads the entry at a word. `false`: not valid, or ILLEGAL.
 *
 * @spec SMMUv3 5.2.1 partly: fields of features that the unit does not have are ignored, not checked
 */
export function decodeStream(
  stream: StreamConfig,
  words: Int32Array,
  at: number,
  unit: Smmuv3Config,
  walkers: Walkers,
): boolean {
  const word0 = words[at]!
  if ((word0 & STE_V) === 0) return false
  stream.config = (word0 & STE_CONFIG_MASK) >>> STE_CONFIG_SHIFT
  stream.stage2.walker = undefined
  stream.eats = 0
  stream.vmid = words[at + 4]! & STE_S2VMID_MASK & VMID_MASK
  if (stream.config <= STE_CONFIG_BYPASS) return true
  if (stream.hasStage1 && !decodeStage1(stream, words, at, unit)) return false
  if (stream.hasStage2 && !decodeStage2(stream, words, at, unit, walkers)) return false
  return decodeAts(stream, words[at + 2]!)
}

function decodeStage1(stream: StreamConfig, words: Int32Array, at: number, unit: Smmuv3Config): boolean {
  const word1 = words[at + 1]!
  const word2 = words[at + 2]!
  if (!unit.stage1 || (word2 & STE_STRW_MASK) !== 0) return false
  stream.cdBits = word1 >>> STE_S1CDMAX_SHIFT
  stream.format = stream.cdBits === 0 ? 0 : (words[at]! & STE_S1FMT_MASK) >>> STE_S1FMT_SHIFT
  stream.s1dss = stream.cdBits === 0 ? S1DSS_SSID0 : word2 & STE_S1DSS_MASK
  stream.contextLo = words[at]! & STE_S1CONTEXTPTR_MASK
  stream.contextHi = word1 & ADDRESS_HI_MASK
  stream.stage1StallDisabled = (word2 & STE_S1STALLD) !== 0
  stream.responsePasid = (word2 & STE_PPAR) !== 0
  if (stream.cdBits > unit.substreamIdBits || stream.s1dss > S1DSS_SSID0) return false
  if (stream.format > S1FMT_64K_L2_64K) return false
  return stream.format === 0 || unit.twoLevelContextTables
}

function decodeStage2(
  stream: StreamConfig,
  words: Int32Array,
  at: number,
  unit: Smmuv3Config,
  walkers: Walkers,
): boolean {
  const word5 = words[at + 5]!
  if (!unit.stage2 || (stream.config === STE_CONFIG_NESTED && !unit.stage1)) return false
  if ((word5 & STE_S2AA64) === 0 || (word5 & (STE_S2ENDI | STE_S2TG_MASK)) !== 0) return false
  stream.stage2Stall = (word5 & STE_S2S) !== 0
  stream.stage2Record = (word5 & STE_S2R) !== 0
  if (!stallAllowed(unit, stream.stage2Stall)) return false
  const bits = 64 - (word5 & STE_S2T0SZ_MASK)
  const levels = STAGE2_LEVELS[(word5 >>> STE_S2SL0_SHIFT) & 3]
  if (levels === undefined || bits > unit.addressBits || bits < 25) return false
  const topShift = 12 + 9 * (levels - 1)
  // At least one index bit at the first level, and at most 16 tables side by side.
  if (bits <= topShift || bits > topShift + 13) return false
  const usage = usageOf(unit, (word5 & STE_S2HA) !== 0, (word5 & STE_S2HD) !== 0, (word5 & STE_S2AFFD) !== 0)
  if (usage === undefined) return false
  const baseLo = words[at + 6]! & STE_S2TTB_MASK
  const baseHi = words[at + 7]! & ADDRESS_HI_MASK
  if (baseHi >>> (unit.addressBits - 32) !== 0) return false
  const addressBits = outputBits(unit, (word5 >>> STE_S2PS_SHIFT) & 7)
  const walker = walkers.get({ stage: 2, levels, addressBits, ...usage })
  stream.stage2.set(walker, levels, bits, baseHi, baseLo)
  return true
}

/** Translation requests: answered with translations (EATS full), or with addresses of stage 1 (split), where there are two. */
function decodeAts(stream: StreamConfig, word2: number): boolean {
  stream.eats = (word2 & STE_EATS_MASK) >>> STE_EATS_SHIFT
  if (stream.eats > EATS_S1CHK || (stream.eats === EATS_S1CHK && stream.config !== STE_CONFIG_NESTED))
    return false
  return stream.eats !== EATS_TRANS || !stream.hasStage2 || !stream.stage2Stall
}

/** Whether the unit's stall model knows the choice. */
export function stallAllowed(unit: Smmuv3Config, stall: boolean): boolean {
  if (unit.stallModel === 'both') return true
  return stall === (unit.stallModel === 'forced')
}

export interface Usage {
  readonly accessFlag: 'set' | 'refused' | 'ignored'
  readonly dirtyState: boolean
}

/** What walks do with access flag and dirty state; `undefined`: more than the unit can. */
export function usageOf(unit: Smmuv3Config, ha: boolean, hd: boolean, affd: boolean): Usage | undefined {
  if ((ha && unit.httu === 'none') || (hd && (unit.httu !== 'dirty' || !ha))) return undefined
  if (ha) return { accessFlag: 'set', dirtyState: hd }
  return { accessFlag: affd ? 'ignored' : 'refused', dirtyState: false }
}

/** Width of output addresses: at most the unit's. */
export function outputBits(unit: Smmuv3Config, encoded: number): number {
  return Math.min(ADDRESS_SIZES[encoded] ?? unit.addressBits, unit.addressBits)
}
