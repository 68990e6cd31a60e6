// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import { IoasAllowIovas, IoasIovaRanges, IovaRange, setU64 } from '../../abi/index.ts'
import type { Ioas } from '../../door/ioas.ts'
import { FakeMachine, codeOf } from '../../fake-machine.suite.ts'
import type { Iommufd } from '../../iommufd.ts'

const LIST = 0x10000n

let machine: FakeMachine
let iommufd: Iommufd
let ioas: Ioas

beforeEach(() => {
  machine = new FakeMachine()
  iommufd = machine.open()
  ioas = iommufd.allocIoas()
})

function map(va: bigint, length: bigint): bigint | string {
  let iova = 0n
  const code = codeOf(() => (iova = ioas.map({ userAddress: va, lengthBytes: length })))
  return code === 'ok' ? iova : code
}

/** The ranges as they stand in the process's memory at `LIST`. */
function writeRanges(ranges: readonly (readonly [start: bigint, last: bigint])[]): void {
  const view = new DataView(machine.mm.bytes.buffer)
  for (const [index, [start, last]] of ranges.entries()) {
    const range = new IovaRange()
    setU64(range, 'start', start)
    setU64(range, 'last', last)
    range.encode(view, Number(LIST) + index * IovaRange.SIZE)
  }
}

function ioctlAt(number: number, command: { encode(view: DataView, offset: number): void }): string {
  command.encode(new DataView(machine.mm.bytes.buffer), 0x2000)
  return codeOf(() => machine.process.ioctl(iommufd.fd, number, 0x2000n))
}

function allow(ranges: readonly (readonly [bigint, bigint])[]): string {
  writeRanges(ranges)
  const command = new IoasAllowIovas()
  command.size = 24
  command.ioas_id = ioas.id
  command.num_iovas = ranges.length
  setU64(command, 'allowed_iovas', LIST)
  return ioctlAt(0x3b82, command)
}

test('addresses keep the offset in the page and the alignment of the memory (spec/02 §3.4)', () => {
  expect(map(0x1000n, 0x1000n)).toBe(0x1000n)
  expect(map(0x801801n, 100n)).toBe(0x2801n)
  expect(map(0x2000n, 0x2000n)).toBe(0x4000n)
  expect(map(0x800000n, 0x400000n)).toBe(0x200000n)
  expect(map(0n, 0x10000n)).toBe(0x10000n)
})

test('a wide one starts at 2 MiB (spec/02 §3.4; the kernel gives 0x200000)', () => {
  expect(map(0n, 2n ** 63n - 2n)).toBe(0x200000n)
})

test.each([
  [0x100800n, 1n, 0x1800n],
  [0x100004n, 2n, 0x1004n],
  [0x100001n, 0x100n, 0x1001n],
  [0x100c00n, 0x801n, 0x1c00n],
  [0x101000n, 1n, 0x1001n],
  [0x101000n, 3n, 0x1004n],
  [0x100000n, 0x401n, 0x1800n],
])('behind one byte at 0x1000, memory at %s of %s bytes goes where 7.2.13 put it', (va, length, iova) => {
  ioas.map({ userAddress: 0x100000n, lengthBytes: 1, iova: 0x1000n })
  expect(map(va, length)).toBe(iova)
})

test('the first hole that is large enough is taken, and a hole may be filled to its last byte', () => {
  ioas.map({ userAddress: 0n, lengthBytes: 0x1000, iova: 0x1000n })
  ioas.map({ userAddress: 0n, lengthBytes: 0x1000, iova: 0x3000n })
  expect(map(0x3000n, 0x2000n)).toBe(0x4000n)
  expect(map(0x3000n, 0x1000n)).toBe(0x2000n)
  expect(map(0x3000n, 0x1000n)).toBe(0x6000n)
})

