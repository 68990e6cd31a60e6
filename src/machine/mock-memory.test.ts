// SPDX-License-Identifier: MIT
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MEMORY, MockRig } from './mock-rig.suite.ts'

// Operations 1, 3, 4, 9, 13, 22 and 23 of spec/03 §5.3; what those rows leave open was observed on 7.2.13.
const ADD_RESERVED = 1
const CHECK_MAP = 3
const CHECK_REFS = 4
const MEMORY_LIMIT = 9
const DIRTY = 13
const DMABUF_GET = 22
const DMABUF_REVOKE = 23
const IOVA = 0x2000000
const BITMAP: number = MEMORY + 0x100000

let rig: MockRig
let ioas: number
let device: number
let hwpt: number

beforeEach(() => {
  rig = new MockRig({ hugePages: 2 })
  ioas = rig.allocIoas()
  ;({ device, hwpt } = rig.mockDevice(ioas))
  rig.map(ioas, MEMORY, 0x10000, IOVA)
})

afterEach(() => {
  expect(rig.end()).toBe(0)
})

/** A 64-bit value in two words: the high one is that of a signed number. */
const wide = (value: number): [number, number] => [value | 0, Math.floor(value / 2 ** 32)]

function check(id: number, iova: number, length: number, user: number): string | number {
  return rig.testResult(CHECK_MAP, id, [...wide(iova), ...wide(length), ...wide(user)])
}

function refs(user: number, length: number, count: number): string | number {
  return rig.testResult(CHECK_REFS, 0, [...wide(length), ...wide(user), count])
}

function get(length: number, flags = 0): string | number {
  return rig.testResult(DMABUF_GET, 0, [length, flags])
}

function revoke(fd: number, on: number): string | number {
  return rig.testResult(DMABUF_REVOKE, 0, [fd, on])
}

function mapFile(fd: number, length: number): string | number {
  return rig.ioctl(0x3b8f, [40, 7, ioas, fd, 0, 0, length, 0, 0x4000000, 0]).result
}

describe('what a page table translates to', () => {
  test.each([
    ['all of it', IOVA, 0x10000, MEMORY, 0],
    ['the second half of a page', IOVA + 2048, 2048, MEMORY + 2048, 0],
    ['another half', IOVA + 2048, 2048, MEMORY, 'EINVAL'],
    ['length below the smallest page', IOVA, 1024, MEMORY, 'EINVAL'],
    ['address below it', IOVA + 1024, 2048, MEMORY, 'EINVAL'],
    ['nothing', 0x5000000, 0, MEMORY, 0],
    ['a hole', 0x5000000, 4096, MEMORY, 'EINVAL'],
    ['over the end', IOVA, 0x11000, MEMORY, 'EINVAL'],
    ['over 64 bits', -2048, 4096, MEMORY, 'EINVAL'],
    ['up to 64 bits', -2048, 2048, MEMORY, 'EINVAL'],
    ['no memory of the caller', IOVA, 4096, 0x1000, 'EFAULT'],
  ])('%s', (_name, iova, length, user, expected) => {
    expect(check(hwpt, iova, length, user)).toBe(expected)
  })

  test('ids of other objects: ENOENT, before the rest is looked at', () => {
    for (const id of [999, ioas, device]) expect(check(id, IOVA, 1, MEMORY)).toBe('ENOENT')
  })

  test('a table of 4 KiB and 1 MiB pages wants 4 KiB', () => {
    const huge = rig.allocHwpt(device, ioas, { data: [0, 1] }).words[4]!
    expect(check(huge, IOVA, 0x10000, MEMORY)).toBe(0)
    expect(check(huge, IOVA + 2048, 2048, MEMORY + 2048)).toBe('EINVAL')
  })

  test('areas at 2 KiB, moved against their memory', () => {
    expect(rig.map(ioas, MEMORY + 0x20800, 0x2800, IOVA + 0x20000)).toBe(0)
    expect(rig.map(ioas, MEMORY + 0x30800, 0x1800, IOVA + 0x30800)).toBe(0)
    expect(check(hwpt, IOVA + 0x20000, 0x2800, MEMORY + 0x20800)).toBe(0)
    expect(check(hwpt, IOVA + 0x30800, 0x1800, MEMORY + 0x30800)).toBe(0)
    expect(rig.unmap(ioas, IOVA + 0x20000, 0x2800)).toBe(0)
    expect(check(hwpt, IOVA + 0x22000, 0x800, MEMORY + 0x22800)).toBe('EINVAL')
  })
})

