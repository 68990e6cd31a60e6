// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import { MIN_SIZE } from './abi/index.ts'
import { contextOf } from './context-file.ts'
import { FakeMachine, NOTHING_LEFT, codeOf } from './fake-machine.suite.ts'
import { IOCTLS } from './ioctl-table.ts'
import type { Iommufd } from './iommufd.ts'

const AT = 0x2000

let machine: FakeMachine
let iommufd: Iommufd

beforeEach(() => {
  machine = new FakeMachine()
  iommufd = machine.open()
})

/** A struct of zeros with its size, and one byte behind its last. */
function ioctl(number: number, size: number, tail = 0, at: number = AT): string {
  const { bytes } = machine.mm
  bytes.fill(0, at, at + Math.min(size, 8192))
  new DataView(bytes.buffer).setUint32(at, size, true)
  if (tail !== 0) bytes[at + size - 1] = tail
  return codeOf(() => machine.process.ioctl(iommufd.fd, number, BigInt(at)))
}

/** Results of all-zero commands (spec/03 §1.1). */
const ALL_ZERO: Readonly<Record<string, string>> = {
  IOMMU_DESTROY: 'ENOENT',
  IOMMU_IOAS_ALLOC: 'ok',
  IOMMU_IOAS_ALLOW_IOVAS: 'ENOENT',
  IOMMU_IOAS_IOVA_RANGES: 'ENOENT',
  IOMMU_IOAS_MAP: 'EINVAL',
  IOMMU_IOAS_UNMAP: 'ENOENT',
  IOMMU_HWPT_ALLOC: 'ENOENT',
  IOMMU_FAULT_QUEUE_ALLOC: 'ok',
}

describe.each(IOCTLS)('$name (spec/03 §1, §1.1)', ({ name, number, minBytes, structBytes }) => {
  test('refuses a struct one byte short of its minimum', () => {
    expect(ioctl(number, minBytes - 1)).toBe('EINVAL')
  })

  test('takes its minimum, its size, and a longer one with a tail of zeros alike', () => {
    for (const size of [minBytes, structBytes, structBytes + 1, structBytes + 5000])
      expect(ioctl(number, size)).toBe(ALL_ZERO[name])
  })

  test('refuses a tail that is not zero, however far', () => {
    expect(ioctl(number, structBytes + 1, 1)).toBe('E2BIG')
    expect(ioctl(number, structBytes + 5000, 1)).toBe('E2BIG')
  })

  test('sees a tail or a struct that is not there as EFAULT', () => {
    const end = machine.mm.bytes.length
    expect(ioctl(number, structBytes + 8, 0, end - structBytes)).toBe('EFAULT')
    expect(ioctl(number, structBytes, 0, end - 4)).toBe('EFAULT')
    expect(codeOf(() => machine.process.ioctl(iommufd.fd, number, 0n))).toBe('EFAULT')
  })

  test('finds what is wrong in the tail before the end of memory', () => {
    const at = machine.mm.bytes.length - structBytes - 1
    expect(ioctl(number, structBytes + 1, 1, at)).toBe('E2BIG')
    new DataView(machine.mm.bytes.buffer).setUint32(at, structBytes + 100, true)
    expect(codeOf(() => machine.process.ioctl(iommufd.fd, number, BigInt(at)))).toBe('E2BIG')
    machine.mm.bytes[machine.mm.bytes.length - 1] = 0
    expect(codeOf(() => machine.process.ioctl(iommufd.fd, number, BigInt(at)))).toBe('EFAULT')
  })
})

test('every row is the table’s', () => {
  for (const { name, minBytes } of IOCTLS) expect(minBytes).toBe(MIN_SIZE[name])
})

test('numbers that are not built or unknown are ENOTTY and counted; only those of the table read the struct', () => {
  expect(ioctl(0x3b87, 24)).toBe('ENOTTY')
  expect(ioctl(0x3b98, 8)).toBe('ENOTTY')
  expect(ioctl(0x3c85, 40)).toBe('ENOTTY')
  expect(codeOf(() => machine.process.ioctl(iommufd.fd, 0x3b92, 0n))).toBe('EFAULT')
  expect(codeOf(() => machine.process.ioctl(iommufd.fd, 0x3b98, 0n))).toBe('ENOTTY')
  expect(codeOf(() => machine.process.ioctl(iommufd.fd, 0x3bb0, 0n))).toBe('ENOTTY')
  expect(codeOf(() => machine.process.ioctl(iommufd.fd, 0x3b64, 0n))).toBe('ENOTTY')
  expect(contextOf(machine.process, iommufd.fd).unbuilt.get(0x3b87)).toBe(1)
})

test('a descriptor that is not open is EBADF, one of another kind ENOTTY', () => {
  expect(codeOf(() => machine.process.ioctl(99, 0x3b80, BigInt(AT)))).toBe('EBADF')
  const { fd } = iommufd.allocFaultQueue()
  expect(codeOf(() => machine.process.ioctl(fd, 0x3b80, BigInt(AT)))).toBe('ENOTTY')
})

test('an answer that cannot be written leaves no object and no descriptor behind (spec/02 §1)', () => {
  const { mm, process } = machine
  for (const number of [0x3b81, 0x3b8e]) {
    mm.onCopyOut = () => mm.badPages.add(AT >> 12)
    expect(ioctl(number, 16)).toBe('EFAULT')
    mm.badPages.delete(AT >> 12)
    expect(contextOf(process, iommufd.fd).objects.empty).toBe(true)
    expect(process.files.descriptors).toEqual([iommufd.fd])
  }
  iommufd.close()
  expect(machine.leftovers()).toEqual(NOTHING_LEFT)
})

test('a map whose address cannot be written stays mapped (spec/02 §3.3 row 11)', () => {
  const ioas = iommufd.allocIoas()
  const { mm } = machine
  const view = new DataView(mm.bytes.buffer)
  mm.bytes.fill(0, AT, AT + 40)
  view.setUint32(AT, 40, true)
  view.setUint32(AT + 4, 7, true)
  view.setUint32(AT + 8, ioas.id, true)
  view.setBigUint64(AT + 24, 0x1000n, true)
  view.setBigUint64(AT + 32, 0x5000n, true)
  mm.onCopyOut = () => mm.badPages.add(AT >> 12)
  expect(codeOf(() => machine.process.ioctl(iommufd.fd, 0x3b85, BigInt(AT)))).toBe('EFAULT')
  expect(ioas.unmap({ iova: 0x5000n, lengthBytes: 0x1000 })).toBe(0x1000n)
})
