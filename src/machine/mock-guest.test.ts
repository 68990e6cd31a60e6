// SPDX-License-Identifier: MIT
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MEMORY, MockRig, resultOf } from './mock-rig.suite.ts'

// spec/03 §5.2 and operations 14, 16 and 17 of §5.3; what those rows leave open was observed on 7.2.13.
const REPLACE = 10
const CHECK_IOTLB = 14
const CHECK_CACHE = 16
const TRIGGER_VEVENT = 17
const TYPE = 0xdeadbeef
const EVENTS = 0xbeefbeef
const NEST_PARENT = 1
const WORD = 0x1234
const IOVA = 0x2000000
const DATA: number = MEMORY + 0x200000

let rig: MockRig
let ioas: number
let stdev: number
let device: number
let parent: number

beforeEach(() => {
  rig = new MockRig()
  ioas = rig.allocIoas()
  ;({ stdev, device } = rig.mockDevice(ioas))
  rig.map(ioas, MEMORY, 0x10000, IOVA)
  parent = rig.allocHwpt(device, ioas, { flags: NEST_PARENT }).words[4]!
})

afterEach(() => {
  expect(rig.end()).toBe(0)
})

function invalidate(id: number, type: number, entryBytes: number, entries: readonly number[][]): string {
  rig.store(DATA, entries.flat())
  const { result, words } = rig.ioctl(0x3b8d, [32, id, DATA, 0, type, entryBytes, entries.length, 0])
  return `${result}, ${words[6]} done`
}

function viommu(data?: readonly number[]): number {
  if (data !== undefined) rig.store(DATA, data)
  const bytes = data === undefined ? 0 : data.length * 4
  return rig.ioctl(0x3b90, [40, 0, TYPE, device, parent, 0, bytes, 0, bytes === 0 ? 0 : DATA, 0]).words[5]!
}

function vdevice(id: number, of: number, virtId: readonly [lo: number, hi: number]): number {
  return rig.ioctl(0x3b91, [24, id, of, 0, ...virtId]).words[3]!
}

describe('page tables', () => {
  test.each<[string, number, number[], string | number]>([
    ['a word', 0, [WORD], 0],
    ['with kind 0', 0, [WORD, 0], 0],
    ['4 KiB and 1 MiB', 0, [WORD, 1], 0],
    ['an unknown kind', 0, [WORD, 2], 'EOPNOTSUPP'],
    ['too much', 0, [WORD, 0, 0], 'EINVAL'],
    ['tracking, nesting, PASIDs', 11, [WORD, 0], 0],
  ])('paging, %s', (_name, flags, data, expected) => {
    expect(rig.allocHwpt(device, ioas, { flags, data }).result).toBe(expected)
  })

  test.each<[string, number, number[], string | number]>([
    ['a word', 0, [WORD], 0],
    ['a word and anything', 0, [WORD, 77], 0],
    ['for PASIDs', 8, [WORD], 0],
    ['too much', 0, [WORD, 0, 0], 'EINVAL'],
    ['tracking', 2, [WORD], 'EOPNOTSUPP'],
    ['nesting once more', 1, [WORD], 'EOPNOTSUPP'],
  ])('nested, %s', (_name, flags, data, expected) => {
    expect(rig.allocHwpt(device, parent, { flags, data }).result).toBe(expected)
    expect(rig.allocHwpt(device, viommu(), { flags, data }).result).toBe(expected)
  })

  test('a parent must be made for it', () => {
    const plain = rig.allocHwpt(device, ioas).words[4]!
    expect(rig.allocHwpt(device, plain, { data: [WORD] }).result).toBe('EINVAL')
  })
})

