// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import {
  CAP_ATS,
  CAP_FORMATS_SHIFT,
  CAP_NESTED,
  CAP_PRI,
  CAP_PRIVATE_DATA,
  FORMAT_MOCK,
  FORMAT_X86_64_4_LEVEL,
  FORMAT_X86_64_5_LEVEL,
} from './layout.ts'

/** Nanoseconds; each is the base of a draw from the world's decisions. */
export interface SimpleIommuLatencies {
  /** A PRG Response from the unit to the function. */
  readonly link: number
  /** From a line being raised to its handler. */
  readonly interrupt: number
  /** After so long the unit gives up invalidations that a function has not completed; 0: never. Not drawn. */
  readonly invalidationTimeout: number
}

export interface SimpleIommuConfig {
  /** 0 (no PASIDs) … 20. */
  readonly pasidBits: number
  readonly ats: boolean
  readonly pri: boolean
  readonly nested: boolean
  /** Private data of page requests is recorded and travels back with responses. */
  readonly privateData: boolean
  /** FORMAT_ numbers. */
  readonly formats: readonly number[]
  /** Largest ring, in entries; at least 2. */
  readonly ringEntriesMax: number
  /** A power of two, at least 4. */
  readonly iotlbEntries: number
  readonly latencies: SimpleIommuLatencies
}

const DEFAULTS: SimpleIommuConfig = {
  pasidBits: 20,
  ats: true,
  pri: true,
  nested: true,
  privateData: false,
  formats: [FORMAT_MOCK, FORMAT_X86_64_4_LEVEL, FORMAT_X86_64_5_LEVEL],
  ringEntriesMax: 4096,
  iotlbEntries: 8192,
  latencies: { link: 300, interrupt: 1000, invalidationTimeout: 0 },
}

export interface SimpleIommuOptions extends Partial<Omit<SimpleIommuConfig, 'latencies'>> {
  readonly latencies?: Partial<SimpleIommuLatencies>
}

/** The configuration of a unit, completed with defaults. */
export function simpleConfig(options: SimpleIommuOptions = {}): SimpleIommuConfig {
  const config = { ...DEFAULTS, ...options, latencies: { ...DEFAULTS.latencies, ...options.latencies } }
  assert(config.pasidBits >= 0 && config.pasidBits <= 20, `pasidBits ${config.pasidBits}`)
  assert(config.ringEntriesMax >= 2, `ringEntriesMax ${config.ringEntriesMax}`)
  const { iotlbEntries } = config
  assert(iotlbEntries >= 4 && (iotlbEntries & (iotlbEntries - 1)) === 0, `iotlbEntries ${iotlbEntries}`)
  return config
}

/** REG_CAPABILITY of a unit with this configuration. */
export function capabilityWord(config: SimpleIommuConfig): number {
  let word = config.pasidBits
  if (config.ats) word |= CAP_ATS
  if (config.pri) word |= CAP_PRI
  if (config.nested) word |= CAP_NESTED
  if (config.privateData) word |= CAP_PRIVATE_DATA
  for (const format of config.formats) word |= 1 << (CAP_FORMATS_SHIFT + format)
  return word >>> 0
}
