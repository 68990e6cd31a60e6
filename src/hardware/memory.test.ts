// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { BrokenInvariant } from '../base/assert.ts'
import { type FrameBacking, PhysicalMemory } from './memory.ts'

const MIB = 1 << 20

/** Frames in an array of their own; frame 1 refuses everything. */
class ArrayBacking implements FrameBacking {
  readonly bytes: Uint8Array = new Uint8Array(4 * 4096)
  read(frame: number, offset: number, into: Uint8Array, at: number, length: number): boolean {
    const start = frame * 4096 + offset
    into.set(this.bytes.subarray(start, start + length), at)
    return frame !== 1
  }
  write(frame: number, offset: number, from: Uint8Array, at: number, length: number): boolean {
    if (frame === 1) return false
    this.bytes.set(from.subarray(at, at + length), frame * 4096 + offset)
    return true
  }
}

function pattern(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + (i >> 8)) & 0xff
}

function make(wasm: boolean): PhysicalMemory {
  return new PhysicalMemory({ bytes: MIB, wasm })
}

for (const wasm of [true, false]) {
  describe(`physical memory ${wasm ? 'on WebAssembly' : 'on an array'}`, () => {
    test('says what it is made of', () => {
      expect(make(wasm).kind).toBe(wasm ? 'wasm-shared' : 'array')
      expect(make(wasm).frames).toBe(256)
      expect(make(wasm).bytes.every((byte) => byte === 0)).toBe(true)
    })

    test('copies within a frame, across frames, and over itself', () => {
      const memory = make(wasm)
      pattern(memory.bytes)
      const before = memory.bytes.slice()
      for (const [to, toAt, from, fromAt, length] of [
        [10, 0, 20, 0, 4096],
        [10, 4000, 20, 96, 9000],
        [5, 1, 5, 0, 4095],
        [5, 0, 5, 1, 4095],
        [0, 0, 255, 4095, 1],
        [3, 0, 4, 0, 0],
      ] as const) {
        before.copyWithin(to * 4096 + toAt, from * 4096 + fromAt, from * 4096 + fromAt + length)
        expect(memory.copy(to, toAt, from, fromAt, length)).toBe(true)
        expect(Buffer.compare(memory.bytes.slice(), before)).toBe(0)
      }
    })

    test('fills and zeroes', () => {
      const memory = make(wasm)
      expect(memory.fill(7, 100, 8000, 0xab)).toBe(true)
      expect([memory.bytes[7 * 4096 + 99], memory.bytes[7 * 4096 + 100]]).toEqual([0, 0xab])
      expect([memory.bytes[7 * 4096 + 8099], memory.bytes[7 * 4096 + 8100]]).toEqual([0xab, 0])
      expect(memory.zero(8)).toBe(true)
      expect(memory.bytes.subarray(8 * 4096, 9 * 4096).every((byte) => byte === 0)).toBe(true)
      expect(memory.bytes[8 * 4096 - 1]).toBe(0xab)
    })

    test('loads and stores little-endian words', () => {
      const memory = make(wasm)
      memory.store64(3, 8, 0x11223344, 0x55667788)
      expect(memory.bytes[3 * 4096 + 8]).toBe(0x88)
      expect(memory.load32(3, 12)).toBe(0x11223344)
      memory.load64(3, 8)
      expect([memory.loadedHi, memory.loadedLo]).toEqual([0x11223344, 0x55667788])
    })

    test('answers accesses to nothing with ones and a count', () => {
      const memory = make(wasm)
      expect(memory.load32(256, 0)).toBe(-1)
      memory.store32(-1, 0, 5)
      expect(memory.zero(256)).toBe(false)
      expect(memory.copy(256, 0, 1, 0, 4096)).toBe(false)
      expect(memory.copy(1, 0, 256, 0, 4096)).toBe(false)
      expect(memory.copy(255, 4095, 1, 0, 2)).toBe(false)
      expect(memory.read(2 ** 31, 0, new Uint8Array(8), 0, 8)).toBe(false)
      expect(memory.write(400, 0, new Uint8Array(80), 0, 80)).toBe(false)
      expect(memory.busErrors).toBe(8)
      expect([memory.exists(255), memory.exists(256)]).toEqual([true, false])
    })

    test('moves bytes to and from a buffer of ours, short and long', () => {
      const memory = make(wasm)
      for (const length of [1, 64, 65, 4096, 10_000]) {
        const from = new Uint8Array(length + 3)
        pattern(from)
        expect(memory.write(9, 5, from, 3, length)).toBe(true)
        const into = new Uint8Array(length + 2)
        expect(memory.read(9, 5, into, 2, length)).toBe(true)
        expect(into.subarray(2)).toEqual(from.subarray(3))
      }
    })

    test('reaches frames with a backing, one frame at a time', () => {
      const memory = make(wasm)
      const backing = new ArrayBacking()
      memory.addBacking(1000, 4, backing)
      pattern(memory.bytes)
      expect([memory.exists(1003), memory.exists(1004), memory.isRam(1000)]).toEqual([true, false, false])
      expect(memory.copy(1000, 16, 2, 0, 64)).toBe(true)
      expect(backing.bytes.slice(16, 80)).toEqual(memory.bytes.slice(8192, 8256))
      expect(memory.copy(1002, 0, 1000, 16, 64)).toBe(true)
      expect(memory.copy(50, 4000, 1002, 0, 64)).toBe(true)
      expect(memory.bytes.slice(50 * 4096 + 4000, 50 * 4096 + 4064)).toEqual(memory.bytes.slice(8192, 8256))
      memory.store32(1003, 4, 0x01020304)
      expect(memory.load32(1003, 4)).toBe(0x01020304)
      expect(memory.fill(1003, 0, 4096, 3)).toBe(true)
      expect(memory.load32(1003, 4)).toBe(0x03030303)
      expect(memory.copy(1000, 4090, 2, 0, 64)).toBe(false)
      expect(memory.copy(2, 0, 1000, 4090, 64)).toBe(false)
      expect(memory.busErrors).toBe(2)
    })

    test('reports what a backing refuses', () => {
      const memory = make(wasm)
      memory.addBacking(1000, 4, new ArrayBacking())
      expect(memory.zero(1001)).toBe(false)
      expect(memory.load32(1001, 0)).toBe(-1)
      expect(memory.busErrors).toBe(2)
    })

    test('takes a backing away', () => {
      const memory = make(wasm)
      const backing = new ArrayBacking()
      memory.addBacking(1000, 4, backing)
      memory.removeBacking(backing)
      expect(memory.exists(1000)).toBe(false)
    })
  })
}

test('a backing must not overlap RAM or another one', () => {
  const memory = new PhysicalMemory({ bytes: MIB })
  memory.addBacking(1000, 4, new ArrayBacking())
  for (const first of [255, 999, 1003]) {
    expect(() => memory.addBacking(first, 2, new ArrayBacking())).toThrow(BrokenInvariant)
  }
})

test('sizes that are no frames are refused', () => {
  for (const bytes of [0, -4096, 100, 4097, 2 ** 32 + 4096, Number.NaN]) {
    expect(() => new PhysicalMemory({ bytes })).toThrow(BrokenInvariant)
  }
})

test('the highest frame of 4 GiB is reached', () => {
  const memory = new PhysicalMemory({ bytes: 2 ** 32 })
  const last = memory.frames - 1
  memory.store32(last, 4092, 0x12345678)
  expect(memory.copy(last, 0, last, 4092, 4)).toBe(true)
  expect(memory.load32(last, 0)).toBe(0x12345678)
  expect(memory.fill(last, 0, 4096, 1)).toBe(true)
  expect(memory.bytes[2 ** 32 - 1]).toBe(1)
})
