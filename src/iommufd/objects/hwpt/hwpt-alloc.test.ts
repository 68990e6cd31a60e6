// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import * as abi from '../../abi/index.ts'
import { type Fields, HWPT_DATA, type MockDevice, MockRig } from '../mock-rig.suite.ts'

// Results are those of `spec/02` §7.1 and §5; where they say more than the rows, they were observed on 7.2.13.

const NEST_PARENT = abi.IOMMU_HWPT_ALLOC_NEST_PARENT
const FAULT = abi.IOMMU_HWPT_FAULT_ID_VALID
const PASID = abi.IOMMU_HWPT_ALLOC_PASID
const MOCK_NO_DIRTY = 1
const MOCK_PASID = 4

let rig: MockRig
let ioas: number
let mock: MockDevice
let parent: number
let fault: number
let nested: number

beforeEach(() => {
  rig = new MockRig()
  ioas = rig.ioas()
  mock = rig.mockDomain(ioas, MOCK_PASID)
  parent = rig.makeHwpt({ dev_id: mock.device, pt_id: ioas, flags: NEST_PARENT })
  fault = rig.made(abi.IOMMU_FAULT_QUEUE_ALLOC, abi.FaultAlloc, {}, 'out_fault_id')
  nested = rig.makeHwpt(rig.nestedFields(mock.device, parent))
})

function alloc(fields: Fields): string {
  const outcome = rig.io(abi.IOMMU_HWPT_ALLOC, abi.HwptAlloc, {
    dev_id: mock.device,
    pt_id: parent,
    ...fields,
  })
  if (outcome.result === 'ok') rig.destroy(outcome.get('out_hwpt_id'))
  return outcome.result
}

function nest(fields: Fields): string {
  return alloc({ ...rig.nestedFields(mock.device, parent), ...fields })
}

function attachPasid(op: number, pasid: number, target: number): string {
  return rig.result(abi.IOMMU_TEST_CMD, abi.TestCmdPasidAttach, { op, id: mock.stdev, pasid, pt_id: target })
}

describe('a nested page table', () => {
  test('takes the next id, and holds its parent', () => {
    expect([mock.stdev, mock.device, mock.hwpt, parent, fault, nested]).toEqual([2, 3, 4, 5, 6, 7])
    expect(rig.destroy(parent)).toBe('EBUSY')
    expect(rig.destroy(nested)).toBe('ok')
    expect(rig.destroy(parent)).toBe('ok')
  })

  test.each<[string, () => Fields, string]>([
    ['NEST_PARENT', () => ({ flags: 1 }), 'EOPNOTSUPP'],
    ['DIRTY_TRACKING', () => ({ flags: 2 }), 'EOPNOTSUPP'],
    ['PASID', () => ({ flags: 8 }), 'ok'],
    ['an unknown flag', () => ({ flags: 16 }), 'EOPNOTSUPP'],
    ['an unknown flag before the parent', () => ({ flags: 16, pt_id: mock.hwpt }), 'EOPNOTSUPP'],
    ['a parent of the kernel’s own', () => ({ pt_id: mock.hwpt }), 'EINVAL'],
    ['a nested parent', () => ({ pt_id: nested }), 'EINVAL'],
    ['no data', () => ({ data_type: 0, data_len: 0, data_uptr: 0 }), 'EOPNOTSUPP'],
    ['another type of data', () => ({ data_type: 1 }), 'EOPNOTSUPP'],
    ['short data', () => ({ data_len: 3 }), 'EINVAL'],
    ['long data', () => ({ data_len: 9 }), 'EINVAL'],
    ['all data', () => ({ data_len: 8 }), 'ok'],
    ['data at 0', () => ({ data_uptr: 0 }), 'EFAULT'],
    ['data at a bad address', () => ({ data_uptr: 16 }), 'EFAULT'],
    ['no such fault queue', () => ({ flags: FAULT, fault_id: 999 }), 'ENOENT'],
    ['a fault queue', () => ({ flags: FAULT, fault_id: fault }), 'ok'],
    ['an IOAS for a fault queue', () => ({ flags: FAULT, fault_id: ioas }), 'ENOENT'],
    ['a fault id without the flag', () => ({ fault_id: 999 }), 'ok'],
  ])('with %s', (_name, fields, result) => {
    expect(nest(fields())).toBe(result)
  })

  test('holds its fault queue', () => {
    const with_fault = rig.makeHwpt({
      ...rig.nestedFields(mock.device, parent),
      flags: FAULT,
      fault_id: fault,
    })
    expect(rig.destroy(fault)).toBe('EBUSY')
    expect(rig.destroy(with_fault)).toBe('ok')
  })

  test('is attached, replaced and left; the kernel’s own page table went before', () => {
    expect(rig.replace(mock.stdev, nested)).toBe('ok')
    expect(rig.destroy(nested)).toBe('EBUSY')
    expect(rig.destroy(mock.hwpt)).toBe('ENOENT')
    expect(rig.replace(mock.stdev, ioas)).toBe('ok')
    expect(rig.replace(mock.stdev, nested)).toBe('ok')
    expect(rig.destroy(mock.stdev)).toBe('ok')
    for (const id of [nested, parent, ioas]) expect(rig.destroy(id)).toBe('ok')
  })

  test('is for PASIDs only when it was made for them (§5.2)', () => {
    const compatible = rig.makeHwpt({ ...rig.nestedFields(mock.device, parent), flags: PASID })
    const attach = abi.IOMMU_TEST_OP_PASID_ATTACH
    expect(attachPasid(attach, 5, nested)).toBe('EINVAL')
    expect(attachPasid(attach, 5, compatible)).toBe('EINVAL')
    expect(rig.replace(mock.stdev, compatible)).toBe('ok')
    expect(attachPasid(attach, 5, compatible)).toBe('ok')
    expect(rig.replace(mock.stdev, nested)).toBe('EINVAL')
    expect(attachPasid(abi.IOMMU_TEST_OP_PASID_REPLACE, 5, nested)).toBe('EINVAL')
    expect(rig.replace(mock.stdev, ioas)).toBe('EINVAL')
    expect(attachPasid(abi.IOMMU_TEST_OP_PASID_DETACH, 5, 0)).toBe('ok')
    expect(rig.replace(mock.stdev, nested)).toBe('ok')
  })
})

