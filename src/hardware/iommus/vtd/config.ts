// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import * as tables from './layout-tables.ts'
import * as layout from './layout.ts'

/** Nanoseconds; each is the base of a draw from the world's decisions. */
export interface VtdLatencies {
  /** A page-group response from the unit to the function. */
  readonly link: number
  /** From an event being raised to its handler. */
  readonly interrupt: number
  /** After so long the unit gives up device-TLB invalidations that a function has not completed; 0: never. Not drawn. */
  readonly invalidationTimeout: number
}

/** What a unit can do; CAP and ECAP follow from it. */
export interface VtdConfig {
  /** 0 (no PASIDs) … 20. */
  readonly pasidBits: number
  /** Device TLBs. */
  readonly ats: boolean
  readonly pri: boolean
  /** Private data of page requests is recorded and travels back with responses. */
  readonly privateData: boolean
  readonly firstStage: boolean
  readonly secondStage: boolean
  readonly nested: boolean
  readonly passThrough: boolean
  /** 57-bit addresses in both stages. */
  readonly fiveLevel: boolean
  /** Accessed and dirty bits in the second stage. */
  readonly dirty: boolean
  readonly executeRequests: boolean
  readonly supervisorRequests: boolean
  /** 2^n domain ids: 4, 6 … 16. */
  readonly domainIdBits: number
  /** Fault recording registers, 1 … 256. */
  readonly faultRecords: number
  /** A power of two, at least 4. */
  readonly iotlbEntries: number
  /**
   * Requests that wait in the page request queue at a time, if fewer than fit: no unit is built so, but queues have at
   * least 128 descriptors, and an overflow wants to be seen with fewer. 0: as many as fit.
   */
  readonly pageRequestsMax: number
  readonly latencies: VtdLatencies
}

const DEFAULTS: VtdConfig = {
  pasidBits: 20,
  ats: true,
  pri: true,
  privateData: false,
  firstStage: true,
  secondStage: true,
  nested: true,
  passThrough: true,
  fiveLevel: true,
  dirty: true,
  executeRequests: true,
  supervisorRequests: true,
  domainIdBits: 16,
  faultRecords: 8,
  iotlbEntries: 8192,
  pageRequestsMax: 0,
  latencies: { link: 300, interrupt: 1000, invalidationTimeout: 0 },
}

export interface VtdOptions extends Partial<Omit<VtdConfig, 'latencies'>> {
  readonly latencies?: Partial<VtdLatencies>
}

/** The configuration of a unit, completed with defaults. */
export function vtdConfig(options: VtdOptions = {}): VtdConfig {
  const config = { ...DEFAULTS, ...options, latencies: { ...DEFAULTS.latencies, ...options.latencies } }
  const { pasidBits, domainIdBits, faultRecords, iotlbEntries } = config
  assert(pasidBits >= 0 && pasidBits <= 20, `pasidBits ${pasidBits}`)
  assert(domainIdBits >= 4 && domainIdBits <= 16 && domainIdBits % 2 === 0, `domainIdBits ${domainIdBits}`)
  assert(faultRecords >= 1 && faultRecords <= 256, `faultRecords ${faultRecords}`)
  assert(iotlbEntries >= 4 && (iotlbEntries & (iotlbEntries - 1)) === 0, `iotlbEntries ${iotlbEntries}`)
  assert(!config.nested || (config.firstStage && config.secondStage), 'nesting needs both stages')
  return config
}

/** Guest addresses are below 2^bits (CAP.MGAW + 1). */
export function guestAddressBits(config: VtdConfig): number {
  return config.fiveLevel ? 57 : 48
}

/** CAP_REG of such a unit: low double word. */
export function capabilityLow(config: VtdConfig): number {
  const depths = (1 << tables.AW_39) | (1 << tables.AW_48) | (config.fiveLevel ? 1 << tables.AW_57 : 0)
  return (
    ((config.domainIdBits - 4) >> 1) |
    ((config.secondStage ? depths : 0) << layout.CAP_SAGAW_SHIFT) |
    ((guestAddressBits(config) - 1) << layout.CAP_MGAW_SHIFT) |
    ((layout.FRCD_OFFSET / layout.FRCD_BYTES) << layout.CAP_FRO_SHIFT)
  )
}

/** CAP_REG, high double word. */
export function capabilityHigh(config: VtdConfig): number {
  const large = layout.CAP_SSLPS_2M_HI | layout.CAP_SSLPS_1G_HI
  const wide = layout.CAP_FS1GP_HI | (config.fiveLevel ? layout.CAP_FS5LP_HI : 0)
  return (
    (config.secondStage ? large : 0) |
    (config.firstStage ? wide : 0) |
    layout.CAP_PSI_HI |
    layout.CAP_DWD_HI |
    layout.CAP_DRD_HI |
    ((config.faultRecords - 1) << layout.CAP_NFR_SHIFT_HI) |
    (layout.CAP_MAMV_MASK << layout.CAP_MAMV_SHIFT_HI)
  )
}

/** ECAP_REG, low double word. */
export function extendedLow(config: VtdConfig): number {
  let word = layout.ECAP_C | layout.ECAP_QI
  if (config.ats) word |= layout.ECAP_DT
  if (config.passThrough) word |= layout.ECAP_PT
  if (config.nested) word |= layout.ECAP_NEST
  if (config.pri) word |= layout.ECAP_PRS
  if (config.executeRequests) word |= layout.ECAP_ERS
  if (config.supervisorRequests) word |= layout.ECAP_SRS
  return word
}

/** ECAP_REG, high double word. */
export function extendedHigh(config: VtdConfig): number {
  let word = layout.ECAP_SMTS_HI | layout.ECAP_SMPWCS_HI | layout.ECAP_RPS_HI
  if (config.pasidBits > 0)
    word |= layout.ECAP_PASID_HI | ((config.pasidBits - 1) << layout.ECAP_PSS_SHIFT_HI)
  if (config.privateData) word |= layout.ECAP_PDS_HI
  if (config.dirty && config.secondStage) word |= layout.ECAP_SSADS_HI
  if (config.secondStage) word |= layout.ECAP_SSTS_HI
  if (config.firstStage) word |= layout.ECAP_FSTS_HI
  return word
}
