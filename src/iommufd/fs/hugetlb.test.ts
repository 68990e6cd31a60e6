// SPDX-License-Identifier: MIT
// Every expected value was observed on 7.2.13.
import { beforeEach, describe, expect, test } from 'vitest'
import type { Process } from '../process.ts'
import {
  MADV_DONTNEED,
  MAP_FIXED,
  MAP_HUGETLB,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MFD_HUGETLB,
  SEEK_END,
} from './constants.ts'
import {
  A,
  outcome,
  PAGE,
  PRIVATE,
  ProcessRig,
  peekByte,
  pokeByte,
  RW,
  READ,
  result,
  SHARED,
} from './process-rig.suite.ts'

const HUGE = 2n ** 21n
const TOTAL = 8
const HUGE_PRIVATE = PRIVATE | MAP_HUGETLB
let rig: ProcessRig
let process: Process

beforeEach(() => {
  rig = new ProcessRig({ frames: 1024, hugePages: TOTAL })
  process = rig.process
})

/** Taken and promised pages. */
function pool(): [number, number] {
  const { free, reserved } = rig.frames.huge
  return [TOTAL - free, reserved]
}

describe('a file of huge pages', () => {
  let fd: number

  beforeEach(() => {
    fd = rig.memfd(Number(2n * HUGE), MFD_HUGETLB)
  })

  test.each<[string, () => unknown, string | number]>([
    ['write', () => process.write(fd, A, 10), 'EINVAL'],
    ['read', () => process.read(fd, A, 10), 10],
    ['its end', () => process.lseek(fd, 0, SEEK_END), 2 ** 22],
    ['truncate to a page', () => process.ftruncate(fd, 4096), 'EINVAL'],
    ['truncate to a huge page and a page', () => process.ftruncate(fd, 2 ** 21 + 4096), 'EINVAL'],
    ['truncate, negative', () => process.ftruncate(fd, -1), 'EINVAL'],
    ['poll', () => process.poll(fd), 0x145],
    ['map from a page', () => rig.map(HUGE, RW, MAP_SHARED, fd, PAGE), 'EINVAL'],
  ])('%s', (_row, run, expected) => {
    rig.fixed(1)
    expect(result(run)).toBe(expected)
  })

  test('promises its pages when they are mapped, takes them when they are touched, keeps them', () => {
    expect(pool()).toEqual([0, 0])
    const at = rig.map(2n * HUGE, RW, MAP_SHARED, fd)
    expect(at % HUGE).toBe(0n)
    expect(pool()).toEqual([0, 2])
    pokeByte(process, at, 1)
    expect(pool()).toEqual([1, 1])
    expect(outcome(() => process.madvise(at, HUGE + PAGE, MADV_DONTNEED))).toBe('ok')
    expect(pool()).toEqual([1, 1])
    expect(peekByte(process, at)).toBe(1)
    process.munmap(at, 2n * HUGE)
    expect(pool()).toEqual([1, 1])
    process.ftruncate(fd, Number(HUGE))
    expect(pool()).toEqual([1, 0])
    process.ftruncate(fd, 0)
    expect(pool()).toEqual([0, 0])
  })

  test.each<[string, bigint, bigint, string]>([
    ['a page', 0n, PAGE, 'EINVAL'],
    ['from a page on', PAGE, HUGE, 'EINVAL'],
    ['a huge page and a page', 0n, HUGE + PAGE, 'EINVAL'],
    ['a huge page', 0n, HUGE, 'ok'],
  ])('munmap and mprotect %s', (_row, offset, length, expected) => {
    const at = rig.map(2n * HUGE, RW, MAP_SHARED, fd)
    expect(outcome(() => process.mprotect(at + offset, length, READ))).toBe(expected)
    expect(outcome(() => process.munmap(at + offset, length))).toBe(expected)
  })

  test('MADV_DONTNEED begins at a huge page and ends at the last whole one', () => {
    const at = rig.map(2n * HUGE, RW, MAP_SHARED, fd)
    expect(outcome(() => process.madvise(at, 4096, MADV_DONTNEED))).toBe('ok')
    expect(outcome(() => process.madvise(at, HUGE - PAGE, MADV_DONTNEED))).toBe('ok')
    expect(outcome(() => process.madvise(at + PAGE, HUGE, MADV_DONTNEED))).toBe('EINVAL')
  })

  test('a length is rounded to huge pages; a writable mapping makes the file longer', () => {
    const at = rig.map(PAGE, RW, MAP_SHARED, fd)
    expect(pokeByte(process, at + HUGE / 2n, 1)).toBe('ok')
    expect(outcome(() => process.munmap(at, PAGE))).toBe('EINVAL')
    process.munmap(at, HUGE)
    const long = rig.map(4n * HUGE, RW, MAP_SHARED, fd)
    expect(peekByte(process, long + 2n * HUGE)).toBe(0)
    expect(process.lseek(fd, 0, SEEK_END)).toBe(2 ** 23)
    const flags = MAP_SHARED | MAP_FIXED
    const request = { address: 0x4000_1000n, length: HUGE, prot: RW, flags, fd }
    expect(outcome(() => process.mmap(request))).toBe('EINVAL')
  })

  test('a private mapping has promises and pages of its own', () => {
    const own = rig.map(2n * HUGE, RW, MAP_PRIVATE, fd)
    expect(pool()).toEqual([0, 2])
    expect(peekByte(process, own)).toBe(0)
    expect(pool()).toEqual([1, 1])
    pokeByte(process, own, 1)
    expect(pool()).toEqual([1, 1])
    const shared = rig.map(2n * HUGE, RW, MAP_SHARED, fd)
    expect(pool()).toEqual([1, 3])
    expect(peekByte(process, shared)).toBe(0)
    pokeByte(process, shared + HUGE, 2)
    expect(pool()).toEqual([3, 1])
    process.ftruncate(fd, Number(HUGE))
    expect(pool()).toEqual([2, 1])
    expect(peekByte(process, own + HUGE)).toBe('EFAULT')
    process.munmap(own, 2n * HUGE)
    process.munmap(shared, 2n * HUGE)
    expect(pool()).toEqual([1, 0])
    process.close(fd)
    expect(pool()).toEqual([0, 0])
  })

  test('a private mapping shows what the file has, until it is written', () => {
    const shared = rig.map(HUGE, RW, MAP_SHARED, fd)
    pokeByte(process, shared + 5n * PAGE, 7)
    const own = rig.map(HUGE, RW, MAP_PRIVATE, fd)
    expect(peekByte(process, own + 5n * PAGE)).toBe(7)
    pokeByte(process, own, 1)
    expect([peekByte(process, own + 5n * PAGE), peekByte(process, shared)]).toEqual([7, 0])
  })
})