describe('invalidation of a nested page table', () => {
  let nested: number

  beforeEach(() => {
    nested = rig.allocHwpt(device, parent, { data: [WORD] }).words[4]!
  })

  const words = (): (string | number)[] =>
    [0, 1, 2, 3].map((word) => rig.testResult(CHECK_IOTLB, nested, [word, WORD]))

  test('a word each, up to the first that is wrong', () => {
    expect(
      invalidate(nested, TYPE, 8, [
        [0, 0],
        [0, 9],
        [0, 2],
      ]),
    ).toBe('EINVAL, 1 done')
    expect(words()).toEqual(['EINVAL', 0, 0, 0])
    expect(invalidate(nested, TYPE, 8, [[2, 9]])).toBe('EOPNOTSUPP, 0 done')
    expect(invalidate(nested, TYPE, 8, [[1, 9]])).toBe('EINVAL, 0 done')
    expect(invalidate(nested, TYPE, 8, [[1, 3]])).toBe('0, 1 done')
    expect(words()).toEqual(['EINVAL', 'EINVAL', 'EINVAL', 'EINVAL'])
  })

  test('another type, other lengths', () => {
    expect(invalidate(nested, 0xdadbeef, 8, [[0, 0]])).toBe('EINVAL, 0 done')
    expect(invalidate(nested, TYPE, 4, [[0, 0]])).toBe('EINVAL, 0 done')
    expect(invalidate(nested, TYPE, 12, [[0, 0, 0]])).toBe('EINVAL, 0 done')
    expect(invalidate(nested, TYPE, 8, [])).toBe('0, 0 done')
    expect(invalidate(nested, 1, 8, [])).toBe('EINVAL, 0 done')
  })

  test('words are 0 to 3 of nested page tables', () => {
    expect(rig.testResult(CHECK_IOTLB, nested, [4, WORD])).toBe('EINVAL')
    expect(rig.testResult(CHECK_IOTLB, parent, [0, WORD])).toBe('ENOENT')
    expect(rig.testResult(CHECK_IOTLB, 999, [9, WORD])).toBe('ENOENT')
  })
})

describe('a vIOMMU', () => {
  test('without data has nothing to map; with data two pages that begin with its word', () => {
    viommu()
    viommu([0xabc, 0, 0, 0, 0, 0])
    expect([...rig.load(DATA, 6)]).toEqual([0xabc, 0xabc, 0x1000, 0, 0x2000, 0])
    const at = rig.process.mmap({ length: 0x2000, prot: 3, flags: 1, fd: rig.fd, offset: 0x1000 })
    expect(rig.load(Number(at), 1)[0]).toBe(0xabc)
    rig.store(Number(at), [0x99])
    const again = rig.process.mmap({ length: 0x2000, prot: 1, flags: 1, fd: rig.fd, offset: 0x1000 })
    expect(rig.load(Number(again), 1)[0]).toBe(0x99)
  })

  test.each([
    [1, 'EINVAL'],
    [2, 0],
    [3, 0],
    [6, 0],
    [7, 'EINVAL'],
  ])('with %i words of data', (count, expected) => {
    rig.store(
      DATA,
      Array.from({ length: count }, () => 0),
    )
    const words = [40, 0, TYPE, device, parent, 0, count * 4, 0, DATA, 0]
    expect(rig.ioctl(0x3b90, words).result).toBe(expected)
    expect(rig.ioctl(0x3b90, words, { readOnly: true }).result).toBe(expected === 0 ? 'EFAULT' : expected)
  })

  test('lets a device in that it knows, and forgets it when it leaves', () => {
    const guest = viommu()
    const nested = rig.allocHwpt(device, guest, { data: [WORD] }).words[4]!
    expect(rig.testResult(REPLACE, stdev, [nested])).toBe('ENOENT')
    vdevice(guest, device, [0x77, 1])
    expect(rig.testResult(TRIGGER_VEVENT, 0, [device])).toBe('ENOENT')
    expect(rig.testResult(REPLACE, stdev, [nested])).toBe(0)
    expect(rig.testResult(TRIGGER_VEVENT, 0, [device])).toBe('EOPNOTSUPP')
    expect(rig.testResult(REPLACE, stdev, [parent])).toBe(0)
    expect(rig.testResult(TRIGGER_VEVENT, 0, [device])).toBe('ENOENT')
  })

  test('tells the low word of the guest’s id, and nothing for id 0', () => {
    const guest = viommu()
    const nested = rig.allocHwpt(device, guest, { data: [WORD] }).words[4]!
    const events = rig.ioctl(0x3b93, [32, 0, guest, EVENTS, 2, 0, 0, 0]).words[6]!
    const first = vdevice(guest, device, [0x77, 1])
    rig.test(REPLACE, stdev, [nested])
    expect(rig.testResult(TRIGGER_VEVENT, 0, [device])).toBe(0)
    expect(rig.process.read(events, BigInt(DATA), 64)).toBe(12)
    expect([...rig.load(DATA, 3)]).toEqual([0, 0, 0x77])
    rig.test(REPLACE, stdev, [parent])
    rig.destroy(first)
    vdevice(guest, device, [0, 0])
    rig.test(REPLACE, stdev, [nested])
    expect(rig.testResult(TRIGGER_VEVENT, 0, [device])).toBe('ENOENT')
  })

  test('invalidates the cache of the device with that id', () => {
    const guest = viommu()
    vdevice(guest, device, [0x55, 0])
    const cache = (): (string | number)[] =>
      [0, 1, 2, 3].map((word) => rig.testResult(CHECK_CACHE, device, [word, 0xbaddad]))
    expect(cache()).toEqual([0, 0, 0, 0])
    expect(
      invalidate(guest, TYPE, 12, [
        [0, 0x55, 0],
        [0, 0x55, 9],
      ]),
    ).toBe('EINVAL, 1 done')
    expect(cache()).toEqual(['EINVAL', 0, 0, 0])
    expect(invalidate(guest, TYPE, 8, [[0, 0x55]])).toBe('0, 1 done')
    expect(invalidate(guest, TYPE, 16, [[0, 0x55, 1, 0]])).toBe('0, 1 done')
    expect(invalidate(guest, TYPE, 16, [[0, 0x55, 2, 1]])).toBe('E2BIG, 0 done')
    expect(invalidate(guest, TYPE, 12, [[2, 0x55, 9]])).toBe('EOPNOTSUPP, 0 done')
    expect(invalidate(guest, TYPE, 12, [[0, 0x56, 0]])).toBe('EINVAL, 0 done')
    expect(invalidate(guest, 1, 12, [])).toBe('EINVAL, 0 done')
    expect(cache()).toEqual(['EINVAL', 'EINVAL', 0, 0])
    expect(invalidate(guest, TYPE, 12, [[1, 0x55, 3]])).toBe('0, 1 done')
    expect(cache()).toEqual(['EINVAL', 'EINVAL', 'EINVAL', 'EINVAL'])
    expect([4, 999].map((word) => rig.testResult(CHECK_CACHE, device, [word, 0]))).toEqual([
      'EINVAL',
      'EINVAL',
    ])
    expect(rig.testResult(CHECK_CACHE, stdev, [0, 0])).toBe('ENOENT')
  })

  test('has two hardware queues, the second on top of the first', () => {
    const guest = viommu()
    const queue = (type: number, index: number, iova: number, bytes: number): string | number => {
      const { result, words } = rig.ioctl(0x3b94, [40, 0, guest, type, index, 0, iova, 0, bytes, 0])
      return result === 0 ? words[5]! : result
    }
    expect(queue(2, 0, IOVA, 4096)).toBe('EOPNOTSUPP')
    expect(queue(TYPE, 2, IOVA, 4096)).toBe('EINVAL')
    expect(queue(TYPE, 1, IOVA, 4096)).toBe('EIO')
    const first = Number(queue(TYPE, 0, IOVA, 4096))
    expect(queue(TYPE, 0, IOVA, 4096)).toBe('EEXIST')
    const second = Number(queue(TYPE, 1, IOVA + 4104, 100))
    expect(rig.unmap(ioas, IOVA, 0x10000)).toBe('EBUSY')
    expect([rig.destroy(first), rig.destroy(second), rig.destroy(first)]).toEqual(['EBUSY', 0, 0])
  })
})

