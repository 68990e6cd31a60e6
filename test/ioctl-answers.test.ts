// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, test } from 'vitest'
import * as abi from '../src/iommufd/abi/index.ts'
import { isErrno } from '../src/base/errno.ts'
import { PROT_READ, PROT_WRITE } from '../src/kernel/mm/prot.ts'
import { createMachine } from '../src/machine/machine.ts'
import type { Process } from '../src/iommufd/process.ts'

// What comes back of every command, and when: each with its struct in memory that cannot be written, as observed on 7.2.13.

const TWO_PAGES = 0x1000_0000n
const MEMORY = 0x2000_0000n
const IOVA = 0x100_0000n
const MAP_PRIVATE_FIXED_ANONYMOUS = 0x32

let process: Process
let fd: number
/** Objects of `setUp`: an IOAS with 16 pages mapped, a mock device, page tables of every kind, a vIOMMU. */
const IOAS = 1
const DEVICE = 3
const PARENT = 5
const DIRTY = 6
const NESTED = 7
const VIOMMU = 8
const NEXT = 9

type Fields = Readonly<Record<string, number | bigint>>

/** A struct as bytes: values by 32-bit word, `bigint` for two of them. */
function bytesOf(size: number, words: Readonly<Record<number, number | bigint>>): Uint8Array {
  const view = new DataView(new ArrayBuffer(size))
  view.setUint32(0, size, true)
  for (const [offset, value] of Object.entries(words)) {
    if (typeof value === 'bigint') view.setBigUint64(Number(offset), value, true)
    else view.setUint32(Number(offset), value, true)
  }
  return new Uint8Array(view.buffer)
}

function call(number: number, address: bigint): string {
  try {
    process.ioctl(fd, number, address)
    return 'ok'
  } catch (thrown) {
    if (isErrno(thrown)) return thrown.code
    throw thrown
  }
}

function ioctl(number: number, size: number, words: Fields): Uint8Array {
  process.poke(TWO_PAGES, bytesOf(size, words))
  expect(call(number, TWO_PAGES)).toBe('ok')
  const bytes = new Uint8Array(size)
  process.peek(TWO_PAGES, bytes)
  return bytes
}

function setUp(): void {
  const machine = createMachine({ iommus: [{ name: 'mock0', model: 'mock' }], devices: [] })
  process = machine.process({ capIpcLock: true, capSysResource: true })
  const prot = PROT_READ | PROT_WRITE
  process.mmap({ address: TWO_PAGES, length: 0x2000, prot, flags: MAP_PRIVATE_FIXED_ANONYMOUS })
  process.mmap({ address: MEMORY, length: 0x10000, prot, flags: MAP_PRIVATE_FIXED_ANONYMOUS })
  fd = process.open('/dev/iommu')
  ioctl(0x3b81, 12, {})
  ioctl(0x3b85, 40, { 4: 7, 8: IOAS, 16: MEMORY, 24: 0x10000n, 32: IOVA })
  ioctl(0x3ba0, 72, { 4: 12, 8: IOAS })
  ioctl(0x3b89, 48, { 4: 1, 8: DEVICE, 12: IOAS })
  ioctl(0x3b89, 48, { 4: 2, 8: DEVICE, 12: IOAS })
  process.poke(MEMORY, bytesOf(8, { 0: 1 }))
  ioctl(0x3b89, 48, { 8: DEVICE, 12: PARENT, 24: 0xdead, 28: 8, 32: MEMORY })
  ioctl(0x3b90, 40, { 8: 0xdeadbeef, 12: DEVICE, 16: PARENT })
}

interface Example {
  readonly name: string
  readonly number: number
  readonly size: number
  readonly words: Readonly<Record<number, number | bigint>>
  /** The errno when all can be written; left out: none. */
  readonly code?: string
  /** First and last 32-bit word that is written; left out: none is. */
  readonly answer?: readonly [first: number, last: number]
  readonly prepare?: () => void
}

const INVALIDATE = { 8: MEMORY, 16: 0xdeadbeef, 20: 8, 24: 2 }

