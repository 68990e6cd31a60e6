// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import * as abi from '../../abi/index.ts'
import { type Fields, type MockDevice, MockRig } from '../mock-rig.suite.ts'

// Results are those of `spec/02` §7.2; bits and what the rows do not say were observed on 7.2.13.

const IOVA = 0x1000_0000n
const AREA_2 = 0x1002_0000n
const BYTES = 65536
const ALL_ONES = 2n ** 64n - 1n

let rig: MockRig
let ioas: number
let mock: MockDevice
let hwpt: number
let plain: number
let bitmap: bigint

beforeEach(() => {
  rig = new MockRig()
  ioas = rig.ioas()
  mock = rig.mockDomain(ioas, 4)
  hwpt = rig.makeHwpt({ dev_id: mock.device, pt_id: ioas, flags: 2 })
  plain = rig.makeHwpt({ dev_id: mock.device, pt_id: ioas, flags: 1 })
  const memory = rig.scattered(16)
  rig.map(ioas, IOVA, memory, BYTES)
  rig.map(ioas, AREA_2, memory, BYTES)
  bitmap = rig.memory(3)
})

function track(fields: Fields = {}): string {
  const all = { hwpt_id: hwpt, flags: 1, ...fields }
  return rig.result(abi.IOMMU_HWPT_SET_DIRTY_TRACKING, abi.HwptSetDirtyTracking, all)
}

function get(fields: Fields = {}): string {
  const all = { hwpt_id: hwpt, flags: 1, iova: IOVA, length: BYTES, page_size: 4096, data: bitmap, ...fields }
  return rig.result(abi.IOMMU_HWPT_GET_DIRTY_BITMAP, abi.HwptGetDirtyBitmap, all)
}

/** The bitmap's bytes after a successful call. */
function bits(count: number, fields: Fields = {}): number[] {
  rig.process.poke(bitmap, new Uint8Array(12288))
  expect(get(fields)).toBe('ok')
  return rig.peek(bitmap, count)
}

/** A device writes to bit `bit` of the area. */
function dirty(bit: number, pageSize = 4096, iova = IOVA): void {
  const bytes = new Uint8Array(64)
  bytes[bit >>> 3] = 1 << (bit & 7)
  const range = { iova, length: BYTES, page_size: pageSize, uptr: rig.bytes(bytes) }
  const fields = { op: abi.IOMMU_TEST_OP_DIRTY, id: hwpt, ...range }
  expect(rig.result(abi.IOMMU_TEST_CMD, abi.TestCmdDirty, fields)).toBe('ok')
}

describe('IOMMU_HWPT_SET_DIRTY_TRACKING', () => {
  test.each<[string, () => Fields, string]>([
    ['an unknown flag', () => ({ flags: 2 }), 'EOPNOTSUPP'],
    ['an unknown flag, no such page table', () => ({ flags: 3, hwpt_id: 999 }), 'EOPNOTSUPP'],
    ['no such page table', () => ({ hwpt_id: 999 }), 'ENOENT'],
    ['an IOAS', () => ({ hwpt_id: ioas }), 'ENOENT'],
    ['a page table made without', () => ({ hwpt_id: plain }), 'EOPNOTSUPP'],
    ['the kernel’s own', () => ({ hwpt_id: mock.hwpt }), 'EOPNOTSUPP'],
    ['a reserved field, which is not looked at', () => ({ __reserved: 7 }), 'ok'],
    ['off', () => ({ flags: 0 }), 'ok'],
  ])('with %s', (_name, fields, result) => {
    expect(track(fields())).toBe(result)
  })

  test('does not take a nested page table', () => {
    expect(track({ hwpt_id: rig.makeHwpt(rig.nestedFields(mock.device, plain)) })).toBe('ENOENT')
  })

  test('forgets what was written before', () => {
    track()
    dirty(1)
    track({ flags: 0 })
    expect(bits(2)).toEqual([2, 0])
    track()
    expect(bits(2)).toEqual([0, 0])
  })
})

