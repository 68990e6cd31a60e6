// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { MIN_SIZE } from './abi/index.ts'
import { contextOf } from './context-file.ts'
import { FakeMachine, NOTHING_LEFT, codeOf } from './fake-machine.suite.ts'
import { IOCTLS } from './ioctl-table.ts'
import { PagedMemory } from './paged-memory.suite.ts'

/** Two pages, a hole behind them. */
const PAGES = 0x10000000n
const HOLE = PAGES + 0x2000n
/** The last page of the address space. */
const LAST_PAGE = 0x7fffffffe000n
const USER_END = 0x7ffffffff000n

/** Results of all-zero commands (spec/03 §1.1; the rest observed on 7.2.13). */
const ALL_ZERO: Readonly<Record<keyof typeof MIN_SIZE, string>> = {
  IOMMU_DESTROY: 'ENOENT',
  IOMMU_IOAS_ALLOC: 'ok',
  IOMMU_IOAS_ALLOW_IOVAS: 'ENOENT',
  IOMMU_IOAS_COPY: 'EINVAL',
  IOMMU_IOAS_IOVA_RANGES: 'ENOENT',
  IOMMU_IOAS_MAP: 'EINVAL',
  IOMMU_IOAS_UNMAP: 'ENOENT',
  IOMMU_OPTION: 'EPERM',
  IOMMU_VFIO_IOAS: 'ENODEV',
  IOMMU_HWPT_ALLOC: 'ENOENT',
  IOMMU_GET_HW_INFO: 'ENOENT',
  IOMMU_HWPT_SET_DIRTY_TRACKING: 'ENOENT',
  IOMMU_HWPT_GET_DIRTY_BITMAP: 'ENOENT',
  IOMMU_HWPT_INVALIDATE: 'ENOENT',
  IOMMU_FAULT_QUEUE_ALLOC: 'ok',
  IOMMU_IOAS_MAP_FILE: 'EINVAL',
  IOMMU_VIOMMU_ALLOC: 'EOPNOTSUPP',
  IOMMU_VDEVICE_ALLOC: 'ENOENT',
  IOMMU_IOAS_CHANGE_PROCESS: 'ok',
  IOMMU_VEVENTQ_ALLOC: 'EOPNOTSUPP',
  IOMMU_HW_QUEUE_ALLOC: 'EOPNOTSUPP',
  IOMMU_IOAS_NOIOMMU_GET_PA: 'ENOTTY',
  IOMMU_TEST_CMD: 'EOPNOTSUPP',
}

let memory: PagedMemory
let machine: FakeMachine
let fd: number

beforeEach(() => {
  memory = new PagedMemory()
  memory.map(PAGES, 2)
  machine = new FakeMachine({ process: { memory } })
  fd = machine.open().fd
  contextOf(machine.process, fd).mock = {}
})

/** A command of `size` in memory of zeros; `dirty`: the offset of a byte that is not zero. */
function ioctl(number: number, at: bigint, size: number, dirty?: number): string {
  memory.map(PAGES, 2)
  memory.map(LAST_PAGE)
  return ioctlAsIs(number, at, size, dirty)
}

function ioctlAsIs(number: number, at: bigint, size: number, dirty?: number): string {
  const word = new Uint8Array(4)
  new DataView(word.buffer).setUint32(0, size, true)
  memory.poke(at, word)
  if (dirty !== undefined) memory.poke(at + BigInt(dirty), Uint8Array.of(0x80))
  return codeOf(() => machine.process.ioctl(fd, number, at))
}