const EXAMPLES: readonly Example[] = [
  { name: 'DESTROY', number: 0x3b80, size: 8, words: { 4: VIOMMU } },
  { name: 'IOAS_ALLOC', number: 0x3b81, size: 12, words: {}, answer: [0, 2] },
  { name: 'IOAS_ALLOW_IOVAS', number: 0x3b82, size: 24, words: { 4: IOAS } },
  {
    name: 'IOAS_COPY',
    number: 0x3b83,
    size: 40,
    words: { 4: 6, 8: IOAS, 12: IOAS, 16: 0x1000n, 32: IOVA },
    answer: [0, 9],
  },
  {
    name: 'IOAS_COPY that fails',
    number: 0x3b83,
    size: 40,
    words: { 4: 7, 8: IOAS, 12: IOAS, 16: 0x1000n, 24: IOVA, 32: IOVA },
    code: 'EEXIST',
  },
  { name: 'IOVA_RANGES', number: 0x3b84, size: 32, words: { 4: IOAS, 8: 8, 16: MEMORY }, answer: [0, 7] },
  {
    name: 'IOVA_RANGES without room',
    number: 0x3b84,
    size: 32,
    words: { 4: IOAS, 16: MEMORY },
    code: 'EMSGSIZE',
    answer: [0, 7],
  },
  {
    name: 'MAP',
    number: 0x3b85,
    size: 40,
    words: { 4: 7, 8: IOAS, 16: MEMORY, 24: 0x1000n, 32: 0x2000000n },
    answer: [0, 9],
  },
  { name: 'UNMAP', number: 0x3b86, size: 24, words: { 4: IOAS, 8: IOVA, 16: 0x10000n }, answer: [0, 5] },
  {
    name: 'UNMAP of a part',
    number: 0x3b86,
    size: 24,
    words: { 4: IOAS, 8: IOVA, 16: 0x1000n },
    code: 'ENOENT',
  },
  {
    name: 'OPTION, huge pages told',
    number: 0x3b87,
    size: 24,
    words: { 4: 1, 8: 1, 12: IOAS },
    answer: [4, 5],
  },
  {
    name: 'OPTION, huge pages set',
    number: 0x3b87,
    size: 24,
    words: { 4: 1, 12: IOAS, 16: 1n },
    answer: [4, 5],
  },
  { name: 'OPTION, limit mode told', number: 0x3b87, size: 24, words: { 8: 1 }, answer: [4, 5] },
  { name: 'OPTION, limit mode set too late', number: 0x3b87, size: 24, words: { 16: 1n }, code: 'EBUSY' },
  {
    name: 'VFIO_IOAS told',
    number: 0x3b88,
    size: 12,
    words: {},
    answer: [0, 2],
    prepare: () => ioctl(0x3b88, 12, { 4: IOAS, 8: 1 }),
  },
  { name: 'VFIO_IOAS set', number: 0x3b88, size: 12, words: { 4: IOAS, 8: 1 } },
  { name: 'VFIO_IOAS cleared', number: 0x3b88, size: 12, words: { 8: 2 } },
  { name: 'HWPT_ALLOC', number: 0x3b89, size: 48, words: { 8: DEVICE, 12: IOAS }, answer: [0, 11] },
  {
    name: 'HWPT_ALLOC without its fault queue',
    number: 0x3b89,
    size: 48,
    words: { 4: 4, 8: DEVICE, 12: IOAS, 40: 99 },
    code: 'ENOENT',
  },
  { name: 'GET_HW_INFO', number: 0x3b8a, size: 40, words: { 8: DEVICE }, answer: [0, 9] },
  { name: 'SET_DIRTY_TRACKING', number: 0x3b8b, size: 16, words: { 4: 1, 8: DIRTY } },
  {
    name: 'GET_DIRTY_BITMAP',
    number: 0x3b8c,
    size: 48,
    words: { 4: DIRTY, 16: IOVA, 24: 0x1000n, 32: 0x1000n, 40: MEMORY },
  },
  {
    name: 'INVALIDATE',
    number: 0x3b8d,
    size: 32,
    words: { 4: NESTED, ...INVALIDATE, 8: MEMORY + 0x100n },
    answer: [0, 7],
  },
  {
    name: 'INVALIDATE, the second bad',
    number: 0x3b8d,
    size: 32,
    words: { 4: NESTED, ...INVALIDATE },
    code: 'EINVAL',
    answer: [0, 7],
    prepare: () => process.poke(MEMORY, bytesOf(16, { 0: 0, 12: 99 })),
  },
  {
    name: 'INVALIDATE of nothing',
    number: 0x3b8d,
    size: 32,
    words: { 4: 999, ...INVALIDATE },
    code: 'ENOENT',
    answer: [0, 7],
  },
  {
    name: 'INVALIDATE, reserved',
    number: 0x3b8d,
    size: 32,
    words: { 4: NESTED, ...INVALIDATE, 28: 1 },
    code: 'EOPNOTSUPP',
    answer: [0, 7],
  },
  {
    name: 'INVALIDATE without entries in memory',
    number: 0x3b8d,
    size: 32,
    words: { 4: NESTED, ...INVALIDATE, 8: 0n },
    code: 'EINVAL',
    answer: [0, 7],
  },
  {
    name: 'INVALIDATE of an IOAS',
    number: 0x3b8d,
    size: 32,
    words: { 4: IOAS, ...INVALIDATE },
    code: 'EINVAL',
    answer: [0, 7],
  },
  { name: 'FAULT_QUEUE_ALLOC', number: 0x3b8e, size: 16, words: {}, answer: [0, 3] },
  {
    name: 'IOAS_MAP_FILE',
    number: 0x3b8f,
    size: 40,
    words: { 4: 7, 8: IOAS, 12: 1, 24: 0x1000n, 32: 0x2000000n },
    answer: [0, 9],
    prepare: () => process.ftruncate(process.memfdCreate(), 4096),
  },
  {
    name: 'VIOMMU_ALLOC',
    number: 0x3b90,
    size: 40,
    words: { 8: 0xdeadbeef, 12: DEVICE, 16: PARENT },
    answer: [0, 9],
  },
  {
    name: 'VDEVICE_ALLOC',
    number: 0x3b91,
    size: 24,
    words: { 4: VIOMMU, 8: DEVICE, 16: 7n },
    answer: [0, 5],
  },
  {
    name: 'CHANGE_PROCESS',
    number: 0x3b92,
    size: 8,
    words: {},
    prepare: () => ioctl(0x3b86, 24, { 4: IOAS, 16: 2n ** 64n - 1n }),
  },
  {
    name: 'VEVENTQ_ALLOC',
    number: 0x3b93,
    size: 32,
    words: { 8: VIOMMU, 12: 0xbeefbeef, 16: 4 },
    answer: [0, 7],
  },
  {
    name: 'HW_QUEUE_ALLOC',
    number: 0x3b94,
    size: 40,
    words: { 8: VIOMMU, 12: 0xdeadbeef, 24: IOVA, 32: 0x1000n },
    answer: [0, 9],
  },
  { name: 'TEST_CMD, a mock device', number: 0x3ba0, size: 72, words: { 4: 2, 8: IOAS }, answer: [0, 17] },
  {
    name: 'TEST_CMD, the device’s cache',
    number: 0x3ba0,
    size: 72,
    words: { 4: 16, 8: DEVICE, 20: 0xbaddad },
  },
  {
    name: 'TEST_CMD, a reserved range',
    number: 0x3ba0,
    size: 72,
    words: { 4: 1, 8: IOAS, 16: 0x3000000n, 24: 0x1000n },
  },
]

