// SPDX-License-Identifier: MIT
// Every expected value was observed on 7.2.13.
import { beforeEach, describe, expect, test } from 'vitest'
import type { Process } from '../process.ts'
import {
  MADV_DOFORK,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_WILLNEED,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  O_RDONLY,
  PROT_GROWSDOWN,
  PROT_GROWSUP,
} from './constants.ts'
import { A, outcome, PAGE, ProcessRig, peekByte, pokeByte, READ, RW, SHARED } from './process-rig.suite.ts'

let rig: ProcessRig
let process: Process

beforeEach(() => {
  rig = new ProcessRig()
  process = rig.process
})

describe('munmap', () => {
  test.each<[string, bigint, bigint | number, string]>([
    ['not a page', A + 1n, 4096, 'EINVAL'],
    ['length 0', A, 0, 'EINVAL'],
    ['a hole', 0x3000_0000n, 4096, 'ok'],
    ['past the end', 0x7fff_ffff_f000n, 4096, 'EINVAL'],
    ['up to the end', 0x7fff_ffff_e000n, 4096, 'ok'],
    ['across the end', 0x7fff_ffff_e000n, 8192, 'EINVAL'],
    ['length 2^64-1', A, -1, 'EINVAL'],
    ['length 2^64-4096', A, -4096, 'EINVAL'],
    ['kernel', 0xffff_8000_0000_0000n, 4096, 'EINVAL'],
    ['1 byte', A, 1, 'ok'],
  ])('%s', (_row, address, length, expected) => {
    rig.fixed(4)
    expect(outcome(() => process.munmap(address, length))).toBe(expected)
  })
})

describe('mprotect', () => {
  test.each<[string, bigint, bigint | number, number, string]>([
    ['not a page', A + 1n, 4096, RW, 'EINVAL'],
    ['length 0 in a hole, unknown bits', 0x3000_0000n, 0, 0x80, 'ok'],
    ['unknown bits', A, 4096, 0x80, 'EINVAL'],
    ['unknown bits in a hole', 0x3000_0000n, 4096, 0x80, 'EINVAL'],
    ['PROT_SEM', A, 4096, 8 | RW, 'ok'],
    ['grows down', A, 4096, RW | PROT_GROWSDOWN, 'EINVAL'],
    ['grows both ways', A, 4096, RW | PROT_GROWSDOWN | PROT_GROWSUP, 'EINVAL'],
    ['a hole', 0x3000_0000n, 4096, RW, 'ENOMEM'],
    ['length 2^64-1', A, -1, RW, 'ENOMEM'],
    ['length 2^64-8192', A, -8192, RW, 'ENOMEM'],
    ['past the end', 0x7fff_ffff_f000n, 4096, RW, 'ENOMEM'],
    ['kernel', 0xffff_8000_0000_0000n, 4096, RW, 'ENOMEM'],
  ])('%s', (_row, address, length, prot, expected) => {
    rig.fixed(4)
    expect(outcome(() => process.mprotect(address, length, prot))).toBe(expected)
  })

  test('changes what lies below the hole', () => {
    rig.fixed(8)
    process.munmap(A + 4n * PAGE, 4096)
    expect(outcome(() => process.mprotect(A, 8 * 4096, READ))).toBe('ENOMEM')
    expect(pokeByte(process, A, 1)).toBe('EFAULT')
    expect(pokeByte(process, A + 5n * PAGE, 1)).toBe('ok')
    expect(outcome(() => process.mprotect(A + 4n * PAGE, 8192, READ))).toBe('ENOMEM')
    expect(pokeByte(process, A + 5n * PAGE, 1)).toBe('ok')
  })

  test('changes what lies below the area that refuses', () => {
    const fd = process.open(`/proc/self/fd/${rig.memfd(4096)}`, O_RDONLY)
    rig.fixed(4)
    const flags = MAP_SHARED | MAP_FIXED
    process.mmap({ address: A + 2n * PAGE, length: 4096, prot: READ, flags, fd })
    process.mprotect(A, 8192, 0)
    expect(outcome(() => process.mprotect(A, 4 * 4096, RW))).toBe('EACCES')
    expect(pokeByte(process, A, 1)).toBe('ok')
  })
})

describe('madvise', () => {
  test.each<[string, bigint, bigint | number, number, string]>([
    ['not a page', A + 1n, 4096, 4, 'EINVAL'],
    ['length 0', A, 0, 4, 'ok'],
    ['length 0, not a page', A + 1n, 0, 4, 'EINVAL'],
    ['unknown advice', A, 4096, 77, 'EINVAL'],
    ['length 2^64-1', A, -1, 4, 'EINVAL'],
    ['length 2^64-8192', A, -8192, 4, 'EINVAL'],
    ['a hole', 0x3000_0000n, 4096, 4, 'ENOMEM'],
    ['past the end', 0x7fff_ffff_f000n, 2n ** 40n, 4, 'ENOMEM'],
    ['kernel', 0xffff_8000_0000_0000n, 4096, 4, 'ENOMEM'],
    ['normal', A, 4096, 0, 'ok'],
    ['normal, a hole', 0x3000_0000n, 4096, 0, 'ENOMEM'],
    ['random', A, 4096, 1, 'ok'],
    ['sequential', A, 4096, 2, 'ok'],
    ['will need, anonymous, no swap', A, 4096, MADV_WILLNEED, 'EBADF'],
    ['do fork', A, 4096, MADV_DOFORK, 'ok'],
  ])('%s', (_row, address, length, advice, expected) => {
    rig.fixed(4)
    expect(outcome(() => process.madvise(address, length, advice))).toBe(expected)
  })

  test('drops what lies on both sides of a hole', () => {
    rig.fixed(4)
    for (const page of [0n, 3n]) pokeByte(process, A + page * PAGE, 5)
    process.munmap(A + 2n * PAGE, 4096)
    expect(outcome(() => process.madvise(A, 4 * 4096, MADV_DONTNEED))).toBe('ENOMEM')
    expect([peekByte(process, A), peekByte(process, A + 3n * PAGE)]).toEqual([0, 0])
  })

  test('keeps the pages of what is shared, and gives a private one its file back', () => {
    const fd = rig.memfd(4096)
    const shared = rig.map(4096, RW, MAP_SHARED, fd)
    const own = rig.map(4096, RW, MAP_PRIVATE, fd)
    const anonymous = rig.map(4096, RW, SHARED)
    pokeByte(process, shared, 3)
    pokeByte(process, own, 4)
    pokeByte(process, anonymous, 6)
    for (const address of [shared, own, anonymous]) process.madvise(address, 4096, MADV_DONTNEED)
    expect([shared, own, anonymous].map((address) => peekByte(process, address))).toEqual([3, 3, 6])
  })

  test('DONTFORK keeps an area from children, part of one too', () => {
    rig.fixed(3)
    process.madvise(A + PAGE, 4096, MADV_DONTFORK)
    const child = process.fork()
    expect([0n, 1n, 2n].map((page) => peekByte(child, A + page * PAGE))).toEqual([0, 'EFAULT', 0])
    process.madvise(A, 3 * 4096, MADV_DOFORK)
    expect(peekByte(process.fork(), A + PAGE)).toBe(0)
  })
})