describe('anonymous huge pages', () => {
  test('fork, copy on write, MADV_DONTNEED and munmap keep the accounts', () => {
    const at = rig.map(2n * HUGE, RW, HUGE_PRIVATE)
    expect(pool()).toEqual([0, 2])
    pokeByte(process, at, 5)
    expect(pool()).toEqual([1, 1])
    const child = process.fork()
    expect(peekByte(child, at)).toBe(5)
    pokeByte(child, at, 6)
    expect(pool()).toEqual([2, 1])
    pokeByte(child, at + HUGE, 1)
    expect(pool()).toEqual([3, 1])
    child.exit()
    expect(peekByte(process, at)).toBe(5)
    expect(pool()).toEqual([1, 1])
    process.madvise(at, HUGE, MADV_DONTNEED)
    expect(pool()).toEqual([0, 2])
    expect(peekByte(process, at)).toBe(0)
    expect(pool()).toEqual([1, 1])
    process.munmap(at, HUGE)
    expect(pool()).toEqual([0, 1])
    process.munmap(at + HUGE, HUGE)
    expect(pool()).toEqual([0, 0])
  })

  test('an empty pool: ENOMEM when promised, SIGBUS when not', () => {
    expect(outcome(() => rig.map(BigInt(TOTAL + 1) * HUGE, RW, HUGE_PRIVATE))).toBe('ENOMEM')
    rig.map(BigInt(TOTAL) * HUGE, RW, HUGE_PRIVATE)
    expect(outcome(() => rig.map(HUGE, RW, HUGE_PRIVATE))).toBe('ENOMEM')
    expect(outcome(() => rig.map(PAGE, 0, HUGE_PRIVATE))).toBe('ENOMEM')
    const unpromised = rig.map(HUGE, RW, HUGE_PRIVATE | MAP_NORESERVE)
    expect(pokeByte(process, unpromised, 1)).toBe('EFAULT')
    expect(outcome(() => process.mm.pinPage(Number(unpromised / PAGE), true))).toBe('EFAULT')
  })

  test('a length is rounded to huge pages', () => {
    const at = rig.map(PAGE, RW, HUGE_PRIVATE)
    expect(outcome(() => process.munmap(at, PAGE))).toBe('EINVAL')
    expect(outcome(() => process.munmap(at, HUGE))).toBe('ok')
  })

  test('shared ones are promised like a file’s', () => {
    const at = rig.map(HUGE, RW, SHARED | MAP_HUGETLB)
    expect(pool()).toEqual([0, 1])
    pokeByte(process, at, 3)
    const child = process.fork()
    pokeByte(child, at, 4)
    expect(peekByte(process, at)).toBe(4)
    expect(pool()).toEqual([1, 0])
    child.exit()
    process.munmap(at, HUGE)
    expect(pool()).toEqual([0, 0])
  })

  test('are consecutive frames; a pin keeps the whole page from the pool; they are not counted page by page', () => {
    const at = rig.map(HUGE, RW, HUGE_PRIVATE)
    const first = process.mm.pinPage(Number(at / PAGE), true)
    const last = process.mm.pinPage(Number(at / PAGE) + 511, true)
    expect([first % 512, last - first]).toEqual([0, 511])
    expect(process.mm.pinCountAt(Number(at >> 32n), Number(at & 0xffffffffn) | 0)).toBeUndefined()
    process.munmap(at, HUGE)
    expect(pool()).toEqual([1, 0])
    process.mm.unpinPage(first, false)
    expect(pool()).toEqual([1, 0])
    process.mm.unpinPage(last, true)
    expect(pool()).toEqual([0, 0])
  })

  test('a child copies a pinned huge page at once', () => {
    const at = rig.map(HUGE, RW, HUGE_PRIVATE)
    pokeByte(process, at + 3n * PAGE, 8)
    const frame = process.mm.pinPage(Number(at / PAGE) + 3, true)
    const child = process.fork()
    expect(pool()).toEqual([2, 0])
    rig.memory.bytes[frame * 4096] = 9
    expect([peekByte(process, at + 3n * PAGE), peekByte(child, at + 3n * PAGE)]).toEqual([9, 8])
    process.mm.unpinPage(frame, true)
  })

  test('each failing allocation is told and undone', () => {
    for (let n = 1; n < 20; n++) {
      const own = new ProcessRig({ frames: 1024, hugePages: TOTAL })
      own.failpoints.failNth(n)
      const at = result(() => own.map(2n * HUGE, RW, HUGE_PRIVATE))
      if (typeof at === 'bigint') {
        pokeByte(own.process, at, 1)
        outcome(() => own.process.fork().exit())
      }
      own.failpoints.off()
      own.process.exit()
      const { free, reserved } = own.frames.huge
      expect([n, free, reserved, own.frames.inUse]).toEqual([n, TOTAL, 0, 0])
    }
  })
})