beforeEach(setUp)

describe.each(EXAMPLES)('$name', ({ number, size, words, code = 'ok', answer, prepare }) => {
  /** The call with the struct's first `before` bytes in the first page; one of both pages cannot be written. */
  function callProtected(before: number, page: bigint): string {
    setUp()
    prepare?.()
    const address = TWO_PAGES + 4096n - BigInt(before)
    process.poke(address, bytesOf(size, words))
    process.mprotect(page, 4096, PROT_READ)
    return call(number, address)
  }

  test(answer === undefined ? 'writes nothing' : `writes words ${answer[0]} to ${answer[1]}`, () => {
    expect(callProtected(size, TWO_PAGES + 4096n)).toBe(code)
    for (let word = 1; word < size / 4; word++) {
      const inFirst = answer !== undefined && word > answer[0]
      const inSecond = answer !== undefined && word <= answer[1]
      expect(callProtected(word * 4, TWO_PAGES), `word ${word}, first page`).toBe(inFirst ? 'EFAULT' : code)
      expect(callProtected(word * 4, TWO_PAGES + 4096n), `word ${word}, second page`).toBe(
        inSecond ? 'EFAULT' : code,
      )
    }
  })

  test('makes no object when the answer cannot be written', () => {
    const expected = answer === undefined ? code : 'EFAULT'
    expect(callProtected(size, TWO_PAGES)).toBe(expected)
    process.mprotect(TWO_PAGES, 4096, PROT_READ | PROT_WRITE)
    if (number === abi.IOMMU_DESTROY) return
    const view = new DataView(ioctl(0x3b81, 12, {}).buffer)
    expect(view.getUint32(8, true)).toBe(NEXT)
  })
})
