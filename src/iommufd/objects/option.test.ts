// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import * as abi from '../abi/index.ts'
import { type Fields, MockRig } from './mock-rig.suite.ts'

// Results are those of `spec/02` §3.7; where they say more than the rows, they were observed on 7.2.13.

const SET = abi.IOMMU_OPTION_OP_SET
const GET = abi.IOMMU_OPTION_OP_GET

let rig: MockRig

beforeEach(() => {
  rig = new MockRig({ capSysResource: true })
})

function option(fields: Fields): string {
  return rig.result(abi.IOMMU_OPTION, abi.Option, fields)
}

function mode(): bigint {
  return rig.io(abi.IOMMU_OPTION, abi.Option, { op: GET, val64: 9 }).get64('val64')
}

describe('IOMMU_OPTION', () => {
  test.each<[string, Fields, string]>([
    ['a reserved field, an unknown option', { option_id: 9, __reserved: 1 }, 'EOPNOTSUPP'],
    ['an unknown option', { option_id: 9, op: GET }, 'EOPNOTSUPP'],
    ['RLIMIT_MODE of an object', { op: GET, object_id: 5 }, 'EOPNOTSUPP'],
    ['another operation', { op: 2 }, 'EOPNOTSUPP'],
    ['a mode that there is not', { op: SET, val64: 2 }, 'EINVAL'],
    ['a mode of more than 32 bits', { op: SET, val64: 2n ** 32n }, 'EINVAL'],
    ['the mode of the process', { op: SET, val64: 1 }, 'ok'],
  ])('with %s', (_name, fields, result) => {
    expect(option(fields)).toBe(result)
  })

  test('RLIMIT_MODE can be changed until there is an object', () => {
    expect(mode()).toBe(0n)
    option({ op: SET, val64: 1 })
    expect(mode()).toBe(1n)
    option({ op: SET, val64: 0 })
    expect(mode()).toBe(0n)
    const ioas = rig.ioas()
    expect(option({ op: SET, val64: 7 })).toBe('EBUSY')
    rig.destroy(ioas)
    expect(option({ op: SET, val64: 1 })).toBe('ok')
  })

  test('RLIMIT_MODE needs CAP_SYS_RESOURCE before anything else', () => {
    rig = new MockRig({ capSysResource: false })
    rig.ioas()
    expect(option({ op: SET, val64: 2 })).toBe('EPERM')
    expect(option({ op: GET })).toBe('ok')
  })

  test('writes the value back after every operation, and has changed it when it cannot', () => {
    const bytes = new Uint8Array(24)
    bytes.set([24])
    bytes[16] = 1
    const page = rig.bytes(bytes)
    rig.process.mprotect(page, 4096, 1)
    expect(rig.io(abi.IOMMU_OPTION, abi.Option, {}, page).result).toBe('EFAULT')
    expect(mode()).toBe(1n)
  })
})