describe('pins of the caller’s pages', () => {
  test.each([
    ['each page is pinned once', MEMORY, 0x10000, 1, 0],
    ['not twice', MEMORY, 4096, 2, 'EIO'],
    ['unmapped ones are not', MEMORY + 0x20000, 4096, 0, 0],
    ['nothing', 0x1000, 0, 1, 0],
    ['half a page', MEMORY, 2048, 1, 'EINVAL'],
    ['from half a page on', MEMORY + 2048, 4096, 1, 'EINVAL'],
    ['no memory', 0x1000, 4096, 1, 'EFAULT'],
    ['over 64 bits', -4096, 8192, 1, 'EINVAL'],
  ])('%s', (_name, user, length, count, expected) => {
    expect(refs(user, length, count)).toBe(expected)
  })
})

describe('reserved ranges', () => {
  test.each([
    ['no length, before the IOAS is looked for', 999, 0, 0, 'EINVAL'],
    ['over 64 bits', 1, -4096, 8192, 'EOVERFLOW'],
    ['no IOAS', 999, 0x3000000, 1, 'ENOENT'],
    ['an area is there', 1, IOVA + 5, 1, 'EADDRINUSE'],
    ['one byte', 1, 0x3000001, 1, 0],
  ])('%s', (_name, id, start, length, expected) => {
    expect(rig.testResult(ADD_RESERVED, id, [...wide(start), ...wide(length)])).toBe(expected)
  })

  test('twice is well, and nothing can be mapped there', () => {
    for (let i = 0; i < 2; i++) expect(rig.testResult(ADD_RESERVED, ioas, [0x3000000, 0, 4096, 0])).toBe(0)
    expect(rig.map(ioas, MEMORY, 4096, 0x3000000)).toBe('EINVAL')
  })
})

test.each([
  [11, 'EINVAL'],
  [0, 'EINVAL'],
  [12, 0],
  [-1, 0],
])('a memory limit of %i', (limit, expected) => {
  expect(rig.testResult(MEMORY_LIMIT, 0, [limit])).toBe(expected)
})

function mark(id: number, iova: number, length: number, pageSize: number, user: number): string | number {
  const union = [0, 0, ...wide(iova), ...wide(length), ...wide(pageSize), user, 0]
  const { result, words } = rig.test(DIRTY, id, union)
  return result === 0 ? `${words[14]} bits` : result
}