describe('IOMMU_HWPT_ALLOC', () => {
  test.each<[string, () => Fields, string]>([
    ['a reserved field', () => ({ __reserved: 1, dev_id: 999 }), 'EOPNOTSUPP'],
    ['the other reserved field', () => ({ __reserved2: 1, pt_id: ioas }), 'ok'],
    ['length without type, no such device', () => ({ dev_id: 999, data_len: 4 }), 'EINVAL'],
    ['type without length', () => ({ pt_id: ioas, data_type: HWPT_DATA }), 'EINVAL'],
    ['no such device', () => ({ dev_id: 999 }), 'ENOENT'],
    ['an IOAS for a device', () => ({ dev_id: ioas }), 'ENOENT'],
    ['no such parent', () => ({ pt_id: 999 }), 'EINVAL'],
    ['a fault queue for a parent', () => ({ pt_id: fault }), 'EINVAL'],
    ['a device for a parent', () => ({ pt_id: mock.device }), 'EINVAL'],
    ['the mock’s own object for a parent', () => ({ pt_id: mock.stdev }), 'EINVAL'],
    [
      'fault queue and nesting',
      () => ({ pt_id: ioas, flags: FAULT | NEST_PARENT, fault_id: fault }),
      'EOPNOTSUPP',
    ],
    ['an unknown flag', () => ({ pt_id: ioas, flags: 16 }), 'EOPNOTSUPP'],
    ['dirty tracking', () => ({ pt_id: ioas, flags: 2 }), 'ok'],
    ['no such fault queue', () => ({ pt_id: ioas, flags: FAULT, fault_id: 999 }), 'ENOENT'],
  ])('with %s', (_name, fields, result) => {
    expect(alloc(fields())).toBe(result)
  })

  test.each<[string, Fields, string]>([
    ['another type', { data_type: 1, data_len: 4 }, 'EOPNOTSUPP'],
    ['short', { data_type: HWPT_DATA, data_len: 3 }, 'EINVAL'],
    ['long', { data_type: HWPT_DATA, data_len: 9 }, 'EINVAL'],
    ['out of reach', { data_type: HWPT_DATA, data_len: 4, data_uptr: 16 }, 'EFAULT'],
    ['negative as an int32', { data_type: HWPT_DATA, data_len: 0xfffffff0 }, 'EINVAL'],
  ])('with data: %s', (_name, fields, result) => {
    expect(alloc({ data_uptr: rig.words(1, 0), pt_id: ioas, ...fields })).toBe(result)
  })

  test('finds bad memory before a bad fault queue, and leaves nothing of either', () => {
    const bad = rig.ioas()
    expect(rig.map(bad, 0x1000_0000n, 0x1000n, 4096)).toBe('ok')
    expect(alloc({ pt_id: bad })).toBe('EFAULT')
    expect(alloc({ pt_id: bad, flags: FAULT, fault_id: 999 })).toBe('EFAULT')
    expect(alloc({ pt_id: bad, flags: 16 })).toBe('EOPNOTSUPP')
    expect(rig.destroy(bad)).toBe('ok')
  })

  test('knows devices that cannot track dirty pages', () => {
    const plain = rig.mockDomain(ioas, MOCK_NO_DIRTY)
    expect(alloc({ dev_id: plain.device, pt_id: ioas, flags: 2 })).toBe('EOPNOTSUPP')
    const tracked = rig.makeHwpt({ dev_id: mock.device, pt_id: ioas, flags: 2 })
    expect(rig.replace(plain.stdev, tracked)).toBe('EINVAL')
  })

  test('undoes everything when its answer cannot be written', () => {
    const page = rig.bytes(Uint8Array.of(48, 0, 0, 0, 0, 0, 0, 0, mock.device, 0, 0, 0, ioas))
    rig.process.mprotect(page, 4096, 1)
    expect(rig.io(abi.IOMMU_HWPT_ALLOC, abi.HwptAlloc, {}, page).result).toBe('EFAULT')
    expect(rig.ioas()).toBe(nested + 1)
  })
})
