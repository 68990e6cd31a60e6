// SPDX-License-Identifier: MIT
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MEMORY, MockRig, resultOf } from './mock-rig.suite.ts'

// Operations 5 to 8 and 11 of spec/03 §5.3 and §8; what those rows leave open was observed on 7.2.13.
const CREATE = 5
const DESTROY_PAGES = 6
const PAGES = 7
const RW = 8
const REPLACE = 11
const WRITE = 1
const SLOW = 4
const AREA_NUMBER = 1 << 16
const IOVA = 0x2000000
const HOLE = 0x5000000
const BUFFER: number = MEMORY + 0x200000
const FORBIDDEN: number = MEMORY + 0x300000

let rig: MockRig
let ioas: number
let access: number

beforeEach(() => {
  rig = new MockRig()
  ioas = rig.allocIoas()
  rig.map(ioas, MEMORY, 0x10000, IOVA)
  rig.process.mprotect(BigInt(FORBIDDEN), 4096, 0)
  access = create(1)
})

afterEach(() => {
  expect(rig.end()).toBe(0)
})

function create(flags: number): number {
  return rig.test(CREATE, ioas, [0, flags]).words[4]!
}

type Pin = readonly [flags: number, iova: number, length: number, user?: number]

function pin([flags, iova, length, user = 0]: Pin, file = access, options = {}): string | number {
  const { result, words } = rig.test(PAGES, file, [flags, 0, iova, 0, length, 0, user, 0], options)
  return result === 0 ? `item ${words[5]!}` : result
}

function rw(flags: number, iova: number, length: number, user = BUFFER): string | number {
  return rig.testResult(RW, access, [iova, 0, length, 0, user, 0, flags])
}

/** Pins of the page at the start of the memory. */
function pinned(count: number): boolean {
  return rig.testResult(4, 0, [4096, 0, MEMORY, 0, count]) === 0
}

describe('creating', () => {
  test.each([
    ['flags come before the IOAS', 999, 2, 'EOPNOTSUPP'],
    ['no IOAS', 999, 1, 'ENOENT'],
    ['another object', 2, 1, 'ENOENT'],
  ])('%s', (_name, id, flags, expected) => {
    expect(rig.testResult(CREATE, id, [0, flags])).toBe(expected)
  })

  test('the descriptor is the id: lowest free, closed on exec; the object has an id that nobody can destroy', () => {
    expect(access).toBe(4)
    expect(rig.process.fcntl(access, 1)).toBe(1)
    expect([rig.destroy(2), rig.allocIoas()]).toEqual(['EBUSY', 3])
  })

  test('without a free descriptor: ENOMEM, after the flags and before the IOAS', () => {
    rig.process.setrlimit(7, 5, 4096)
    expect(rig.testResult(CREATE, 999, [0, 1])).toBe('ENOMEM')
    expect(rig.testResult(CREATE, 999, [0, 2])).toBe('EOPNOTSUPP')
  })

  test('nothing stays when the answer cannot be delivered', () => {
    expect(rig.testResult(CREATE, ioas, [0, 1], { readOnly: true })).toBe('EFAULT')
    expect([create(1), rig.allocIoas()]).toEqual([5, 4])
  })

  test('an IOAS that an access is attached to stays until the descriptor is closed', () => {
    expect(rig.destroy(ioas)).toBe('EBUSY')
    rig.process.close(access)
    expect(rig.destroy(ioas)).toBe(0)
  })
})

