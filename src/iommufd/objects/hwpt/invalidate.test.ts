// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import * as abi from '../../abi/index.ts'
import { type Fields, INVALIDATE, type MockDevice, MockRig } from '../mock-rig.suite.ts'

// Results are those of `spec/02` §7.3; where they say more than the rows, they were observed on 7.2.13.

const WORD = 0x1234
const CACHE = 0xbaddad
const VIRT_ID = 0x99

let rig: MockRig
let ioas: number
let mock: MockDevice
let parent: number
let nested: number

beforeEach(() => {
  rig = new MockRig()
  ioas = rig.ioas()
  mock = rig.mockDomain(ioas, 4)
  parent = rig.makeHwpt({ dev_id: mock.device, pt_id: ioas, flags: 1 })
  nested = rig.makeHwpt(rig.nestedFields(mock.device, parent, WORD))
})

/** Result and `entry_num` of requests of 8 bytes. */
function invalidate(entry_num: number, fields: Fields = {}): [string, number] {
  const data_uptr = fields['data_uptr'] ?? rig.words(0, 0, 0, 1, 0, 2, 0, 3)
  const all = { hwpt_id: nested, data_type: INVALIDATE, entry_len: 8, entry_num, ...fields, data_uptr }
  const outcome = rig.io(abi.IOMMU_HWPT_INVALIDATE, abi.HwptInvalidate, all)
  return [outcome.result, outcome.get('entry_num')]
}

function words(): string[] {
  return [0, 1, 2, 3].map((index) => {
    const fields = { op: abi.IOMMU_TEST_OP_MD_CHECK_IOTLB, id: nested, check_iotlb_id: index, iotlb: 0 }
    return rig.result(abi.IOMMU_TEST_CMD, abi.TestCmdCheckIotlb, fields)
  })
}

describe('IOMMU_HWPT_INVALIDATE of a nested page table', () => {
  test.each<[string, number, () => Fields, [string, number]]>([
    ['no requests, a known type', 0, () => ({ data_uptr: 0, entry_len: 0 }), ['ok', 0]],
    ['no requests, another type', 0, () => ({ data_type: 5 }), ['EINVAL', 0]],
    ['no requests, a length that is not looked at', 0, () => ({ entry_len: 5000 }), ['ok', 0]],
    ['no requests, no such object', 0, () => ({ hwpt_id: 999 }), ['ENOENT', 0]],
    ['a reserved field', 1, () => ({ __reserved: 1 }), ['EOPNOTSUPP', 0]],
    ['requests at 0, no such object', 1, () => ({ data_uptr: 0, hwpt_id: 999 }), ['EINVAL', 0]],
    ['length 0', 1, () => ({ entry_len: 0 }), ['EINVAL', 0]],
    ['length 4097', 1, () => ({ entry_len: 4097 }), ['EINVAL', 0]],
    ['a length with the highest bit', 1, () => ({ entry_len: 0x80000008 }), ['EINVAL', 0]],
    ['too many', 2 ** 19 + 1, () => ({}), ['EINVAL', 0]],
    ['a number with the highest bit', 0x80000001, () => ({}), ['EINVAL', 0]],
    ['a length that the driver does not know', 1, () => ({ entry_len: 9 }), ['EINVAL', 0]],
    ['a short length', 1, () => ({ entry_len: 7 }), ['EINVAL', 0]],
    ['no such object', 1, () => ({ hwpt_id: 999 }), ['ENOENT', 0]],
    ['a page table that is not nested', 1, () => ({ hwpt_id: parent }), ['EINVAL', 0]],
    ['an IOAS', 1, () => ({ hwpt_id: ioas }), ['EINVAL', 0]],
    ['a bad address', 3, () => ({ data_uptr: 16 }), ['EFAULT', 0]],
    ['a bad address and type', 3, () => ({ data_uptr: 16, data_type: 5 }), ['EINVAL', 0]],
    ['requests that end in a hole', 3, () => ({ data_uptr: rig.memory(1) + 4084n }), ['EFAULT', 1]],
    ['a bad third one', 4, () => ({ data_uptr: rig.words(0, 0, 0, 1, 0, 4, 0, 2) }), ['EINVAL', 2]],
    [
      'bad flags of the third',
      4,
      () => ({ data_uptr: rig.words(0, 0, 0, 1, 2, 2, 0, 2) }),
      ['EOPNOTSUPP', 2],
    ],
    ['all of them', 4, () => ({}), ['ok', 4]],
  ])('with %s', (_name, count, fields, result) => {
    expect(invalidate(count, fields())).toEqual(result)
  })

  test('does what comes before the failing one', () => {
    invalidate(4, { data_uptr: rig.words(0, 0, 0, 1, 0, 4, 0, 2) })
    expect(words()).toEqual(['ok', 'ok', 'EINVAL', 'EINVAL'])
    invalidate(1, { data_uptr: rig.words(1, 0) })
    expect(words()).toEqual(['ok', 'ok', 'ok', 'ok'])
  })

  test('says how many were done even then: EFAULT when it cannot', () => {
    const page = rig.bytes(Uint8Array.of(32, 0, 0, 0, 231, 3))
    rig.process.mprotect(page, 4096, 1)
    expect(rig.io(abi.IOMMU_HWPT_INVALIDATE, abi.HwptInvalidate, {}, page).result).toBe('EFAULT')
  })
})

