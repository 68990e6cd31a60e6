// SPDX-License-Identifier: MIT
import { NO_PASID } from '../../pci/messages.ts'
import type { Smmuv3Config } from './config.ts'
import * as layout from './layout.ts'
import { outputBits, stallAllowed, type StreamConfig, usageOf } from './stream-config.ts'
import { levelsOf, TableBase, type Walkers } from './tables.ts'

const {
  ADDRESS_HI_MASK,
  CD_A,
  CD_AA64,
  CD_AFFD,
  CD_ASID_SHIFT,
  CD_ENDI,
  CD_EPD0,
  CD_EPD1,
  CD_HA,
  CD_HD,
  CD_IPS_MASK,
  CD_R,
  CD_S,
  CD_T0SZ_MASK,
  CD_T1SZ_SHIFT,
  CD_TBI0,
  CD_TBI1,
  CD_TG0_MASK,
  CD_TG1_4K,
  CD_TG1_SHIFT,
  CD_TTB0_WORD,
  CD_TTB1_WORD,
  CD_TTB_MASK,
  CD_V,
} = layout

export const KIND_BYPASS = 0
export const KIND_STAGE1 = 1
export const KIND_STAGE2 = 2
export const KIND_NESTED = 3

const NO_SID = -1
const T0SZ_MIN = 16
const T0SZ_MAX = 39
const VMID_SHIFT = 16
/** TLB entries of stage 2 alone, which have no ASID. */
const TAG_STAGE2 = 1 << 24

/** How the transactions of a stream and substream are translated: STE and CD together, as the unit last read them. */
export class Context {
  sid: number = NO_SID
  ssid: number = NO_PASID
  /** KIND_. */
  kind: number = KIND_BYPASS
  /** Of its TLB entries: ASID 15:0, VMID 23:16, TAG_STAGE2. */
  tag = 0
  /** EATS_. */
  eats = 0
  stage1Stall = false
  stage1Record = true
  stage2Stall = false
  stage2Record = true
  /** The top byte of an address does not count, for either half. */
  topByteIgnored0 = false
  topByteIgnored1 = false
  /** Lower and upper half of the address space. */
  readonly table0: TableBase = new TableBase()
  readonly table1: TableBase = new TableBase()
  stage2: TableBase = this.table0

  /** What does not depend on a CD. */
  begin(stream: StreamConfig): void {
    this.eats = stream.eats
    this.stage2 = stream.stage2
    this.stage2Stall = stream.stage2Stall
    this.stage2Record = stream.stage2Record
    this.stage1Stall = false
    this.stage1Record = true
    this.topByteIgnored0 = this.topByteIgnored1 = false
  }

  /** Without stage 1. */
  setUntabled(stream: StreamConfig): void {
    this.kind = stream.hasStage2 ? KIND_STAGE2 : KIND_BYPASS
    this.tag = TAG_STAGE2 | (stream.vmid << VMID_SHIFT)
  }
}

/** Tag of all stage-1 and nested entries of a VMID, but for the ASID. */
export function stage1Tag(vmid: number, asid: number): number {
  return ((vmid & 0xff) << VMID_SHIFT) | asid
}

export function stage2Tag(vmid: number): number {
  return TAG_STAGE2 | ((vmid & 0xff) << VMID_SHIFT)
}

/** Bits of a tag that say the VMID; and those that say that it is one of stage 1. */
export const TAG_VMID_MASK: number = 0xff << VMID_SHIFT
export const TAG_STAGE1_MASK: number = TAG_VMID_MASK | TAG_STAGE2

/**
 * Reads the CD at a word. `false`: not valid, or ILLEGAL.
 *
 * @spec SMMUv3 5.4.1 partly: fields of features that the unit does not have are ignored, not checked
 */
export function decodeContext(
  context: Context,
  words: Int32Array,
  at: number,
  stream: StreamConfig,
  unit: Smmuv3Config,
  walkers: Walkers,
): boolean {
  const word0 = words[at]!
  const word1 = words[at + 1]!
  if ((word0 & CD_V) === 0 || (word0 & CD_ENDI) !== 0 || (word1 & CD_AA64) === 0) return false
  const stall = (word1 & CD_S) !== 0
  // Terminated accesses are always aborted: CD.A must say so (IDR0.TERM_MODEL).
  if ((word1 & CD_A) === 0 || !stallAllowed(unit, stall) || (stall && stream.stage1StallDisabled))
    return false
  context.kind = stream.hasStage2 ? KIND_NESTED : KIND_STAGE1
  context.tag = stage1Tag(stream.vmid, word1 >>> CD_ASID_SHIFT)
  context.stage1Stall = stall
  context.stage1Record = (word1 & CD_R) !== 0
  context.topByteIgnored0 = (word1 & CD_TBI0) !== 0
  context.topByteIgnored1 = (word1 & CD_TBI1) !== 0
  return decodeTables(context, words, at, unit, walkers)
}

function decodeTables(
  context: Context,
  words: Int32Array,
  at: number,
  unit: Smmuv3Config,
  walkers: Walkers,
): boolean {
  const word0 = words[at]!
  const word1 = words[at + 1]!
  const hd = (word1 & CD_HD) !== 0
  const usage = usageOf(unit, (word1 & CD_HA) !== 0, hd, (word1 & CD_AFFD) !== 0)
  if (usage === undefined) return false
  const addressBits = outputBits(unit, word1 & CD_IPS_MASK)
  const setHalf = (table: TableBase, word: number, tsz: number, granule: boolean): boolean => {
    const lo = words[at + word]! & CD_TTB_MASK
    const hi = words[at + word + 1]! & ADDRESS_HI_MASK
    if (!granule || tsz < T0SZ_MIN || tsz > T0SZ_MAX || hi >>> (addressBits - 32) !== 0) return false
    const levels = levelsOf(64 - tsz)
    table.set(walkers.get({ stage: 1, levels, addressBits, ...usage }), levels, 64 - tsz, hi, lo)
    return true
  }
  context.table0.walker = context.table1.walker = undefined
  const t1sz = (word0 >>> CD_T1SZ_SHIFT) & CD_T0SZ_MASK
  const tg1 = (word0 >>> CD_TG1_SHIFT) & 3
  const lower = setHalf.bind(undefined, context.table0, CD_TTB0_WORD, word0 & CD_T0SZ_MASK)
  if ((word0 & CD_EPD0) === 0 && !lower((word0 & CD_TG0_MASK) === 0)) return false
  return (word0 & CD_EPD1) !== 0 || setHalf(context.table1, CD_TTB1_WORD, t1sz, tg1 === CD_TG1_4K)
}