test('only allowed ranges are used, never page 0, and fixed addresses ignore them (spec/02 §3.3, §3.4)', () => {
  expect(allow([[0n, 0xffffn]])).toBe('ok')
  expect(map(0x1000n, 0x1000n)).toBe(0x1000n)
  expect(map(0x801801n, 100n)).toBe(0x2801n)
  expect(map(0x1000n, 0x2000n)).toBe(0x3000n)
  expect(map(0x10000n, 0x10000n)).toBe('ENOSPC')
  expect(ioas.map({ userAddress: 0x1000n, lengthBytes: 0x1000, iova: 0x100000n })).toBe(0x100000n)
  expect(allow([])).toBe('ok')
  expect(map(0x10000n, 0x10000n)).toBe(0x10000n)
})

test('allowed lists are refused as a whole (spec/02 §3.6)', () => {
  expect(allow([[0x5000n, 0x5000n]])).toBe('EINVAL')
  expect(
    allow([
      [0x5000n, 0x5fffn],
      [0x5fffn, 0x7000n],
    ]),
  ).toBe('EINVAL')
  machine.iommu.aperture = { firstPage: 0x10 }
  iommufd.bind('dev0').attach(ioas)
  expect(allow([[0x5000n, 0x5fffn]])).toBe('EADDRINUSE')
  expect(map(0x1000n, 0x1000n)).toBe(0x10000n)
})

test('an allowed range outside the aperture refuses the domain (spec/02 §3.6 reserve)', () => {
  expect(allow([[0x5000n, 0x5fffn]])).toBe('ok')
  machine.iommu.aperture = { firstPage: 0x10 }
  expect(codeOf(() => iommufd.bind('dev0').attach(ioas))).toBe('EADDRINUSE')
})

test('the usable ranges are the holes of what is reserved, with the real count also on EMSGSIZE (spec/02 §3.6)', () => {
  machine = new FakeMachine({
    devices: [{ reservedRegions: [{ firstPage: 0xfee00, lastPage: 0xfeeff, kind: 3 }] }],
  })
  machine.iommu.aperture = { firstPage: 1, lastPage: 2 ** 40 - 1 }
  iommufd = machine.open()
  ioas = iommufd.allocIoas()
  iommufd.bind('dev0').attach(ioas)
  const command = new IoasIovaRanges()
  command.size = 32
  command.ioas_id = ioas.id
  command.num_iovas = 1
  setU64(command, 'allowed_iovas', LIST)
  expect(ioctlAt(0x3b84, command)).toBe('EMSGSIZE')
  const view = new DataView(machine.mm.bytes.buffer)
  expect([view.getUint32(0x2008, true), view.getBigUint64(0x2018, true)]).toEqual([2, 4096n])
  command.num_iovas = 2
  expect(ioctlAt(0x3b84, command)).toBe('ok')
  expect([0, 8, 16, 24].map((at) => view.getBigUint64(Number(LIST) + at, true))).toEqual([
    0x1000n,
    0xfedf_ffffn,
    0xfef0_0000n,
    2n ** 52n - 1n,
  ])
})

/** First fit by trying every candidate (spec/02 §3.4), over a small window of pages. */
function firstFit(taken: readonly boolean[], vaPage: number, pages: number): number {
  const pow2 = 2 ** Math.ceil(Math.log2(pages))
  const align = vaPage === 0 ? pow2 : Math.min(pow2, vaPage & -vaPage)
  for (let at = 1; at + pages <= taken.length; at++)
    if (at % align === 0 && !taken.slice(at, at + pages).includes(true)) return at
  return -1
}

test('is the lowest address that fits, whatever is mapped', () => {
  const request = fc.record({ va: fc.integer({ min: 0, max: 64 }), pages: fc.integer({ min: 1, max: 9 }) })
  fc.assert(
    fc.property(fc.array(request, { maxLength: 40 }), (requests) => {
      ioas = iommufd.allocIoas()
      expect(allow([[0n, 127n * 0x1000n + 0xfffn]])).toBe('ok')
      const taken = Array.from({ length: 128 }, () => false)
      for (const { va, pages } of requests) {
        const at = firstFit(taken, va, pages)
        const got = map(BigInt(va) * 0x1000n, BigInt(pages) * 0x1000n)
        expect(got).toBe(at < 0 ? 'ENOSPC' : BigInt(at) * 0x1000n)
        if (at >= 0) taken.fill(true, at, at + pages)
      }
    }),
    { numRuns: 100 },
  )
})