function requests(...cells: number[][]): bigint {
  return rig.words(
    ...cells.flatMap(([flags = 0, device = VIRT_ID, cell = 0, ...rest]) => [flags, device, cell, ...rest]),
  )
}

function caches(expected: number): string[] {
  return [0, 1, 2, 3].map((index) => {
    const fields = {
      op: abi.IOMMU_TEST_OP_DEV_CHECK_CACHE,
      id: mock.device,
      check_dev_cache_id: index,
      cache: expected,
    }
    return rig.result(abi.IOMMU_TEST_CMD, abi.TestCmdCheckDevCache, fields)
  })
}

describe('IOMMU_HWPT_INVALIDATE of a vIOMMU', () => {
  let viommu: number

  beforeEach(() => {
    viommu = rig.makeViommu(mock.device, parent)
    const fields = { viommu_id: viommu, dev_id: mock.device, virt_id: VIRT_ID }
    rig.made(abi.IOMMU_VDEVICE_ALLOC, abi.VdeviceAlloc, fields, 'out_vdevice_id')
  })

  const run = (count: number, fields: Fields): [string, number] =>
    invalidate(count, { hwpt_id: viommu, entry_len: 12, ...fields })

  test.each<[string, number, () => Fields, [string, number]]>([
    ['no requests, a known type', 0, () => ({}), ['ok', 0]],
    ['no requests, another type', 0, () => ({ data_type: 5 }), ['EINVAL', 0]],
    ['another type', 1, () => ({ data_type: 5 }), ['EINVAL', 0]],
    ['a bad cell', 2, () => ({ data_uptr: requests([], [0, VIRT_ID, 4]) }), ['EINVAL', 1]],
    ['bad flags', 2, () => ({ data_uptr: requests([], [2]) }), ['EOPNOTSUPP', 1]],
    ['a device that the guest does not have', 2, () => ({ data_uptr: requests([], [0, 1]) }), ['EINVAL', 1]],
    ['short requests, zeros after them', 2, () => ({ data_uptr: requests([]), entry_len: 8 }), ['EINVAL', 1]],
    ['very short ones', 2, () => ({ data_uptr: requests([]), entry_len: 4 }), ['EINVAL', 0]],
    [
      'long ones that end in zeros',
      2,
      () => ({ data_uptr: requests([0, VIRT_ID, 0, 0], [0, VIRT_ID, 1, 0]), entry_len: 16 }),
      ['ok', 2],
    ],
    [
      'long ones that do not',
      2,
      () => ({ data_uptr: requests([0, VIRT_ID, 0, 0], [0, VIRT_ID, 1, 1]), entry_len: 16 }),
      ['E2BIG', 0],
    ],
    ['a bad address', 2, () => ({ data_uptr: 16 }), ['EFAULT', 0]],
    ['requests that end in a hole', 3, () => ({ data_uptr: rig.memory(1) + 4072n }), ['EFAULT', 0]],
    [
      'long ones that end in a hole',
      3,
      () => ({ data_uptr: rig.memory(1) + 4072n, entry_len: 16 }),
      ['EFAULT', 0],
    ],
  ])('with %s', (_name, count, fields, result) => {
    expect(run(count, fields())).toEqual(result)
  })

  test('does what comes before the failing one', () => {
    expect(caches(CACHE)).toEqual(['ok', 'ok', 'ok', 'ok'])
    run(3, { data_uptr: requests([], [0, VIRT_ID, 1], [0, VIRT_ID, 4]) })
    expect(caches(0)).toEqual(['ok', 'ok', 'EINVAL', 'EINVAL'])
    run(1, { data_uptr: requests([1]) })
    expect(caches(0)).toEqual(['ok', 'ok', 'ok', 'ok'])
  })
})