describe('IOMMU_HWPT_GET_DIRTY_BITMAP', () => {
  beforeEach(() => {
    track()
  })

  test.each<[string, () => Fields, string]>([
    ['an unknown flag', () => ({ flags: 2 }), 'EOPNOTSUPP'],
    ['a reserved field', () => ({ __reserved: 1, hwpt_id: 999 }), 'EOPNOTSUPP'],
    ['no such page table', () => ({ hwpt_id: 999, page_size: 0 }), 'ENOENT'],
    ['a page table made without', () => ({ hwpt_id: plain }), 'EOPNOTSUPP'],
    ['the same, page size 0', () => ({ hwpt_id: plain, page_size: 0 }), 'EINVAL'],
    ['the same, past the end', () => ({ hwpt_id: plain, iova: ALL_ONES - 4095n, length: 8192 }), 'EOVERFLOW'],
    [
      'past the end, page size 0',
      () => ({ iova: ALL_ONES - 4095n, length: 8192, page_size: 0 }),
      'EOVERFLOW',
    ],
    ['length 0', () => ({ length: 0 }), 'EOVERFLOW'],
    ['length 0 at address 0', () => ({ iova: 0, length: 0 }), 'ok'],
    ['page size 0', () => ({ page_size: 0 }), 'EINVAL'],
    ['an odd address', () => ({ iova: IOVA + 1n }), 'EINVAL'],
    ['an address that is no page’s', () => ({ iova: IOVA + 2048n, length: BYTES - 2048 }), 'EINVAL'],
    ['half pages', () => ({ iova: IOVA + 2048n, length: BYTES - 2048, page_size: 2048 }), 'ok'],
    ['less than the IOAS’s alignment', () => ({ length: BYTES - 1024, page_size: 1024 }), 'EINVAL'],
    ['an end that is no page’s', () => ({ length: BYTES - 2048 }), 'EINVAL'],
    ['3 bytes a bit: only bits of the number count', () => ({ page_size: 3 }), 'ok'],
    ['6144 bytes a bit', () => ({ iova: 6144n * 43691n, length: 61440, page_size: 6144 }), 'EINVAL'],
    ['a byte a bit', () => ({ length: 4096, page_size: 1 }), 'ok'],
    ['2^40 bytes a bit', () => ({ iova: 0, length: 2n ** 40n, page_size: 2n ** 40n }), 'ok'],
    ['a bitmap at 0', () => ({ data: 0 }), 'ok'],
    ['a bad bitmap', () => ({ data: 16 }), 'ok'],
    ['a hole', () => ({ length: 0x30000 }), 'ok'],
    ['nothing there', () => ({ iova: 0x6000_0000 }), 'ok'],
    ['the last page', () => ({ iova: ALL_ONES - 4095n, length: 4096 }), 'ok'],
  ])('with %s', (_name, fields, result) => {
    expect(get(fields())).toBe(result)
  })

  test('has a bit a page, of any size', () => {
    dirty(0)
    dirty(3)
    expect(bits(4)).toEqual([0x09, 0, 0, 0])
    expect(bits(4, { page_size: 2048 })).toEqual([0x41, 0, 0, 0])
    expect(bits(4, { page_size: 1024 })).toEqual([0x03, 0x30, 0, 0])
    expect(bits(5, { page_size: 512 })).toEqual([0x0f, 0, 0, 0x0f, 0])
    expect(bits(2, { page_size: 8192 })).toEqual([0x03, 0])
    expect(bits(2, { page_size: BYTES })).toEqual([0x01, 0])
    expect(bits(2, { iova: IOVA + 12288n, length: 8192 })).toEqual([0x01, 0])
  })

  test('takes the lowest bit of an odd page size', () => {
    dirty(1)
    dirty(9)
    expect(bits(3, { page_size: 6144 })).toEqual([0x04, 0, 0x04])
    expect(bits(3, { page_size: 0x3000 })).toEqual([0x02, 0x02, 0])
    expect(bits(3, { page_size: 0xc000 })).toEqual([0x05, 0, 0])
  })

  test('only sets bits, at any byte', () => {
    dirty(0)
    dirty(3)
    for (const offset of [1, 7, 9, 4095]) {
      rig.process.poke(bitmap, new Uint8Array(8192).fill(0xa0))
      expect(get({ data: bitmap + BigInt(offset) })).toBe('ok')
      expect(rig.peek(bitmap + BigInt(offset) - 1n, 3)).toEqual([0xa0, 0xa9, 0xa0])
    }
  })

  test('forgets what it told, unless asked not to', () => {
    dirty(5)
    expect(bits(1)).toEqual([0x20])
    expect(bits(1, { flags: 0 })).toEqual([0x20])
    expect(bits(1)).toEqual([0])
  })

  test('goes from area to area, and not past a hole', () => {
    dirty(2, 4096, AREA_2)
    dirty(5)
    expect(bits(9, { length: 0x30000 })).toEqual([0x20, 0, 0, 0, 0, 0, 0, 0, 0])
    expect(bits(9, { iova: IOVA + 0x10000n, length: 0x20000 })).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0])
    expect(bits(1, { iova: AREA_2, length: 0x20000 })).toEqual([0x04])
    rig.map(ioas, IOVA + 0x10000n, rig.scattered(16), BYTES)
    expect(bits(5, { length: 0x30000 })).toEqual([0x20, 0, 0, 0, 0x04])
  })

  test('forgets also what it could not tell', () => {
    dirty(1)
    expect(get({ flags: 0, data: 16 })).toBe('ok')
    expect(bits(1)).toEqual([0])
    dirty(1)
    rig.process.mprotect(bitmap, 4096, 1)
    expect(get({ flags: 0 })).toBe('ok')
    rig.process.mprotect(bitmap, 4096, 3)
    expect(bits(1)).toEqual([0])
  })

  test('tells what it can of a bitmap with a hole', () => {
    dirty(0)
    dirty(15)
    const end = rig.memory(1) + 4096n
    expect(get({ page_size: 512, data: end - 8n })).toBe('ok')
    expect(rig.peek(end - 8n, 8)).toEqual([0x0f, 0, 0, 0, 0, 0, 0, 0])
  })

  test('is clean where something was mapped anew', () => {
    dirty(1)
    rig.unmap(ioas, IOVA, BYTES)
    rig.map(ioas, IOVA, rig.scattered(16), BYTES)
    expect(bits(1)).toEqual([0])
  })

  test('gives up without memory for it', () => {
    rig.machine.world.failpoints.failNth(1, 'alloc_dirty_bitmap')
    expect(get()).toBe('ENOMEM')
  })
})
