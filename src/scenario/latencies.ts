// SPDX-License-Identifier: MIT
/** Default virtual time of each hop, with where the figure comes from. `assumed`: no published figure stands behind it. */
import type { Latencies } from './document.ts'

export interface LatencyDefault {
  readonly nanos: number
  /** What the hop is, for the schema's descriptions. */
  readonly what: string
  readonly source: string
}

const ASSUMED = 'assumed'

export const LATENCY_DEFAULTS: { readonly [hop in keyof Latencies]: LatencyDefault } = {
  ats: { nanos: 1_000, what: 'ATS translation request and completion', source: ASSUMED },
  pageRequest: { nanos: 500, what: 'page request into the ring of the IOMMU', source: ASSUMED },
  interrupt: { nanos: 2_000, what: 'interrupt to the first line of its handler', source: ASSUMED },
  workQueue: { nanos: 5_000, what: 'work item queued to running', source: ASSUMED },
  wakeUp: {
    nanos: 20_000,
    what: 'readable queue to return from poll',
    source: 'measured: 20 to 50 us across cores',
  },
  systemCall: { nanos: 400, what: 'one read, write or ioctl', source: 'measured: 0.4 us an ioctl' },
  handler: { nanos: 1_000, what: 'user handler, per group', source: 'CPU minor fault about 1 us' },
  pageIn: { nanos: 5_000, what: 'one page read from the source', source: ASSUMED },
  pageOut: { nanos: 5_000, what: 'one dirty page written back', source: ASSUMED },
  map: { nanos: 53, what: 'mapping 4 KiB', source: 'VT-d second stage, 53 ns' },
  unmap: { nanos: 67, what: 'unmapping 4 KiB', source: 'VT-d second stage, 67 ns' },
  invalidation: { nanos: 1_000, what: 'IOTLB and device cache invalidation', source: ASSUMED },
  response: { nanos: 500, what: 'response command to the device', source: ASSUMED },
  dma: { nanos: 250, what: '4 KiB by DMA', source: 'assumed: 16 GB/s' },
}