describe.each(IOCTLS)('$name (spec/03 §1.1)', ({ name, number, minBytes, structBytes }) => {
  const full = BigInt(structBytes)

  test('refuses every size below its minimum', () => {
    for (let size = 0; size < minBytes; size++) expect(ioctl(number, PAGES, size)).toBe('EINVAL')
  })

  test('takes every size from its minimum on, and a longer one with a tail of zeros, alike', () => {
    for (let size = minBytes; size <= structBytes + 9; size++)
      expect(ioctl(number, PAGES, size)).toBe(ALL_ZERO[name])
    expect(ioctl(number, PAGES, structBytes + 5000)).toBe(ALL_ZERO[name])
    expect(ioctl(number, PAGES, 8192)).toBe(ALL_ZERO[name])
  })

  test('refuses a tail that is not zero, wherever', () => {
    for (const dirty of [structBytes, structBytes + 8, 4095, 4096, 8191])
      expect(ioctl(number, PAGES, 8192, dirty)).toBe('E2BIG')
  })

  test('does not look beyond its size', () => {
    memory.poke(PAGES + full, Uint8Array.of(1))
    expect(ioctlAsIs(number, PAGES, structBytes)).toBe(ALL_ZERO[name])
    expect(ioctlAsIs(number, PAGES, structBytes + 1)).toBe('E2BIG')
  })

  test('is EFAULT when the size, the struct or the tail cannot be read', () => {
    expect(codeOf(() => machine.process.ioctl(fd, number, 0n))).toBe('EFAULT')
    expect(codeOf(() => machine.process.ioctl(fd, number, HOLE - 2n))).toBe('EFAULT')
    expect(codeOf(() => machine.process.ioctl(fd, number, 2n ** 63n))).toBe('EFAULT')
    expect(codeOf(() => machine.process.ioctl(fd, number, 2n ** 64n - 4n))).toBe('EFAULT')
    expect(ioctl(number, HOLE - full + 1n, structBytes)).toBe('EFAULT')
    expect(ioctl(number, HOLE - full, structBytes + 1)).toBe('EFAULT')
    expect(ioctl(number, PAGES, 8193)).toBe('EFAULT')
    for (const size of [0x7fffffff, 0x80000000, 0xffffffff]) expect(ioctl(number, PAGES, size)).toBe('EFAULT')
  })

  test('tells a size below the minimum from the first word alone', () => {
    expect(ioctl(number, HOLE - 4n, 4)).toBe('EINVAL')
  })

  test('finds what is wrong in the tail before the hole behind it', () => {
    expect(ioctl(number, PAGES, 8193, 8191)).toBe('E2BIG')
    expect(ioctl(number, PAGES, 0xffffffff, 4096)).toBe('E2BIG')
  })

  test('lies across pages as well as within one', () => {
    for (let before = 1n; before <= full; before++)
      expect(ioctl(number, PAGES + 4096n - before, structBytes)).toBe(ALL_ZERO[name])
  })

  test('ends where the address space ends; a tail beyond it is EFAULT before it is read (observed on 7.2.13)', () => {
    expect(ioctl(number, USER_END - full, structBytes)).toBe(ALL_ZERO[name])
    expect(ioctl(number, USER_END - full - 8n, structBytes + 8)).toBe(ALL_ZERO[name])
    expect(ioctl(number, USER_END - full - 8n, structBytes + 8, structBytes)).toBe('E2BIG')
    expect(ioctl(number, USER_END - full - 8n, structBytes + 9, structBytes)).toBe('EFAULT')
    expect(ioctl(number, USER_END - full - 8n, 0xffffffff, structBytes)).toBe('EFAULT')
    expect(ioctl(number, USER_END - 4n, structBytes)).toBe('EFAULT')
  })

  test('answers no byte beyond the caller’s size', () => {
    for (const size of [minBytes, structBytes, structBytes + 8]) {
      memory.poke(PAGES + BigInt(size), new Uint8Array(80).fill(0x77))
      ioctlAsIs(number, PAGES, size)
      expect(memory.peek(PAGES + BigInt(size), 80)).toEqual(new Uint8Array(80).fill(0x77))
      memory.map(PAGES, 2)
    }
  })

  test('leaves nothing behind when its answer cannot be written', () => {
    const { objects } = contextOf(machine.process, fd)
    const before = objects.size
    memory.poke(PAGES, Uint8Array.of(structBytes))
    memory.protect(PAGES)
    const expected =
      ALL_ZERO[name] === 'ok' && name !== 'IOMMU_IOAS_CHANGE_PROCESS' ? 'EFAULT' : ALL_ZERO[name]
    const answeredAlways = name === 'IOMMU_HWPT_INVALIDATE'
    expect(codeOf(() => machine.process.ioctl(fd, number, PAGES))).toBe(answeredAlways ? 'EFAULT' : expected)
    expect(objects.size).toBe(before)
    expect(machine.process.files.descriptors).toEqual([fd])
    machine.process.exit()
    expect(machine.leftovers()).toEqual(NOTHING_LEFT)
  })
})

test('every row has the minimum size and the number of the header', () => {
  expect(IOCTLS.map(({ minBytes }) => minBytes)).toEqual(IOCTLS.map(({ name }) => MIN_SIZE[name]))
  expect(new Set(IOCTLS.map(({ number }) => number)).size).toBe(IOCTLS.length)
})