describe('pins', () => {
  test.each<[string, Pin, string]>([
    ['a page that is the caller’s', [0, IOVA, 4096, MEMORY], 'item 0'],
    ['to write', [WRITE, IOVA, 8192, MEMORY], 'item 0'],
    ['unchecked', [0, IOVA, 8192], 'item 0'],
    ['a part of a page, checked by page', [0, IOVA, 100, MEMORY + 1], 'item 0'],
    ['another page than the caller’s', [0, IOVA, 4096, MEMORY + 4096], 'EBADE'],
    ['nothing at the caller’s address', [0, IOVA, 4096, 0x1000], 'EFAULT'],
    ['not from the start of a page', [0, IOVA + 100, 4096], 'EINVAL'],
    ['no length', [0, IOVA, 0], 'EINVAL'],
    ['a hole', [0, HOLE, 4096], 'ENOENT'],
    ['a hole, unaligned', [0, HOLE + 1, 4096], 'ENOENT'],
    ['over the end', [0, IOVA + 0xf000, 8192], 'ENOENT'],
    ['16 MiB', [0, IOVA, 16 << 20], 'ENOENT'],
    ['more than 16 MiB, whatever the flags', [8, IOVA, (16 << 20) + 1], 'ENOMEM'],
    ['unknown flags', [8, IOVA, 4096], 'EOPNOTSUPP'],
    ['the second area there is not', [AREA_NUMBER, 1, 4096], 'ENOENT'],
    ['the first area', [AREA_NUMBER, 0, 4096, MEMORY], 'item 0'],
  ])('%s', (_name, request, expected) => {
    expect(pin(request)).toBe(expected)
    expect(pinned(expected === 'item 0' ? 1 : 0)).toBe(true)
  })

  test.each([99, 3, 1, -1])('descriptor %i is no access: EBADFD, after the flags', (fd) => {
    expect(pin([0, IOVA, 4096], fd)).toBe('EBADFD')
    expect(pin([4, IOVA, 4096], fd)).toBe('EOPNOTSUPP')
  })

  test('an access that does not pin: EOPNOTSUPP', () => {
    expect(pin([0, IOVA, 4096], create(0))).toBe('EOPNOTSUPP')
  })

  test('items count up; a pin whose answer is lost uses up a number, one that fails does not', () => {
    expect([pin([0, IOVA, 4096]), pin([0, IOVA, 4096, MEMORY + 4096]), pin([0, IOVA, 4096])]).toEqual([
      'item 0',
      'EBADE',
      'item 1',
    ])
    expect(pin([0, IOVA, 4096], access, { readOnly: true })).toBe('EFAULT')
    expect(pin([0, IOVA, 4096])).toBe('item 3')
    expect(pinned(1)).toBe(true)
    const drop = (item: number): string | number => rig.testResult(DESTROY_PAGES, access, [item])
    expect([drop(2), drop(1), drop(1), drop(77)]).toEqual(['ENOENT', 0, 'ENOENT', 'ENOENT'])
    expect(pinned(1)).toBe(true)
    expect(rig.testResult(DESTROY_PAGES, 99, [0])).toBe('EBADFD')
  })

  test('unmapping takes the pins away', () => {
    pin([0, IOVA, 4096])
    expect(rig.unmap(ioas, IOVA, 0x10000)).toBe(0)
    expect(pinned(0)).toBe(true)
    expect(rig.testResult(DESTROY_PAGES, access, [0])).toBe('ENOENT')
  })

  test('another IOAS takes the pins away; none, or the same, does not', () => {
    const other = rig.allocIoas()
    pin([0, IOVA, 4096])
    expect([99, 3].map((fd) => rig.testResult(REPLACE, fd, [other]))).toEqual(['EBADFD', 'EBADFD'])
    expect(rig.testResult(REPLACE, access, [999])).toBe('ENOENT')
    expect(rig.testResult(REPLACE, access, [ioas], { readOnly: true })).toBe(0)
    expect(pinned(1)).toBe(true)
    expect(rig.testResult(REPLACE, access, [other])).toBe(0)
    expect([pinned(0), pin([0, IOVA, 4096])]).toEqual([true, 'ENOENT'])
  })

  test('the descriptor works from another context and after its own was closed; the last close unpins', () => {
    const other = rig.process.open('/dev/iommu')
    const copy = rig.process.dup(access)
    rig.process.close(access)
    rig.process.close(rig.fd)
    expect(pin([0, IOVA, 4096], copy, { fd: other })).toBe('item 0')
    rig.process.close(copy)
    expect(rig.testResult(4, 0, [4096, 0, MEMORY, 0, 0], { fd: other })).toBe(0)
  })

  test('the descriptor itself can do nothing', () => {
    const { process } = rig
    const results = [
      resultOf(() => process.read(access, BigInt(BUFFER), 1)),
      resultOf(() => process.write(access, BigInt(BUFFER), 1)),
      resultOf(() => process.lseek(access)),
      resultOf(() => process.ioctl(access, 0x3b80, BigInt(BUFFER))),
      process.poll(access),
    ]
    expect(results).toEqual(['EINVAL', 'EINVAL', 'ESPIPE', 'ENOTTY', 0x145])
  })
})

describe('reads and writes', () => {
  test.each([
    ['no length', 0, IOVA, 0, BUFFER, 'EINVAL'],
    ['read', 0, IOVA, 100, BUFFER, 0],
    ['write', WRITE, IOVA, 100, BUFFER, 0],
    ['read slowly', SLOW, IOVA, 100, BUFFER, 0],
    ['write slowly', WRITE | SLOW, IOVA, 100, BUFFER, 0],
    ['unknown flags', 2, IOVA, 100, BUFFER, 'EOPNOTSUPP'],
    ['more than 16 MiB, whatever the flags', 2, IOVA, (16 << 20) + 1, BUFFER, 'ENOMEM'],
    ['to where nothing can be written', 0, IOVA, 100, FORBIDDEN, 'EFAULT'],
    ['from where nothing can be read, before the hole is found', WRITE, HOLE, 100, FORBIDDEN, 'EFAULT'],
    ['from a hole, before the buffer is looked at', 0, HOLE, 100, FORBIDDEN, 'ENOENT'],
    ['over the end', 0, IOVA + 0xfff8, 16, BUFFER, 'ENOENT'],
    ['the first area', AREA_NUMBER, 0, 100, BUFFER, 0],
    ['an area that there is not', AREA_NUMBER, 7, 100, BUFFER, 'ENOENT'],
  ])('%s', (_name, flags, iova, length, user, expected) => {
    expect(rw(flags, iova, length, user)).toBe(expected)
  })

  test('bytes go both ways, over the border of a page', () => {
    rig.store(BUFFER, [0x11223344, 0x55667788])
    expect(rw(WRITE, IOVA + 4094, 8)).toBe(0)
    expect([...rig.load(MEMORY + 4092, 3)]).toEqual([0x33440000, 0x77881122, 0x5566])
    expect(rw(SLOW, IOVA + 4092, 8, BUFFER + 16)).toBe(0)
    expect([...rig.load(BUFFER + 16, 2)]).toEqual([0x33440000, 0x77881122])
  })

  test('a read that ends in a hole delivers nothing, a write what lies before it', () => {
    rig.store(BUFFER, [7, 7, 7, 7])
    expect(rw(0, IOVA + 0xfff8, 16)).toBe('ENOENT')
    expect([...rig.load(BUFFER, 2)]).toEqual([7, 7])
    expect(rw(WRITE, IOVA + 0xfff8, 16)).toBe('ENOENT')
    expect([...rig.load(MEMORY + 0xfff8, 3)]).toEqual([7, 7, 0])
  })

  test('no access: EBADFD', () => {
    expect(rig.testResult(RW, 99, [IOVA, 0, 100, 0, BUFFER, 0, 0])).toBe('EBADFD')
  })
})
