// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import type { AtsConfig } from '../../pci/ats.ts'
import type { PasidConfig } from '../../pci/pasid.ts'
import type { PriConfig } from '../../pci/pri.ts'

/** Nanoseconds; each but 0 is the base of a draw from the world's decisions. */
export interface DmaEngineLatencies {
  /** A translation request there and back; 0: answered within the same step. */
  readonly ats: number
  /** A page request (or Stop Marker) on its way to the unit; 0: arrives within the same step. */
  readonly pageRequest: number
  /** Moving one page. */
  readonly dma: number
  /** From a Success response to the next translation request. */
  readonly retry: number
  /** From an Invalidate Request to its completion; above 0, software must be able to wait for the unit. */
  readonly invalidation: number
}

export interface DmaEngineConfig {
  /** `undefined`: the function has no such capability. */
  readonly ats: AtsConfig | undefined
  readonly pri: PriConfig | undefined
  readonly pasid: PasidConfig | undefined
  /** Transfers that run at a time, 1 … 4096; the others queue. */
  readonly transfersInFlightMax: number
  /** Pages asked for in one page-request group, 1 … 512. */
  readonly groupPages: number
  /** Pages moved in one step. */
  readonly burstPages: number
  /** Success responses that may come without a byte being moved. */
  readonly retriesMax: number
  /** Entries of the translation cache: a power of two, at least 4. */
  readonly atcEntries: number
  /** Sends two private words with each page request and checks that the response brings them back. */
  readonly privateData: boolean
  readonly latencies: DmaEngineLatencies
}

const DEFAULTS: DmaEngineConfig = {
  ats: { invalidateQueueDepth: 32 },
  pri: { capacity: 512, responsePasidRequired: true },
  pasid: { width: 20, exec: false, priv: true },
  transfersInFlightMax: 16,
  groupPages: 1,
  burstPages: 64,
  retriesMax: 256,
  atcEntries: 1024,
  privateData: false,
  latencies: { ats: 0, pageRequest: 300, dma: 0, retry: 0, invalidation: 0 },
}

export interface DmaEngineOptions extends Partial<Omit<DmaEngineConfig, 'latencies'>> {
  readonly latencies?: Partial<DmaEngineLatencies>
}

/** The configuration of an engine, completed with defaults. */
export function dmaEngineConfig(options: DmaEngineOptions = {}): DmaEngineConfig {
  const config = { ...DEFAULTS, ...options, latencies: { ...DEFAULTS.latencies, ...options.latencies } }
  const { transfersInFlightMax, groupPages, burstPages, atcEntries } = config
  assert(transfersInFlightMax >= 1 && transfersInFlightMax <= 4096, `${transfersInFlightMax} transfers`)
  assert(groupPages >= 1 && groupPages <= 512, `groups of ${groupPages} pages`)
  assert(burstPages >= 1, `bursts of ${burstPages} pages`)
  assert(atcEntries >= 4 && (atcEntries & (atcEntries - 1)) === 0, `${atcEntries} cache entries`)
  return config
}
