// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest'
import { SWEEP_RUNS_MAX } from '../base/limits.ts'
import { MEMORY, MockRig, resultOf } from './mock-rig.suite.ts'

const IOVA = 0x2000000
const DATA: number = MEMORY + 0x200000
const TYPE = 0xdeadbeef

/** What the stories use: the memory that is mapped, data, the struct. They are there before anything fails. */
const PAGES: readonly number[] = [
  ...Array.from({ length: 64 }, (_, page) => MEMORY + page * 4096),
  ...[0, 1, 2].map((page) => DATA + page * 4096),
  MEMORY + 0x3ff000,
  0x8000000,
]

/** Runs the story with the first allocation or copy failing, then the second, and so on; nothing may be left behind. */
function sweep(story: (rig: MockRig) => void): number {
  for (let n = 1; n <= SWEEP_RUNS_MAX; n++) {
    const rig = new MockRig({ extended: true })
    for (const page of PAGES) rig.store(page, [1])
    const { failpoints } = rig.machine.world
    failpoints.failNth(n)
    story(rig)
    const { failures, lastFailed } = failpoints
    failpoints.off()
    expect([lastFailed, rig.end()]).toEqual([lastFailed, 0])
    if (failures === 0) return n - 1
  }
  throw new Error('the sweep did not end')
}

function devices(rig: MockRig): void {
  const ioas = rig.allocIoas()
  rig.map(ioas, MEMORY, 0x10000, IOVA)
  const { stdev, device } = rig.mockDevice(ioas, 4)
  const first = rig.allocHwpt(device, ioas, { flags: 8 | 2 }).words[4]!
  const second = rig.allocHwpt(device, ioas, { flags: 8 }).words[4]!
  rig.test(10, stdev, [first])
  rig.test(18, stdev, [7, first])
  rig.test(19, stdev, [7, second])
  rig.test(10, stdev, [rig.allocIoas()])
  rig.map(ioas, MEMORY + 0x20800, 0x2800, IOVA + 0x20000)
  rig.ioctl(0x3b8b, [16, 1, first, 0])
  rig.test(13, first, [0, 0, IOVA, 0, 0x8000, 0, 4096, 0, DATA, 0])
  rig.ioctl(0x3b8c, [48, first, 0, 0, IOVA, 0, 0x10000, 0, 4096, 0, DATA, 0])
  rig.test(3, first, [IOVA, 0, 0x10000, 0, MEMORY, 0])
  rig.unmap(ioas, IOVA, 0x10000)
  rig.test(20, stdev, [7])
  rig.destroy(stdev)
}

function accesses(rig: MockRig): void {
  const ioas = rig.allocIoas()
  rig.map(ioas, MEMORY, 0x10000, IOVA)
  const access = rig.test(5, ioas, [0, 1]).words[4]!
  rig.test(7, access, [0, 0, IOVA, 0, 0x3000, 0, MEMORY, 0])
  rig.test(7, access, [1, 0, IOVA + 0x1000, 0, 0x2000, 0, 0, 0])
  rig.test(6, access, [0])
  rig.test(8, access, [IOVA + 100, 0, 0x2000, 0, DATA, 0, 4])
  rig.test(8, access, [IOVA + 100, 0, 100, 0, DATA, 0, 1])
  rig.test(11, access, [rig.allocIoas()])
  rig.unmap(ioas, IOVA, 0x10000)
  resultOf(() => rig.process.dup(access))
}

function guests(rig: MockRig): void {
  const ioas = rig.allocIoas()
  const { stdev, device } = rig.mockDevice(ioas)
  rig.map(ioas, MEMORY, 0x10000, IOVA)
  const parent = rig.allocHwpt(device, ioas, { flags: 1 }).words[4]!
  rig.store(DATA, [5, 0, 0, 0, 0, 0])
  const guest = rig.ioctl(0x3b90, [40, 0, TYPE, device, parent, 0, 24, 0, DATA, 0]).words[5]!
  rig.ioctl(0x3b91, [24, guest, device, 0, 9, 0])
  rig.ioctl(0x3b93, [32, 0, guest, 0xbeefbeef, 2, 0, 0, 0])
  const nested = rig.allocHwpt(device, guest, { data: [1] }).words[4]!
  rig.test(10, stdev, [nested])
  for (let event = 0; event < 3; event++) rig.test(17, 0, [device])
  rig.ioctl(0x3b94, [40, 0, guest, TYPE, 0, 0, IOVA, 0, 4096, 0])
  rig.ioctl(0x3b94, [40, 0, guest, TYPE, 1, 0, IOVA, 0, 4096, 0])
  rig.store(DATA, [0, 9, 0])
  rig.ioctl(0x3b8d, [32, guest, DATA, 0, TYPE, 12, 1, 0])
  rig.ioctl(0x3b8d, [32, nested, DATA, 0, TYPE, 8, 1, 0])
}

function faults(rig: MockRig): void {
  const ioas = rig.allocIoas()
  const { stdev, device } = rig.mockDevice(ioas, 4)
  const { words } = rig.ioctl(0x3b8e, [16, 0, 0, 0])
  const queues = [1, 2].map(() => rig.allocHwpt(device, ioas, { flags: 12, fault: words[2]! }).words[4]!)
  rig.test(10, stdev, [queues[0]!])
  rig.test(18, stdev, [3, queues[0]!])
  rig.test(0x1000, 0, [device, 1, 0, 0, 1, 1, 0, 0])
  for (const group of [1, 2, 3]) rig.test(15, 0, [device, 0, group, 1, 0x1000, 0])
  rig.test(15, 0, [device, 3, 4, 1, 0x1000, 0])
  resultOf(() => rig.process.read(words[3]!, BigInt(DATA), 120))
  rig.store(DATA, [1, 0])
  resultOf(() => rig.process.write(words[3]!, BigInt(DATA), 8))
  rig.test(10, stdev, [queues[1]!])
  rig.test(20, stdev, [3])
  rig.test(0x1001, 0, [DATA, 0, 9])
  rig.destroy(stdev)
}

function buffers(rig: MockRig): void {
  const ioas = rig.allocIoas()
  rig.mockDevice(ioas)
  const fd = Number(rig.testResult(22, 0, [0x8000, 0]))
  rig.ioctl(0x3b8f, [40, 7, ioas, fd, 0, 0, 0x8000, 0, IOVA, 0])
  rig.test(23, 0, [fd, 1])
  rig.test(23, 0, [fd, 0])
  rig.ioctl(0x3b8f, [40, 7, ioas, fd, 0, 0, 0x8000, 0, IOVA + 0x10000, 0])
}

test.each([
  ['devices, PASIDs and dirty bits', devices, 60],
  ['accesses', accesses, 20],
  ['guests', guests, 30],
  ['faults', faults, 30],
  ['dma-bufs', buffers, 15],
])('nothing is left behind whatever fails: %s', (_name, story, runs) => {
  expect(sweep(story)).toBeGreaterThan(runs)
})