describe('dirty bits', () => {
  let tracking: number

  beforeEach(() => {
    tracking = rig.allocHwpt(device, ioas, { flags: 2 }).words[4]!
    rig.store(BITMAP, [0xffffffff, 0xffffffff, 0xffffffff])
  })

  const track = (on: number): string | number => rig.ioctl(0x3b8b, [16, on, tracking, 0]).result
  const read = (iova: number, length: number, pageSize: number): number => {
    rig.store(BITMAP + 64, [0])
    rig.ioctl(0x3b8c, [48, tracking, 0, 0, iova, 0, length, 0, pageSize, 0, BITMAP + 64, 0])
    return rig.load(BITMAP + 64, 1)[0]!
  }

  test.each([
    ['pages of 2 KiB', IOVA, 0x10000, 2048, BITMAP, '32 bits'],
    ['fewer than a byte', IOVA, 0x1800, 2048, BITMAP, '3 bits'],
    ['nothing is mapped there', 0x5000000, 0x10000, 2048, BITMAP, '32 bits'],
    ['no page size', IOVA, 0x10000, 0, BITMAP, 'EINVAL'],
    ['no length', IOVA, 0, 2048, BITMAP, 'EINVAL'],
    ['no bitmap', IOVA, 0x10000, 2048, 0, 'EINVAL'],
    ['address within a page', IOVA + 1024, 2048, 2048, BITMAP, 'EINVAL'],
    ['length within a page', IOVA, 3000, 2048, BITMAP, 'EINVAL'],
    ['more than 2^27 bits', 0, 2 ** 27 + 1, 1, BITMAP, 'EOVERFLOW'],
    ['bitmap not there', IOVA, 0x10000, 2048, 8, 'EFAULT'],
  ])('%s', (_name, iova, length, pageSize, user, expected) => {
    track(1)
    expect(mark(tracking, iova, length, pageSize, user)).toBe(expected)
  })

  test('only while tracking is on, which comes behind the arguments and before the bitmap', () => {
    expect(mark(tracking, IOVA, 2048, 2048, 8)).toBe('EINVAL')
    expect(mark(hwpt, IOVA, 2048, 2048, 8)).toBe('EINVAL')
    expect(mark(tracking, 0, 2 ** 40, 2048, BITMAP)).toBe('EOVERFLOW')
    expect(mark(999, IOVA, 2048, 2048, BITMAP)).toBe('ENOENT')
    expect(mark(999, IOVA, 2048, 0, BITMAP)).toBe('EINVAL')
  })

  test('what was written is told once; a new start forgets', () => {
    track(1)
    rig.store(BITMAP, [0x5])
    mark(tracking, IOVA, 0x10000, 0x1000, BITMAP)
    expect([read(IOVA, 0x10000, 0x10000), read(IOVA, 0x10000, 0x10000)]).toEqual([1, 0])
    mark(tracking, IOVA, 0x10000, 0x1000, BITMAP)
    track(1)
    expect(read(IOVA, 0x10000, 0x10000)).toBe(0)
  })

  test('of a huge page all but its last entry is told', () => {
    const huge = BigInt(MEMORY) + 0x200000n
    rig.process.mmap({ address: huge, length: 2 ** 21, prot: 3, flags: 0x40032 })
    rig.process.poke(huge, new Uint8Array(1))
    rig.map(ioas, Number(huge), 2 ** 21, 0x4000000)
    track(1)
    rig.store(BITMAP, [1])
    mark(tracking, 0x4000000, 0x4000, 0x800, BITMAP)
    expect(read(0x4000000, 2 ** 21, 2 ** 17)).toBe(0xff)
  })
})

describe('a dma-buf', () => {
  test.each([
    [0, 'EINVAL'],
    [1, 4],
    [2 ** 21, 4],
    [2 ** 21 + 1, 'EINVAL'],
    [-1, 'EINVAL'],
    [-4096, 'EINVAL'],
  ])('of %i bytes: the result is its descriptor', (length, expected) => {
    expect(get(length)).toBe(expected)
  })

  test('is closed on exec when that is asked for', () => {
    const [plain, closing] = [Number(get(4096)), Number(get(4096, 0x80000))]
    expect([rig.process.fcntl(plain, 1), rig.process.fcntl(closing, 1)]).toEqual([0, 1])
  })

  test('revoked it is gone from page tables, and cannot be mapped until it is lent again', () => {
    const fd = Number(get(0x8000))
    expect(mapFile(fd, 0x8000)).toBe(0)
    expect([revoke(fd, 1), rig.unmap(ioas, 0x4000000, 0x8000), mapFile(fd, 0x8000)]).toEqual([0, 0, 'ENODEV'])
    expect([revoke(fd, 0), mapFile(fd, 0x8000)]).toEqual([0, 0])
  })

  test('nothing else can be revoked', () => {
    expect([revoke(99, 1), revoke(rig.fd, 1), revoke(-1, 0)]).toEqual(['EBADF', 'EINVAL', 'EBADF'])
  })
})
