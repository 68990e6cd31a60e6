// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import * as layout from './layout.ts'

const {
  ADDRESS_SIZES,
  IDR0_ASID16,
  IDR0_ATS,
  IDR0_CD2L,
  IDR0_COHACC,
  IDR0_HTTU_SHIFT,
  IDR0_PRI,
  IDR0_S1P,
  IDR0_S2P,
  IDR0_STALL_MODEL_SHIFT,
  IDR0_ST_LEVEL_2LVL,
  IDR0_TERM_MODEL,
  IDR0_TTENDIAN_LITTLE,
  IDR0_TTF_AARCH64,
  IDR1_CMDQS_SHIFT,
  IDR1_EVENTQS_SHIFT,
  IDR1_PRIQS_SHIFT,
  IDR1_SSIDSIZE_SHIFT,
  IDR3_RIL,
  IDR5_GRAN4K,
  IDR5_STALL_MAX_SHIFT,
} = layout

/** Nanoseconds; each is the base of a draw from the world's decisions. */
export interface Smmuv3Latencies {
  /** A PRG Response, or the end of a stall, from the unit to the function. */
  readonly link: number
  /** From a line being raised to its handler. */
  readonly interrupt: number
  /** After so long CMD_SYNC gives up invalidations that a function has not completed; 0: never. Not drawn. */
  readonly invalidationTimeout: number
}

export interface Smmuv3Config {
  /** 1 … 32. */
  readonly streamIdBits: number
  /** 0 (no substreams) … 20. */
  readonly substreamIdBits: number
  readonly stage1: boolean
  /** With both stages there is nesting. */
  readonly stage2: boolean
  readonly ats: boolean
  readonly pri: boolean
  /** Stall and terminate, terminate only, or stall only. */
  readonly stallModel: 'both' | 'none' | 'forced'
  /** Transactions that may be stalled at a time; further ones wait at the door. 1 … 65535. */
  readonly stallMax: number
  /** Walks keep nothing, the access flag, or the access flag and the dirty state. */
  readonly httu: 'none' | 'access' | 'dirty'
  /** Width of physical addresses: 32, 36, 40 or 42. */
  readonly addressBits: number
  readonly twoLevelStreamTables: boolean
  readonly twoLevelContextTables: boolean
  /** TLBI commands take ranges. */
  readonly rangeInvalidation: boolean
  /** log2 of the most entries; 0 … 19. */
  readonly commandQueueLog2: number
  readonly eventQueueLog2: number
  readonly priQueueLog2: number
  /** A power of two, at least 4. */
  readonly tlbEntries: number
  readonly latencies: Smmuv3Latencies
}

const DEFAULTS: Smmuv3Config = {
  streamIdBits: 16,
  substreamIdBits: 20,
  stage1: true,
  stage2: true,
  ats: true,
  pri: true,
  stallModel: 'both',
  stallMax: 4096,
  httu: 'dirty',
  addressBits: 42,
  twoLevelStreamTables: true,
  twoLevelContextTables: true,
  rangeInvalidation: true,
  commandQueueLog2: 19,
  eventQueueLog2: 19,
  priQueueLog2: 19,
  tlbEntries: 8192,
  latencies: { link: 300, interrupt: 1000, invalidationTimeout: 0 },
}

export interface Smmuv3Options extends Partial<Omit<Smmuv3Config, 'latencies'>> {
  readonly latencies?: Partial<Smmuv3Latencies>
}

/** The configuration of a unit, completed with defaults. */
export function smmuv3Config(options: Smmuv3Options = {}): Smmuv3Config {
  const config = { ...DEFAULTS, ...options, latencies: { ...DEFAULTS.latencies, ...options.latencies } }
  const { streamIdBits, substreamIdBits, stallMax, addressBits, tlbEntries } = config
  assert(streamIdBits >= 1 && streamIdBits <= 32, `streamIdBits ${streamIdBits}`)
  assert(substreamIdBits >= 0 && substreamIdBits <= 20, `substreamIdBits ${substreamIdBits}`)
  assert(stallMax >= 1 && stallMax <= 65_535, `stallMax ${stallMax}`)
  assert(addressBits <= 42 && ADDRESS_SIZES.includes(addressBits), `addressBits ${addressBits}`)
  assert(tlbEntries >= 4 && (tlbEntries & (tlbEntries - 1)) === 0, `tlbEntries ${tlbEntries}`)
  return config
}

const STALL_MODELS = {
  both: layout.STALL_MODEL_BOTH,
  none: layout.STALL_MODEL_NONE,
  forced: layout.STALL_MODEL_FORCED,
}
const HTTU = { none: 0, access: layout.IDR0_HTTU_AF, dirty: layout.IDR0_HTTU_AF_DIRTY }

function flag(on: boolean, bit: number): number {
  return on ? bit : 0
}

/** SMMU_IDR0 … SMMU_IDR5. */
export function identification(config: Smmuv3Config): readonly number[] {
  const idr0 =
    IDR0_TTF_AARCH64 |
    IDR0_COHACC |
    IDR0_ASID16 |
    IDR0_TTENDIAN_LITTLE |
    IDR0_TERM_MODEL |
    flag(config.stage1, IDR0_S1P) |
    flag(config.stage2, IDR0_S2P) |
    flag(config.ats, IDR0_ATS) |
    flag(config.pri, IDR0_PRI) |
    flag(config.twoLevelContextTables, IDR0_CD2L) |
    flag(config.twoLevelStreamTables, IDR0_ST_LEVEL_2LVL) |
    (HTTU[config.httu] << IDR0_HTTU_SHIFT) |
    (STALL_MODELS[config.stallModel] << IDR0_STALL_MODEL_SHIFT)
  const idr1 =
    config.streamIdBits |
    (config.substreamIdBits << IDR1_SSIDSIZE_SHIFT) |
    (config.priQueueLog2 << IDR1_PRIQS_SHIFT) |
    (config.eventQueueLog2 << IDR1_EVENTQS_SHIFT) |
    (config.commandQueueLog2 << IDR1_CMDQS_SHIFT)
  const stallMax = config.stallModel === 'none' ? 0 : config.stallMax
  const idr5 = ADDRESS_SIZES.indexOf(config.addressBits) | IDR5_GRAN4K | (stallMax << IDR5_STALL_MAX_SHIFT)
  return [idr0, idr1, 0, flag(config.rangeInvalidation, IDR3_RIL), 0, idr5]
}
