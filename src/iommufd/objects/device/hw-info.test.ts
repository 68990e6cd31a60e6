// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import * as abi from '../../abi/index.ts'
import { type Fields, type MockDevice, MockRig } from '../mock-rig.suite.ts'

// Results are those of `spec/02` §7.4; where they say more than the rows, they were observed on 7.2.13.

const TYPE = 0xfeedbeef
const PASID_BITS = 20

let rig: MockRig
let mock: MockDevice
let buffer: bigint

beforeEach(() => {
  rig = new MockRig()
  mock = rig.mockDomain(rig.ioas(), 4)
  buffer = rig.bytes(new Uint8Array(32).fill(0xff))
})

/** The type that is wanted and the one that is given share their place. */
function info(fields: Fields = {}): ReturnType<MockRig['io']> {
  const all = { dev_id: mock.device, data_len: 32, data_uptr: buffer, ...fields }
  return rig.io(abi.IOMMU_GET_HW_INFO, abi.HwInfo, all)
}

describe('IOMMU_GET_HW_INFO', () => {
  test.each<[string, () => Fields, string]>([
    ['an unknown flag, no such device', () => ({ flags: 2, dev_id: 999 }), 'EOPNOTSUPP'],
    ['no such device', () => ({ dev_id: 999 }), 'ENOENT'],
    ['a type of its own', () => ({ flags: 1, in_data_type: TYPE, out_data_type: TYPE }), 'ok'],
    [
      'a type of another unit',
      () => ({ flags: 1, in_data_type: 5, out_data_type: 5, data_uptr: 16 }),
      'EOPNOTSUPP',
    ],
    ['a type without the flag', () => ({ in_data_type: 5, out_data_type: 5 }), 'ok'],
    ['a buffer at 0', () => ({ data_uptr: 0 }), 'EFAULT'],
    ['a bad buffer', () => ({ data_uptr: 16 }), 'EFAULT'],
    ['a bad buffer of length 0', () => ({ data_uptr: 16, data_len: 0 }), 'ok'],
    ['a buffer that ends in a hole', () => ({ data_uptr: rig.memory(1) + 4088n, data_len: 20 }), 'EFAULT'],
    ['the longest buffer', () => ({ data_len: 0xffffffff }), 'EFAULT'],
  ])('with %s', (_name, fields, result) => {
    expect(info(fields()).result).toBe(result)
  })

  test.each([29, 30, 31])('refuses reserved byte %d', (at) => {
    const bytes = new Uint8Array(40)
    bytes.set([40, 0, 0, 0, 0, 0, 0, 0, mock.device])
    bytes[at] = 1
    expect(rig.io(abi.IOMMU_GET_HW_INFO, abi.HwInfo, {}, rig.bytes(bytes)).result).toBe('EOPNOTSUPP')
  })

  test('says what there is, as much as there is room for, and zeros behind it', () => {
    const outcome = info()
    expect(['data_len', 'out_data_type', 'out_max_pasid_log2'].map((name) => outcome.get(name))).toEqual([
      8,
      TYPE,
      PASID_BITS,
    ])
    expect(outcome.get64('out_capabilities')).toBe(9n)
    expect(rig.peek(buffer, 12)).toEqual([0, 0, 0, 0, 0xef, 0xbe, 0xad, 0xde, 0, 0, 0, 0])
    rig.process.poke(buffer, new Uint8Array(32).fill(0xff))
    expect(info({ data_len: 4 }).get('data_len')).toBe(8)
    expect(rig.peek(buffer, 6)).toEqual([0, 0, 0, 0, 0xff, 0xff])
  })

  test('says what a plain device lacks', () => {
    const plain = rig.mockDomain(rig.ioas(), 1)
    const outcome = info({ dev_id: plain.device })
    expect([outcome.get('out_max_pasid_log2'), outcome.get64('out_capabilities')]).toEqual([0, 8n])
  })
})
