// SPDX-License-Identifier: MIT
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MockRig } from './mock-rig.suite.ts'

// Operations 2, 10, 12 and 18 to 21 of spec/03 §5.3 and §8; what those rows leave open was observed on 7.2.13.
const PASID = 4
const NO_DIRTY = 1
const REPLACE = 10
const PASID_ATTACH = 18
const PASID_REPLACE = 19
const PASID_DETACH = 20
const PASID_CHECK = 21
const COMPATIBLE = 8

let rig: MockRig
let ioas: number

beforeEach(() => {
  rig = new MockRig()
  ioas = rig.allocIoas()
})

afterEach(() => {
  expect(rig.end()).toBe(0)
})

describe('a mock device', () => {
  test('ids are those of the selftest object, the device and the page table made for it', () => {
    expect(rig.mockDevice(ioas)).toEqual({ stdev: 2, device: 3, hwpt: 4 })
    expect(rig.mockDevice(ioas)).toEqual({ stdev: 5, device: 6, hwpt: 4 })
  })

  test.each([
    ['unknown flag, before the target is looked for', 999, 2, 'EINVAL'],
    ['flag 8', 1, 8, 'EINVAL'],
    ['both flags', 1, 5, 0],
    ['no such target', 999, 0, 'ENOENT'],
    ['the id that the selftest object gets', 2, 0, 'ENOENT'],
    ['the id that the device gets', 3, 0, 'EINVAL'],
    ['id 0', 0, 0, 'ENOENT'],
  ])('%s', (_name, target, flags, expected) => {
    expect(rig.testResult(12, target, [0, 0, 0, flags])).toBe(expected)
    if (expected !== 0) expect(rig.allocIoas()).toBe(2)
  })

  test('the parts go with the selftest object only', () => {
    const { stdev, device, hwpt } = rig.mockDevice(ioas)
    expect([rig.destroy(device), rig.destroy(hwpt), rig.destroy(ioas)]).toEqual(['EBUSY', 'EBUSY', 'EBUSY'])
    expect([rig.destroy(stdev), rig.destroy(hwpt), rig.destroy(device)]).toEqual([0, 'ENOENT', 'ENOENT'])
    expect(rig.machine.mock!.deviceCount).toBe(0)
  })

  test('nothing stays when the answer cannot be delivered', () => {
    expect(rig.testResult(2, ioas, [], { readOnly: true })).toBe('EFAULT')
    expect(rig.mockDevice(ioas)).toEqual({ stdev: 2, device: 3, hwpt: 4 })
  })

  test('PASIDs that are left go before the device', () => {
    const { stdev, device } = rig.mockDevice(ioas, PASID)
    const hwpt = rig.allocHwpt(device, ioas, { flags: COMPATIBLE }).words[4]!
    rig.test(REPLACE, stdev, [hwpt])
    expect(rig.testResult(PASID_ATTACH, stdev, [7, hwpt])).toBe(0)
    expect([rig.destroy(stdev), rig.destroy(device), rig.destroy(hwpt)]).toEqual([0, 'ENOENT', 0])
  })

  test('what tracks dirty pages does not fit a device that cannot', () => {
    const able = rig.mockDevice(ioas)
    const unable = rig.mockDevice(ioas, NO_DIRTY)
    const tracking = rig.allocHwpt(able.device, ioas, { flags: 2 }).words[4]!
    expect(rig.allocHwpt(unable.device, ioas, { flags: 2 }).result).toBe('EOPNOTSUPP')
    expect(rig.testResult(REPLACE, unable.stdev, [tracking])).toBe('EINVAL')
  })
})

describe('replace', () => {
  test('the errors of its operands, and the same page table again', () => {
    const { stdev, device, hwpt } = rig.mockDevice(ioas)
    expect(rig.testResult(REPLACE, 999, [ioas])).toBe('ENOENT')
    expect(rig.testResult(REPLACE, device, [ioas])).toBe('ENOENT')
    expect(rig.testResult(REPLACE, stdev, [999])).toBe('ENOENT')
    expect(rig.testResult(REPLACE, stdev, [device])).toBe('EINVAL')
    expect(rig.test(REPLACE, stdev, [ioas]).words[4]).toBe(hwpt)
  })

  test('stays when the answer cannot be delivered', () => {
    const { stdev, device, hwpt } = rig.mockDevice(ioas)
    const other = rig.allocHwpt(device, ioas).words[4]!
    expect(rig.testResult(REPLACE, stdev, [other], { readOnly: true })).toBe('EFAULT')
    expect(rig.destroy(hwpt)).toBe('ENOENT')
    expect(rig.testResult(PASID_CHECK, stdev, [0, other])).toBe(0)
  })
})

