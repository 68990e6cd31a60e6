// SPDX-License-Identifier: MIT
import { beforeEach, expect, test } from 'vitest'
import { RESERVED_RESERVED } from '../../kernel/iommu/driver.ts'
import { contextOf } from '../context-file.ts'
import { FakeMachine, codeOf } from '../fake-machine.suite.ts'
import type { Iommufd } from '../iommufd.ts'
import { getIoas } from '../objects/lookup.ts'
import { PagedMemory } from '../paged-memory.suite.ts'

const ARG = 0x10000000n

let memory: PagedMemory
let machine: FakeMachine
let iommufd: Iommufd

beforeEach(() => {
  memory = new PagedMemory()
  memory.map(ARG)
  const reservedRegions = [0x2000, 0x3000].map((page) => ({
    firstPage: page,
    lastPage: page,
    kind: RESERVED_RESERVED,
  }))
  machine = new FakeMachine({ process: { memory }, devices: [{}, { reservedRegions }] })
  machine.iommu.aperture = { firstPage: 0x1000, lastPage: 0x7ffff }
  iommufd = machine.open()
})

/** Makes the IOAS that VFIO works on; `attach`: devices attached to it. */
function open(...attach: string[]): void {
  const ioas = iommufd.allocIoas()
  const context = contextOf(machine.process, iommufd.fd)
  context.vfioIoas = getIoas(context, ioas.id)
  for (const name of attach) iommufd.bind(name).attach(ioas)
}

const info = (at: bigint = ARG): string => codeOf(() => machine.process.ioctl(iommufd.fd, 0x3b70, at))

/** What a call with `argsz` leaves in memory of 0xcc: hexadecimal, in groups of eight bytes, as far as it wrote. */
function answer(argsz: number): string {
  const bytes = new Uint8Array(256).fill(0xcc)
  new DataView(bytes.buffer).setUint32(0, argsz, true)
  memory.poke(ARG, bytes)
  const code = info()
  if (code !== 'ok') return code
  const after = memory.peek(ARG, 256)
  const end = after.findLastIndex((byte) => byte !== 0xcc) + 1
  const hex = [...after.subarray(0, end)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/.{16}(?=.)/g, '$& ')
}

const ALL = '00f0ffffffffffff'
const AVAIL = '0300010000000000 ffffffff'
const CHAIN = '0300010028000000 ffffffff'

test('the answer grows with argsz (observed on 7.2.13)', () => {
  open()
  for (let argsz = 0; argsz < 16; argsz++) expect(answer(argsz)).toBe('EINVAL')
  expect(answer(16)).toBe(`4800000003000000 ${ALL}`)
  for (let argsz = 17; argsz <= 24; argsz++)
    expect(answer(argsz)).toBe(`4800000003000000 ${ALL} ${'00'.repeat(argsz - 16)}`)
  const none = `4800000003000000 ${ALL} 0000000000000000`
  for (let argsz = 25; argsz < 36; argsz++) expect(answer(argsz)).toBe(none)
  for (let argsz = 36; argsz < 40; argsz++) expect(answer(argsz)).toBe(`${none} ${AVAIL}`)
  for (let argsz = 40; argsz < 72; argsz++) expect(answer(argsz)).toBe(`${none} ${CHAIN}`)
  for (const argsz of [72, 73, 90, 0xffffffff])
    expect(answer(argsz)).toBe(
      `4800000003000000 ${ALL} 1800000000000000 ${CHAIN}cccccccc 0100010000000000 0100000000000000 0000000000000000 ffffffffffffffff`,
    )
})

test('each range is written that fits, the header with all of them (observed on 7.2.13)', () => {
  open('dev0', 'dev1')
  const none = '6800000003000000 0010000000000000 0000000000000000'
  const gap = 'cccccccc cccccccccccccccc cccccccccccccccc'
  const ranges = [
    '0000000100000000 ffffff0100000000',
    '0010000200000000 ffffff0200000000',
    '0010000300000000 ffffff7f00000000',
  ]
  expect(answer(71)).toBe(`${none} ${CHAIN}`)
  expect(answer(72)).toBe(`${none} ${CHAIN}${gap} ${ranges[0]}`)
  expect(answer(88)).toBe(`${none} ${CHAIN}${gap} ${ranges[0]} ${ranges[1]}`)
  expect(answer(103)).toBe(`${none} ${CHAIN}${gap} ${ranges[0]} ${ranges[1]}`)
  expect(answer(104)).toBe(
    `6800000003000000 0010000000000000 1800000000000000 ${CHAIN}cccccccc 0100010000000000 0300000000000000 ${ranges.join(' ')}`,
  )
})

test('no range at all is a header alone (observed on 7.2.13)', () => {
  open()
  const context = contextOf(machine.process, iommufd.fd)
  context.vfioIoas?.reserved.add(0, 0, -1, -1, undefined)
  expect(answer(55)).toBe(`3800000003000000 ${ALL} 0000000000000000 ${CHAIN}`)
  expect(answer(56)).toBe(
    `3800000003000000 ${ALL} 1800000000000000 ${CHAIN}cccccccc 0100010000000000 0000000000000000`,
  )
})

test('page sizes are those of every domain, from 4 KiB on', () => {
  open('dev0')
  expect(answer(16)).toBe('4800000003000000 0010000000000000')
})

test('the chain goes out before the information; what memory takes is there (observed on 7.2.13)', () => {
  open()
  for (let room = 16; room < 72; room += 4) {
    const bytes = new Uint8Array(room).fill(0xcc)
    bytes.set([72, 0, 0, 0])
    const at = ARG + 4096n - BigInt(room)
    memory.poke(at, bytes)
    expect(info(at)).toBe('EFAULT')
    const after = memory.peek(at, room)
    expect([...after.subarray(4, Math.min(room, 24))].every((byte) => byte === 0xcc)).toBe(true)
    if (room > 36) expect([...after.subarray(24, 36)]).toEqual([3, 0, 1, 0, 0, 0, 0, 0, 255, 255, 255, 255])
    if (room > 40)
      expect([...after.subarray(36, Math.min(room, 56))].every((byte) => byte === 0xcc)).toBe(true)
  }
})

test('reads 16 bytes, then looks at argsz, then at the IOAS', () => {
  expect(info(0n)).toBe('EFAULT')
  memory.poke(ARG + 4096n - 15n, new Uint8Array(15))
  expect(info(ARG + 4096n - 15n)).toBe('EFAULT')
  memory.poke(ARG, Uint8Array.of(15))
  expect(info()).toBe('EINVAL')
  memory.poke(ARG, Uint8Array.of(16))
  expect(info()).toBe('ENODEV')
  open()
  memory.protect(ARG)
  expect(info()).toBe('EFAULT')
})