test.each([
  [0, 0, 0, 0xdeadbeef],
  [1, 0xfeedbeef, 0, 0xdeadbeef],
  [0, 5, 0, 0xdeadbeef],
  [1, 5, 'EOPNOTSUPP', 0],
])('hardware information with flags %i and type %i', (flags, type, expected, register) => {
  rig.store(DATA, [0, 0])
  const { result, words } = rig.ioctl(0x3b8a, [40, flags, device, 8, DATA, 0, type, 0, 0, 0])
  expect(result).toBe(expected)
  expect([...rig.load(DATA, 2)]).toEqual([0, register])
  if (result === 0) expect([words[6], words[8]]).toEqual([0xfeedbeef, 9])
})

test('an mmap keeps its vIOMMU', () => {
  const guest = viommu([1, 0])
  const at = rig.process.mmap({ length: 0x2000, prot: 3, flags: 1, fd: rig.fd, offset: 0x1000 })
  expect(rig.destroy(guest)).toBe('EBUSY')
  rig.process.munmap(at, 0x2000)
  expect(rig.destroy(guest)).toBe(0)
  expect(
    resultOf(() =>
      Number(rig.process.mmap({ length: 0x2000, prot: 3, flags: 1, fd: rig.fd, offset: 0x1000 })),
    ),
  ).toBe('ENXIO')
})
