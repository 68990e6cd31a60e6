// SPDX-License-Identifier: MIT
import { expect, test } from 'vitest'
import { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE } from '../../pci/messages.ts'
import { Rig, RW } from '../conformance-rig.suite.ts'
import { WALK_NO_PERMISSION, WALK_OK } from '../walker.ts'
import { MOCK } from './mock.ts'
import { X86_64_4_LEVEL, X86_64_5_LEVEL } from './x86-64.ts'

/** The entry of a level as two unsigned words, high first. */
function entry(rig: Rig, address: bigint, level: number): string {
  const word = rig.word(address, level)
  const { words } = rig.memory
  return [words[word + 1]!, words[word]!].map((n) => (n >>> 0).toString(16).padStart(8, '0')).join('_')
}

test('x86-64 entries have the bits of the manual (spec/04 §1.6: P 0, RW 1, U 2, A 5, D 6, PS 7, XD 63)', () => {
  const rig = new Rig(X86_64_4_LEVEL)
  const at = 0x00007f1234567000n
  rig.map(at, 0x12345, 1, RW)
  expect(entry(rig, at, 0)).toBe('80000000_12345007')
  expect(entry(rig, at, 3)).toMatch(/^00000000_0000.007$/)
  rig.walk(at, ACCESS_READ)
  expect(entry(rig, at, 0)).toBe('80000000_12345027')
  expect(entry(rig, at, 3)).toMatch(/^00000000_0000.027$/)
  rig.walk(at, ACCESS_WRITE)
  expect(entry(rig, at, 0)).toBe('80000000_12345067')
  rig.map(at + 4096n, 0x7abcdef0, 1, ACCESS_READ | ACCESS_EXEC | ACCESS_PRIV)
  expect(entry(rig, at + 4096n, 0)).toBe('000007ab_cdef0001')
  rig.map(at + 0x200000n - 0x167000n, 0x400, 512, ACCESS_READ)
  expect(entry(rig, at + 0x200000n, 1)).toBe('80000000_00400085')
})

test('x86-64 has 4 KiB, 2 MiB and 1 GiB pages', () => {
  const rig = new Rig(X86_64_4_LEVEL)
  rig.map(rig.base, 0, 262144 + 512 + 1, RW)
  const shifts = [0n, 0x40000000n, 0x40200000n].map((at) => {
    expect(rig.walk(rig.base + at)).toBe(WALK_OK)
    return rig.out.shift
  })
  expect(shifts).toEqual([30, 21, 12])
})

test('x86-64 tables restrict what is below them', () => {
  for (const format of [X86_64_4_LEVEL, X86_64_5_LEVEL]) {
    for (let level = 1; level < format.levels; level++) {
      const rig = new Rig(format)
      rig.map(rig.base, 9, 1, RW | ACCESS_EXEC)
      const word = rig.word(rig.base, level)
      const { words } = rig.memory
      const pointer = words[word]!
      words[word] = pointer & ~0x2
      expect(rig.walk(rig.base, RW)).toBe(WALK_NO_PERMISSION)
      expect(rig.walk(rig.base)).toBe(WALK_OK)
      expect(rig.out.access).toBe(ACCESS_READ | ACCESS_EXEC)
      words[word + 1] = words[word + 1]! | 0x80000000
      expect(rig.walk(rig.base, ACCESS_READ | ACCESS_EXEC)).toBe(WALK_NO_PERMISSION)
      words[word] = pointer & ~0x6
      expect(rig.walk(rig.base)).toBe(WALK_NO_PERMISSION)
      expect(rig.walk(rig.base, ACCESS_READ | ACCESS_PRIV)).toBe(WALK_OK)
    }
  }
})

test('x86-64 large pages may have the PAT bit', () => {
  const rig = new Rig(X86_64_4_LEVEL)
  rig.map(rig.base, 512, 512, RW)
  const word = rig.word(rig.base, 1)
  rig.memory.words[word] = rig.memory.words[word]! | 0x1000
  expect(rig.walk(rig.base + 0x3000n)).toBe(WALK_OK)
  expect(rig.out.frame).toBe(515)
})

test('mock granules are 2 KiB, 512 a table, 3 levels, 38 bits (spec/03 §5.2)', () => {
  const rig = new Rig(MOCK)
  rig.table.mapGranules(0, 0x800, 3, 1, RW)
  expect(rig.walk(0x800n)).toBe(WALK_OK)
  expect([rig.out.frame, rig.walker.frameOffset, rig.out.shift]).toEqual([1, 2048, 11])
  expect(rig.table.tables).toBe(3)
  expect(rig.size(1)).toBe(1n << 20n)
  expect(rig.size(3)).toBe(1n << 38n)
})

test('mock dirty marks are per 2 KiB (spec/03 §5.2)', () => {
  const rig = new Rig(MOCK)
  rig.map(0n, 3, 1, RW)
  rig.walk(0x800n, ACCESS_WRITE)
  const found: [number, number][] = []
  rig.table.harvestDirty(0, 0, 1, true, { leaf: (_hi, lo, shift) => found.push([lo, shift]) })
  expect(found).toEqual([[0x800, 11]])
})
