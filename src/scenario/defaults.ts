// SPDX-License-Identifier: MIT
import type { DeviceSection, HandlerSection, IommuSection, Latencies, Scenario } from './document.ts'
import { LATENCY_DEFAULTS } from './latencies.ts'

/** The default machine and handler as code: what a document leaves out, for programs that build scenarios themselves. */
export const DEFAULT_IOMMU: IommuSection = {
  name: 'iommu0',
  model: 'simple',
  pageRequestQueueEntries: 256,
  pasidBits: 20,
  format: 'x86-64-4level',
}

export const DEFAULT_DEVICE: DeviceSection = {
  name: 'dma0',
  kind: 'dma-engine',
  iommu: 'iommu0',
  ats: true,
  pri: { capacity: 32, allocation: 32 },
  pasid: { bits: 20 },
  groupPages: 1,
  transfersInFlight: 4,
  privateData: false,
}

export const DEFAULT_HANDLER: HandlerSection = {
  mode: 'fault-queue',
  style: 'async',
  batch: 32,
  faultAround: 0,
  inFlight: 64,
  residentLimit: 'none',
  misbehaviour: { kind: 'none', after: 0, delay: 1_000_000 },
}

function nanos(hop: keyof Latencies): number {
  return LATENCY_DEFAULTS[hop].nanos
}

export function defaultLatencies(): Latencies {
  return {
    ats: nanos('ats'),
    pageRequest: nanos('pageRequest'),
    interrupt: nanos('interrupt'),
    workQueue: nanos('workQueue'),
    wakeUp: nanos('wakeUp'),
    systemCall: nanos('systemCall'),
    handler: nanos('handler'),
    pageIn: nanos('pageIn'),
    pageOut: nanos('pageOut'),
    map: nanos('map'),
    unmap: nanos('unmap'),
    invalidation: nanos('invalidation'),
    response: nanos('response'),
    dma: nanos('dma'),
  }
}

/** A whole scenario: one device, one IOMMU, 64 MiB, 1 MiB of a pattern; what `parts` names is replaced. */
export function scenarioOf(parts: Partial<Scenario> = {}): Scenario {
  return {
    name: 'scenario',
    description: '',
    seed: 1,
    decisions: 'default',
    random: { latencySpread: 0.5, failureChance: 0 },
    machine: { memory: 64 * 2 ** 20, iommus: [DEFAULT_IOMMU], devices: [DEFAULT_DEVICE] },
    latencies: defaultLatencies(),
    policy: {
      quotaPerDevice: 'none',
      responseTimeout: 'none',
      timeoutCode: 'failure',
      unifiedHandler: false,
      privateData: false,
    },
    process: { handler: DEFAULT_HANDLER },
    workload: {
      source: { kind: 'pattern', lengthBytes: 2 ** 20 },
      destination: 'none',
      chunk: 64 * 1024,
      streams: [{ device: DEFAULT_DEVICE.name, pasid: 'none' }],
      events: [],
    },
    expect: { digests: 'equal', transfers: 'completed' },
    ...parts,
  }
}
