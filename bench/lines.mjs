// SPDX-License-Identifier: MIT
/**
 * What is measured. `goal` of a line with a peer: smallest ratio (peer's time / our time); of a line without: largest count.
 * No goal: for information. `kernel`: the loop of `peers/iommufd.c` that does the same. `ours.operations` and the peer's first argument are one round's work.
 */
const FAULTS = 1 << 18
const PEER_FAULTS = 1 << 16

/** Parameters of the fault lines: pages in a group, transfers in flight, virtual nanoseconds of a hop. */
const MANY = { group: 1, inFlight: 32, hopNanos: 1000 }
const ALONE = { group: 1, inFlight: 1, hopNanos: 0 }
const GROUPS = { group: 32, inFlight: 2, hopNanos: 1000 }

export const LINES = [
  {
    name: 'fault-sync',
    about:
      'device fault end to end, a 4 KiB page moved, synchronous handler, 32 transfers in flight; peer: userfaultfd + UFFDIO_COPY',
    unit: 'ns/fault',
    goal: 14,
    ours: { module: 'faults', params: { handler: 'sync', ...MANY }, operations: FAULTS },
    peer: { program: 'userfault', args: [PEER_FAULTS, 1] },
  },
  {
    name: 'fault-sync-alone',
    about: 'the same with one transfer in flight: no batch ever',
    unit: 'ns/fault',
    ours: { module: 'faults', params: { handler: 'sync', ...ALONE }, operations: FAULTS },
    peer: { program: 'userfault', args: [PEER_FAULTS, 1] },
  },
  {
    name: 'fault-async',
    about: 'the same as fault-sync by async iteration',
    unit: 'ns/fault',
    goal: 8,
    ours: { module: 'faults', params: { handler: 'async', ...MANY }, operations: FAULTS },
    peer: { program: 'userfault', args: [PEER_FAULTS, 1] },
  },
  {
    name: 'fault-group-32',
    about: 'a page in groups of 32; peer: one 32-page UFFDIO_COPY a fault',
    unit: 'ns/page',
    goal: 3,
    ours: { module: 'faults', params: { handler: 'sync', ...GROUPS }, operations: FAULTS },
    peer: { program: 'userfault', args: [PEER_FAULTS * 4, 32] },
  },
  {
    name: 'iotlb-hit',
    about: 'IOTLB hit over 4096 pages; peer: GLib GHashTable',
    unit: 'ns/hit',
    goal: 0.5,
    ours: { module: 'iotlb', params: { pages: 4096 }, operations: 1 << 24 },
    peer: { program: 'iotlb', args: [1 << 24, 4096] },
  },
  ...[4096, 64].flatMap((pages) => [
    {
      name: `dma-raw-${pages}`,
      about: `4 KiB copy in physical memory over 2 × ${pages} pages; peer: memcpy`,
      unit: 'ns/page',
      goal: 0.8,
      ours: { module: 'memory-copy', params: { pages }, operations: pages > 64 ? 1 << 19 : 1 << 21 },
      peer: { program: 'memcpy', args: [pages > 64 ? 1 << 19 : 1 << 21, pages] },
    },
    {
      name: `dma-translated-${pages}`,
      about: `4 KiB DMA through the engine and its translations over 2 × ${pages} pages; peer: memcpy`,
      unit: 'ns/page',
      goal: 0.8,
      ours: { module: 'dma', params: { pages }, operations: pages > 64 ? 1 << 19 : 1 << 21 },
      peer: { program: 'memcpy', args: [pages > 64 ? 1 << 19 : 1 << 21, pages] },
    },
  ]),
  {
    name: 'scavenges-translated',
    about: 'young-generation collections in a million translated accesses',
    unit: 'scavenges',
    goal: 0,
    ours: { module: 'dma', params: { pages: 4096 }, operations: 1_000_000 },
  },
  {
    name: 'scavenges-faults',
    about: 'young-generation collections in a million faults, synchronous handler',
    unit: 'scavenges',
    goal: 0,
    ours: { module: 'faults', params: { handler: 'sync', ...MANY }, operations: 1_000_000 },
  },
  {
    name: 'message-answer',
    about: 'a fault record read and its answer written, nothing moved; peer: pipe ping-pong of 40 B and 16 B',
    unit: 'ns/exchange',
    ours: { module: 'faults', params: { handler: 'refuse', ...ALONE }, operations: FAULTS },
    peer: { program: 'pipe', args: [PEER_FAULTS] },
  },
  {
    name: 'byte-alloc-destroy',
    about: 'byte door: IOAS_ALLOC and DESTROY of it',
    unit: 'ns/pair',
    kernel: 'alloc-destroy',
    ours: { module: 'byte-door', params: { loop: 'alloc-destroy' }, operations: 1 << 18 },
  },
  {
    name: 'byte-map-unmap',
    about: 'byte door: MAP and UNMAP of 64 KiB with a mock domain attached',
    unit: 'ns/pair',
    kernel: 'map-unmap',
    ours: { module: 'byte-door', params: { loop: 'map-unmap' }, operations: 1 << 16 },
  },
  {
    name: 'byte-fault',
    about: 'byte door: a fault triggered, read and answered; peer: pipe ping-pong of 40 B and 16 B',
    unit: 'ns/fault',
    goal: 2,
    kernel: 'faults-1',
    ours: { module: 'byte-door', params: { loop: 'faults', batch: 1 }, operations: 1 << 18 },
    peer: { program: 'pipe', args: [PEER_FAULTS] },
  },
  {
    name: 'byte-fault-64',
    about:
      'byte door: 64 faults in one read and one write; peer: pipe ping-pong of 40 B and 16 B, once a fault',
    unit: 'ns/fault',
    goal: 5,
    kernel: 'faults-64',
    ours: { module: 'byte-door', params: { loop: 'faults', batch: 64 }, operations: 1 << 18 },
    peer: { program: 'pipe', args: [PEER_FAULTS] },
  },
  {
    name: 'run-ioctl',
    about:
      'an ioctl of an unmodified program under iopf run, on one CPU; peer: the same program under a supervisor in C',
    unit: 'ns/ioctl',
    goal: 0.625,
    ours: { module: 'run-ioctl', params: {}, operations: 40_000 },
    peer: { program: 'notify', args: [20_000] },
  },
  {
    name: 'area-unmap-map',
    about: 'an area unmapped and mapped again among 100 000; peer: GLib GTree',
    unit: 'ns/pair',
    goal: 1.4,
    ours: { module: 'range-map', params: { areas: 100_000, find: false }, operations: 1_000_000 },
    peer: { program: 'area-tree', args: [500_000, 100_000] },
  },
  {
    name: 'area-find',
    about: 'the area of an address among 100 000; peer: GLib GTree',
    unit: 'ns/find',
    goal: 1.3,
    ours: { module: 'range-map', params: { areas: 100_000, find: true }, operations: 4_000_000 },
    peer: { program: 'area-tree', args: [1_000_000, 100_000, 'find'] },
  },
  {
    name: 'walk-4-level',
    about: 'x86-64 4-level walk over 4096 pages',
    unit: 'ns/walk',
    ours: { module: 'walk', params: { pages: 4096 }, operations: 1 << 23 },
  },
]
