// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { ARCH_I386, ARCH_X64, buildFilter } from './filter.ts'
import { TRAPPED_CALLS, type TrappedCall } from './trapped-calls.ts'

const ALLOW = 0x7fff0000
const NOTIFY = 0x7fc00000
const ENOSYS = 0x00050026
const FIRST = 960
const END = 1024
const program = buildFilter({ first: FIRST, end: END })

interface SystemCall {
  readonly arch?: number
  readonly number: number
  readonly values?: readonly bigint[]
}

/** Runs the filter as the kernel does (linux/filter.h: codes of classic BPF). */
function verdict({ arch = ARCH_X64, number, values = [] }: SystemCall): number {
  const data = new DataView(new ArrayBuffer(64))
  data.setUint32(0, number, true)
  data.setUint32(4, arch, true)
  values.forEach((value, index) => data.setBigUint64(16 + 8 * index, value, true))
  const code = new DataView(program.buffer)
  let a = 0
  let x = 0
  for (let at = 0; at < program.length; at += 8) {
    const value = code.getUint32(at + 4, true)
    const jump = (holds: boolean): void => {
      at += 8 * code.getUint8(at + (holds ? 2 : 3))
    }
    const operations: Record<number, () => void> = {
      0x20: () => (a = data.getUint32(value, true)),
      0x15: () => jump(a === value),
      0x35: () => jump(a >= value),
      0x54: () => (a = (a & value) >>> 0),
      0x34: () => (a = Math.floor(a / value)),
      0x24: () => (a = Math.imul(a, value) >>> 0),
      0x07: () => (x = a),
      0x1c: () => (a = (a - x) >>> 0),
    }
    const operation = code.getUint16(at, true)
    if (operation === 0x06) return value
    operations[operation]!()
  }
  return -1
}

const fcntl = (fd: bigint, command: bigint): number => verdict({ number: 72, values: [fd, command] })
const mmap = (flags: bigint): number => verdict({ number: 9, values: [0n, 4096n, 3n, flags, 3n, 0n] })
const read = (fd: number, count: bigint): number => verdict({ number: 0, values: [BigInt(fd), 0n, count] })

describe('the filter', () => {
  it('lets through what it does not know, and other architectures', () => {
    expect(verdict({ number: 39 })).toBe(ALLOW)
    expect(verdict({ number: 1000 })).toBe(ALLOW)
    expect(verdict({ arch: 0xc00000b7, number: 16, values: [3n, 0x3b80n] })).toBe(ALLOW)
  })

  it('leaves x32 to the kernel', () => {
    expect(verdict({ number: 0x40000000 + 257 })).toBe(ALLOW)
  })

  it.each(TRAPPED_CALLS.map((call: TrappedCall) => [call.name, call] as const))(
    'does what the row of %s says on both architectures',
    (_name, { x64, i386, when }) => {
      const expected = when === 'always' ? NOTIFY : when === 'refuse' ? ENOSYS : ALLOW
      if (x64 !== undefined) expect(verdict({ number: x64, values: [3n, 5n] })).toBe(expected)
      if (i386 !== undefined)
        expect(verdict({ arch: ARCH_I386, number: i386, values: [3n, 5n] })).toBe(expected)
    },
  )

  it('traps ioctls by their type', () => {
    expect(verdict({ number: 16, values: [3n, 0x3b80n] })).toBe(NOTIFY)
    expect(verdict({ number: 16, values: [3n, 0xc0103b64n] })).toBe(NOTIFY)
    expect(verdict({ number: 16, values: [3n, 0x541bn] })).toBe(NOTIFY)
    expect(verdict({ number: 16, values: [3n, 0x5401n] })).toBe(ALLOW)
    expect(verdict({ arch: ARCH_I386, number: 54, values: [3n, 0x3bffn] })).toBe(NOTIFY)
  })

  it('traps every ioctl, read and write on a reserved descriptor', () => {
    for (const fd of [FIRST, END - 1]) {
      expect(verdict({ number: 16, values: [BigInt(fd), 0x541bn] })).toBe(NOTIFY)
      expect(read(fd, 0n)).toBe(NOTIFY)
      expect(read(fd, 41n)).toBe(NOTIFY)
      for (const number of [1, 19, 20, 32, 327, 328])
        expect(verdict({ number, values: [BigInt(fd), 0n, 9n] })).toBe(NOTIFY)
    }
    for (const fd of [FIRST - 1, END]) {
      expect(verdict({ number: 1, values: [BigInt(fd), 0n, 9n] })).toBe(ALLOW)
      expect(read(fd, 41n)).toBe(ALLOW)
    }
  })

  it.each([
    [40n, NOTIFY],
    [80n, NOTIFY],
    [65520n, NOTIFY],
    [0n, ALLOW],
    [39n, ALLOW],
    [41n, ALLOW],
    [65560n, ALLOW],
    [2n ** 32n + 40n, ALLOW],
    [2n ** 64n - 40n, ALLOW],
  ])('of a read of %s bytes on any descriptor makes %s', (count, expected) => {
    expect(read(5, count)).toBe(expected)
  })

  it.each([
    [8n, NOTIFY],
    [504n, NOTIFY],
    [0n, ALLOW],
    [9n, ALLOW],
    [512n, ALLOW],
  ])('of a write of %s bytes on any descriptor makes %s', (count, expected) => {
    expect(verdict({ number: 1, values: [5n, 0n, count] })).toBe(expected)
  })

  it('traps fcntl where it duplicates a reserved descriptor, or asks for flags', () => {
    expect([fcntl(960n, 0n), fcntl(960n, 1030n), fcntl(3n, 3n)]).toEqual([NOTIFY, NOTIFY, NOTIFY])
    expect([fcntl(960n, 1n), fcntl(3n, 0n), fcntl(3n, 1030n)]).toEqual([ALLOW, ALLOW, ALLOW])
  })

  it('traps mmap of shared files only', () => {
    expect([mmap(1n), mmap(3n), mmap(0x11n)]).toEqual([NOTIFY, NOTIFY, NOTIFY])
    expect([mmap(2n), mmap(0x21n), mmap(0x22n), mmap(0x12n)]).toEqual([ALLOW, ALLOW, ALLOW, ALLOW])
  })

  it('traps pread and pwrite by the offset', () => {
    for (const number of [17, 18]) {
      const at = (offset: bigint): number => verdict({ number, values: [3n, 0n, 8n, offset] })
      expect([at(2n ** 40n), at(8n * 2n ** 40n + 4095n)]).toEqual([NOTIFY, NOTIFY])
      expect([at(0n), at(2n ** 40n - 1n), at(16n * 2n ** 40n), at(2n ** 64n - 1n)]).toEqual([
        ALLOW,
        ALLOW,
        ALLOW,
        ALLOW,
      ])
    }
  })

  it('is small', () => {
    expect(program.length / 8).toBeLessThan(128)
  })
})
