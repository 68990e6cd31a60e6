// SPDX-License-Identifier: MIT
import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import * as abi from './index.ts'

const repository = new URL('../../../', import.meta.url).pathname

test('layouts.gen.ts is what the generator writes', () => {
  execFileSync('node', ['scripts/generate-abi.mjs', '--check'], { cwd: repository })
})

interface Encodable {
  encode(view: DataView, offset: number): void
}

interface Struct {
  new (): Encodable
  readonly name: string
  readonly SIZE: number
  decode(view: DataView, offset: number, into: Encodable): Encodable
}

function isStruct(value: unknown): value is Struct {
  return typeof value === 'function' && 'SIZE' in value
}

/** Members of the test command's union leave holes. */
const STRUCTS = Object.values<unknown>({ ...abi })
  .filter(isStruct)
  .filter(({ name }) => !name.startsWith('TestCmd'))

describe('a generated struct', () => {
  test('has the bytes of the record in spec/03 §3.1', () => {
    const fault = new abi.HwptPgfault()
    Object.assign(fault, { flags: 1, dev_id: 2, pasid: 3, grpid: 4, perm: 5, length: 8, cookie: 9 })
    abi.setU64(fault, 'addr', 0x1122334455667788n)
    const view = new DataView(new ArrayBuffer(abi.HwptPgfault.SIZE + 4))
    fault.encode(view, 4)
    const words = [0, 4, 8, 12, 16, 20, 24, 28, 32, 36].map((offset) => view.getUint32(4 + offset, true))
    expect(words).toEqual([1, 2, 3, 4, 5, 0, 0x55667788, 0x11223344, 8, 9])
    expect(abi.HwptPgfault.decode(view, 4, new abi.HwptPgfault())).toEqual(fault)
  })

  test.each(STRUCTS)('$name gives back every byte that it read', (struct) => {
    const bytes = Uint8Array.from({ length: struct.SIZE }, (_, index) => (index * 37 + 11) & 255)
    const copy = new Uint8Array(struct.SIZE)
    struct.decode(new DataView(bytes.buffer), 0, new struct()).encode(new DataView(copy.buffer), 0)
    expect(copy).toEqual(bytes)
  })

  test('keeps 64-bit fields exact through the bigint edge', () => {
    const map = new abi.IoasMap()
    for (const value of [0n, 1n, 0xffff_ffffn, 2n ** 32n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
      abi.setU64(map, 'iova', value)
      expect(abi.getU64(map, 'iova')).toBe(value)
    }
  })
})

test('ioctl numbers are 0x3b00 and the row’s number (spec/03 §1)', () => {
  expect([abi.IOMMU_DESTROY, abi.IOMMU_IOAS_MAP, abi.IOMMU_FAULT_QUEUE_ALLOC, abi.IOMMU_TEST_CMD]).toEqual([
    0x3b80, 0x3b85, 0x3b8e, 0x3ba0,
  ])
})

test('answers and records pass as bytes', () => {
  expect([...abi.encodeResponses([{ cookie: 258, code: 1 }])]).toEqual([2, 1, 0, 0, 1, 0, 0, 0])
  const bytes = new Uint8Array(90)
  bytes[36] = 7
  bytes[76] = 8
  expect(abi.decodeFaults(bytes).map((record) => record.cookie)).toEqual([7, 8])
  expect(abi.decodeFaults(bytes, 40)).toHaveLength(1)
})