describe('PASIDs', () => {
  let stdev: number
  let device: number
  let first: number
  let second: number

  beforeEach(() => {
    ;({ stdev, device } = rig.mockDevice(ioas, PASID))
    first = rig.allocHwpt(device, ioas, { flags: COMPATIBLE }).words[4]!
    second = rig.allocHwpt(device, ioas, { flags: COMPATIBLE }).words[4]!
    rig.test(REPLACE, stdev, [first])
  })

  const attach = (pasid: number, hwpt: number): string | number =>
    rig.testResult(PASID_ATTACH, stdev, [pasid, hwpt])
  const replace = (pasid: number, hwpt: number): string | number =>
    rig.testResult(PASID_REPLACE, stdev, [pasid, hwpt])
  const check = (pasid: number, hwpt: number): string | number =>
    rig.testResult(PASID_CHECK, stdev, [pasid, hwpt])
  const detach = (pasid: number): string | number => rig.testResult(PASID_DETACH, stdev, [pasid])

  test('attach, check, replace, detach', () => {
    expect([attach(1, first), check(1, first), check(1, second), check(1, 0)]).toEqual([
      0,
      0,
      'EINVAL',
      'EINVAL',
    ])
    expect([attach(1, first), attach(1, second)]).toEqual(['EBUSY', 'EBUSY'])
    expect([replace(1, second), check(1, second), detach(1), check(1, 0), detach(1)]).toEqual([0, 0, 0, 0, 0])
    expect([replace(1, second), replace(1, 999)]).toEqual(['EINVAL', 'ENOENT'])
    expect([check(1, 999), check(1, ioas)]).toEqual(['ENOENT', 'EINVAL'])
  })

  test('20 bits of them', () => {
    expect([attach(2 ** 20, first), attach(-1, first), attach(2 ** 20 - 1, first)]).toEqual([
      'EINVAL',
      'EINVAL',
      0,
    ])
    expect([check(2 ** 21, 0), check(-1, 0)]).toEqual([0, 0])
  })

  test('PASID 0 is the device itself', () => {
    expect([attach(0, first), replace(0, second), check(0, second)]).toEqual(['EBUSY', 0, 0])
    expect([detach(0), check(0, 0), attach(0, first)]).toEqual([0, 0, 0])
  })

  test('every second attachment of PASID 1024 is refused, and changes nothing', () => {
    expect([attach(1024, first), replace(1024, second), check(1024, first)]).toEqual([0, 'ENOMEM', 0])
    expect([replace(1024, second), replace(1024, first), replace(1024, first)]).toEqual([0, 'ENOMEM', 0])
    expect([detach(1024), attach(1024, first)]).toEqual([0, 0])
  })

  test('the page table must be for PASIDs: one made for an IOAS never is', () => {
    expect(attach(1, ioas)).toBe('EINVAL')
    rig.test(REPLACE, stdev, [ioas])
    expect(attach(1, first)).toBe('EINVAL')
  })

  test('a device without PASIDs takes none', () => {
    const plain = rig.mockDevice(ioas)
    rig.test(REPLACE, plain.stdev, [first])
    expect(rig.testResult(PASID_ATTACH, plain.stdev, [1, first])).toBe('EINVAL')
  })

  test('an attachment goes when the answer cannot be delivered, a replacement stays', () => {
    const options = { readOnly: true }
    expect(rig.testResult(PASID_ATTACH, stdev, [5, first], options)).toBe('EFAULT')
    expect([check(5, 0), attach(5, first)]).toEqual([0, 0])
    expect(rig.testResult(PASID_REPLACE, stdev, [5, second], options)).toBe('EFAULT')
    expect(check(5, second)).toBe(0)
    expect(rig.testResult(PASID_DETACH, stdev, [5], options)).toBe(0)
  })
})
