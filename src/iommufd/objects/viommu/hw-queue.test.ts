// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import * as abi from '../../abi/index.ts'
import { type Fields, type MockDevice, MockRig, QUEUE_TYPE } from '../mock-rig.suite.ts'

// Results are those of `spec/02` §8 and §12; where they say more than the rows, they were observed on 7.2.13.

const IOVA = 0x1000_0000n
const READ_ONLY = 0x3000_0000n
const WRITE_ONLY = 0x2000_0000n
const ALL_ONES = 2n ** 64n - 1n

let rig: MockRig
let ioas: number
let mock: MockDevice
let viommu: number
let second: number

beforeEach(() => {
  rig = new MockRig()
  ioas = rig.ioas()
  mock = rig.mockDomain(ioas, 4)
  const parent = rig.makeHwpt({ dev_id: mock.device, pt_id: ioas, flags: 1 })
  viommu = rig.makeViommu(mock.device, parent)
  second = rig.makeViommu(mock.device, parent)
  const memory = rig.memory(16)
  rig.map(ioas, IOVA, memory, 65536)
  rig.map(ioas, WRITE_ONLY, memory, 4096, 3)
  rig.map(ioas, READ_ONLY, memory, 4096, 5)
})

function alloc(fields: Fields = {}): [string, number] {
  const all = { viommu_id: viommu, type: QUEUE_TYPE, nesting_parent_iova: IOVA, length: 4096, ...fields }
  const outcome = rig.io(abi.IOMMU_HW_QUEUE_ALLOC, abi.HwQueueAlloc, all)
  return [outcome.result, outcome.get('out_hw_queue_id')]
}

function alignment(): bigint {
  const fields = { ioas_id: ioas, num_iovas: 16, allowed_iovas: rig.memory(1) }
  return rig.io(abi.IOMMU_IOAS_IOVA_RANGES, abi.IoasIovaRanges, fields).get64('out_iova_alignment')
}

describe('IOMMU_HW_QUEUE_ALLOC', () => {
  test.each<[string, () => Fields, string]>([
    ['flags', () => ({ flags: 1 }), 'EOPNOTSUPP'],
    ['type 0', () => ({ type: 0, length: 0 }), 'EOPNOTSUPP'],
    ['no length, no vIOMMU', () => ({ length: 0, viommu_id: 999 }), 'EINVAL'],
    ['a range past the end', () => ({ nesting_parent_iova: ALL_ONES - 4094n }), 'EOVERFLOW'],
    ['the last byte', () => ({ nesting_parent_iova: ALL_ONES, length: 1 }), 'ENOENT'],
    ['the last page', () => ({ nesting_parent_iova: ALL_ONES - 4095n }), 'ENOENT'],
    ['no such vIOMMU', () => ({ viommu_id: 999 }), 'ENOENT'],
    ['a type that the driver lacks', () => ({ type: 7 }), 'EOPNOTSUPP'],
    ['nearly everything', () => ({ nesting_parent_iova: 0, length: ALL_ONES }), 'ERANGE'],
    ['a length that rounds to 2^64', () => ({ nesting_parent_iova: 1, length: ALL_ONES - 4095n }), 'ERANGE'],
    ['a length that rounds to less', () => ({ nesting_parent_iova: 1, length: ALL_ONES - 4096n }), 'ENOMEM'],
    ['2^28 pages and one', () => ({ nesting_parent_iova: 1, length: 2n ** 40n }), 'ENOMEM'],
    ['2^27 pages and one', () => ({ nesting_parent_iova: 1, length: 2n ** 39n }), 'ENOENT'],
    ['a hole', () => ({ nesting_parent_iova: 0x5000_0000 }), 'ENOENT'],
    ['memory that cannot be read', () => ({ nesting_parent_iova: WRITE_ONLY }), 'EPERM'],
    ['memory that cannot be written', () => ({ nesting_parent_iova: READ_ONLY }), 'ok'],
    ['an index that the driver lacks', () => ({ index: 2 }), 'EINVAL'],
    ['a hole before the index', () => ({ index: 2, nesting_parent_iova: 0x5000_0000 }), 'ENOENT'],
    ['the second before the first', () => ({ index: 1 }), 'EIO'],
    ['a start within a page', () => ({ nesting_parent_iova: IOVA + 8n, length: 100 }), 'ok'],
  ])('with %s', (_name, fields, result) => {
    expect(alloc(fields())[0]).toBe(result)
  })

  test('takes contiguous memory only', () => {
    const page = rig.memory(1)
    rig.map(ioas, 0x4000_0000n, page, 4096)
    rig.map(ioas, 0x4000_1000n, page, 4096)
    expect(alloc({ nesting_parent_iova: 0x4000_0000, length: 8192 })[0]).toBe('EFAULT')
    expect(rig.unmap(ioas, 0x4000_0000n, 8192)).toBe('ok')
  })

  test('takes a second id for its own access, which nobody can destroy (§12)', () => {
    const [, queue] = alloc()
    expect(queue).toBe(second + 1)
    expect(rig.ioas()).toBe(queue + 2)
    expect(rig.destroy(queue + 1)).toBe('EBUSY')
    expect(rig.destroy(queue)).toBe('ok')
    expect([rig.ioas(), rig.ioas()]).toEqual([queue, queue + 1])
  })

  test('gives all its ids back when it fails', () => {
    expect(alloc({ index: 2 })[0]).toBe('EINVAL')
    expect(rig.ioas()).toBe(second + 1)
  })
})

describe('a hardware queue', () => {
  test('keeps its memory mapped, and aligned to pages', () => {
    const [, queue] = alloc()
    expect(alignment()).toBe(4096n)
    expect(rig.unmap(ioas, IOVA, 4096)).toBe('EBUSY')
    expect(rig.unmap(ioas, IOVA, 65536)).toBe('EBUSY')
    expect(rig.unmap(ioas, 0n, ALL_ONES)).toBe('EBUSY')
    expect(rig.map(ioas, 0x2800_0800n, rig.memory(1), 4096)).toBe('EINVAL')
    expect(rig.destroy(queue)).toBe('ok')
    expect(alignment()).toBe(2048n)
    expect(rig.unmap(ioas, IOVA, 65536)).toBe('ok')
  })

  test('is there once an index, and the lower one as long as the higher', () => {
    const [, lower] = alloc()
    expect(alloc()[0]).toBe('EEXIST')
    const [result, higher] = alloc({ index: 1, nesting_parent_iova: IOVA + 4096n })
    expect(result).toBe('ok')
    expect(rig.destroy(lower)).toBe('EBUSY')
    expect(rig.destroy(viommu)).toBe('EBUSY')
    expect([rig.destroy(higher), rig.destroy(lower), rig.destroy(viommu)]).toEqual(['ok', 'ok', 'ok'])
  })

  test('of another vIOMMU may lie in the same page', () => {
    const [, first] = alloc()
    const [result, queue] = alloc({ viommu_id: second })
    expect(result).toBe('ok')
    rig.destroy(first)
    expect(rig.unmap(ioas, IOVA, 65536)).toBe('EBUSY')
    rig.destroy(queue)
    expect(rig.unmap(ioas, IOVA, 65536)).toBe('ok')
  })

  test('goes with the context, whatever depends on it', () => {
    alloc()
    alloc({ index: 1, nesting_parent_iova: IOVA + 4096n })
    expect(rig.leftovers()).toBe(0)
  })
})
