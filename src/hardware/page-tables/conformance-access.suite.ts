// SPDX-License-Identifier: MIT
import { expect } from 'vitest'
import { EADDRINUSE } from '../../base/errno.ts'
import { hiOf, loOf } from '../../base/u64.ts'
import { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE } from '../pci/messages.ts'
import { type Check, LeafLog, type Rig, RW } from './conformance-rig.suite.ts'
import {
  WALK_NO_PERMISSION,
  WALK_NOT_CANONICAL,
  WALK_NOT_PRESENT,
  WALK_OK,
  WALK_RESERVED_BITS,
  WALK_TABLE_ACCESS,
} from './walker.ts'

export function permissions(check: Check): void {
  check('lets no write through a read-only page', (rig) => {
    rig.map(rig.base, 5, 1, ACCESS_READ)
    expect(rig.walk(rig.base)).toBe(WALK_OK)
    expect(rig.out.access & RW).toBe(ACCESS_READ)
    expect(rig.walk(rig.base, RW)).toBe(WALK_NO_PERMISSION)
    expect(rig.walker.failedLevel).toBe(0)
  })

  check('lets no read through a write-only page', (rig) => {
    rig.map(rig.base, 5, 1, ACCESS_WRITE)
    expect(rig.walk(rig.base, ACCESS_WRITE)).toBe(WALK_OK)
    expect(rig.walk(rig.base, ACCESS_READ)).toBe(WALK_NO_PERMISSION)
  })

  check('lets nothing execute without permission', (rig) => {
    rig.map(rig.base, 5, 1, RW)
    rig.map(rig.base + 4096n, 6, 1, ACCESS_READ | ACCESS_EXEC)
    expect(rig.walk(rig.base, ACCESS_READ | ACCESS_EXEC)).toBe(WALK_NO_PERMISSION)
    expect(rig.walk(rig.base + 4096n, ACCESS_READ | ACCESS_EXEC)).toBe(WALK_OK)
  })

  check('keeps privileged pages from unprivileged requests', (rig) => {
    rig.map(rig.base, 5, 1, RW | ACCESS_PRIV)
    expect(rig.walk(rig.base, ACCESS_READ)).toBe(WALK_NO_PERMISSION)
    expect(rig.walk(rig.base, ACCESS_READ | ACCESS_PRIV)).toBe(WALK_OK)
    expect(rig.walk(rig.base, RW | ACCESS_PRIV)).toBe(WALK_OK)
    rig.map(rig.base + 4096n, 6, 1, ACCESS_READ)
    expect(rig.walk(rig.base + 4096n, ACCESS_READ | ACCESS_PRIV)).toBe(WALK_OK)
  })

  check('changes what pages grant and keeps where they lead', (rig) => {
    rig.map(rig.base, 40, 3, RW)
    rig.table.changeAccess(hiOf(rig.base), loOf(rig.base + 4096n), 1, ~ACCESS_WRITE, 0)
    expect(rig.walk(rig.base + 4096n, RW)).toBe(WALK_NO_PERMISSION)
    expect(rig.walk(rig.base + 4096n)).toBe(WALK_OK)
    expect(rig.out.frame).toBe(41)
    for (const at of [0n, 8192n]) expect(rig.walk(rig.base + at, RW)).toBe(WALK_OK)
    rig.table.changeAccess(hiOf(rig.base), loOf(rig.base), 3, 0, RW)
    expect(rig.walk(rig.base + 4096n, RW)).toBe(WALK_OK)
  })

  check('parks a page that grants nothing', (rig) => {
    const { table, base } = rig
    rig.map(base, 40, rig.pages(1), RW)
    table.changeAccess(hiOf(base), loOf(base), rig.pages(1), 0, 0)
    expect(rig.walk(base)).toBe(WALK_NOT_PRESENT)
    expect(() => rig.map(base, 7, 1, RW)).toThrow(expect.objectContaining(EADDRINUSE))
    table.changeAccess(hiOf(base), loOf(base), 1, 0, ACCESS_READ)
    expect(rig.walk(base)).toBe(WALK_OK)
    expect(rig.out.frame).toBe(40)
    expect(rig.walk(base + 4096n)).toBe(WALK_NOT_PRESENT)
    expect(rig.unmap(base, rig.pages(1))).toBe(rig.pages(1))
  })

  check('unparks parts of a parked large page', (rig) => {
    const { table, base } = rig
    const level = rig.format.leafLevelMax
    rig.map(base, 0, rig.pages(level), RW)
    table.changeAccess(hiOf(base), loOf(base), rig.pages(level), 0, 0)
    table.changeAccess(hiOf(base), loOf(base) + 8192, 1, 0, RW)
    expect(rig.walk(base + 8192n, RW)).toBe(WALK_OK)
    expect(rig.out.frame).toBe(2)
    expect(rig.walk(base + 4096n)).toBe(WALK_NOT_PRESENT)
    table.changeAccess(hiOf(base), loOf(base), rig.pages(level), 0, RW)
    expect(rig.walk(base + rig.size(level) - 1n)).toBe(WALK_OK)
    expect(rig.physical(base + rig.size(level) - 1n)).toBe(rig.size(level) - 1n)
  })
}

export function usage(check: Check): void {
  check('marks pages dirty when they are written, not when they are read', (rig) => {
    const { table, base } = rig
    rig.map(base, 40, 4, RW)
    rig.walk(base, ACCESS_READ)
    expect(table.harvestDirty(hiOf(base), loOf(base), 4, false)).toBe(0)
    rig.walk(base + 4096n, ACCESS_WRITE)
    const log = new LeafLog()
    expect(table.harvestDirty(hiOf(base), loOf(base), 4, true, log)).toBe(1)
    expect(log.leaves).toMatchObject([
      { address: base + 4096n, shift: rig.format.granuleShift, frame: 41, access: expect.anything() },
    ])
    expect(table.harvestDirty(hiOf(base), loOf(base), 4, true)).toBe(0)
    rig.walk(base + 4096n, ACCESS_WRITE)
    expect(table.harvestDirty(hiOf(base), loOf(base), 4, true)).toBe(1)
  })

  check('marks pages accessed', (rig) => {
    const { table, base } = rig
    rig.map(base, 40, 4, RW)
    expect(table.harvestAccessed(hiOf(base), loOf(base), 4, false)).toBe(0)
    rig.walk(base + 8192n)
    expect(table.harvestAccessed(hiOf(base), loOf(base), 4, true)).toBe(1)
    expect(table.harvestAccessed(hiOf(base), loOf(base), 4, true)).toBe(0)
    rig.walk(base + 8192n)
    expect(table.harvestAccessed(hiOf(base), loOf(base), 4, true)).toBe(1)
  })

  check('marks nothing when a walk is refused', (rig) => {
    const { table, base } = rig
    rig.map(base, 40, 1, ACCESS_READ)
    expect(rig.walk(base, RW)).toBe(WALK_NO_PERMISSION)
    expect(table.harvestDirty(hiOf(base), loOf(base), 1, false)).toBe(0)
    expect(table.harvestAccessed(hiOf(base), loOf(base), 1, false)).toBe(0)
  })

  check('keeps dirty marks through a split and a change of access', (rig) => {
    const { table, base } = rig
    rig.map(base, 0, rig.pages(1), RW)
    rig.walk(base, ACCESS_WRITE)
    table.changeAccess(hiOf(base), loOf(base), 1, 0, ACCESS_READ)
    const granules = 512
    expect(table.harvestDirty(hiOf(base), loOf(base), rig.pages(1), true)).toBe(granules)
  })

  check('sets a dirty bit by order of software', (rig) => {
    const { table, base } = rig
    rig.map(base, 40, 2, RW)
    expect(table.setDirty(hiOf(base), loOf(base) + 4096)).toBe(true)
    expect(table.setDirty(hiOf(base), loOf(base) + 8192)).toBe(false)
    expect(table.harvestDirty(hiOf(base), loOf(base), 2, false)).toBe(1)
  })

  check('looks up without leaving marks', (rig) => {
    const { table, base, out } = rig
    rig.map(base, 40, 2, RW)
    expect(table.lookup(hiOf(base), loOf(base) + 4096, out)).toBe(true)
    expect([out.frame, out.access & RW]).toEqual([41, RW])
    expect(table.lookup(hiOf(base), loOf(base) + 8192, out)).toBe(false)
    expect(table.harvestAccessed(hiOf(base), loOf(base), 2, false)).toBe(0)
  })
}

export function faults(check: Check): void {
  check('says at which level the tables end', (rig) => {
    expect(rig.walk(rig.base)).toBe(WALK_NOT_PRESENT)
    expect(rig.walker.failedLevel).toBe(rig.format.levels - 1)
    rig.map(rig.base, 40, 1, RW)
    expect(rig.walk(rig.base + rig.size(1))).toBe(WALK_NOT_PRESENT)
    expect(rig.walker.failedLevel).toBe(1)
  })

  check('refuses addresses that are not canonical', (rig) => {
    const { virtualBits, signExtended, levels } = rig.format
    const wrong = signExtended
      ? [1n << BigInt(virtualBits - 1), (1n << 64n) - (1n << BigInt(virtualBits))]
      : []
    for (const address of [...wrong, 1n << BigInt(virtualBits), 1n << 63n, 0x7fffffffffffffffn]) {
      expect(rig.walk(address)).toBe(WALK_NOT_CANONICAL)
      expect(rig.walker.failedLevel).toBe(levels)
    }
  })

  check('refuses reserved bits in every entry', (rig) => {
    const { format, base } = rig
    rig.map(base, 40, 1, RW)
    rig.map(base + rig.size(2), 0, rig.pages(1), RW)
    for (let level = 0; level < format.levels; level++) {
      const lo = level === 0 ? format.reservedLeafLo : format.reservedTableLo
      const hi = level === 0 ? format.reservedLeafHi : format.reservedTableHi
      flipEach(rig, rig.word(base, level), lo, hi, base, level)
    }
    const leaf = rig.word(base + rig.size(2), 1)
    const unusedAddress = Number(rig.size(1) - 1n) & format.addressLo & ~format.ignoredLargeLo
    flipEach(rig, leaf, format.reservedLeafLo | unusedAddress, format.reservedLeafHi, base + rig.size(2), 1)
  })

  check('refuses tables outside RAM', (rig) => {
    const { format, base, memory } = rig
    rig.map(base, 40, 1, RW)
    for (let level = 1; level < format.levels; level++) {
      const word = rig.word(base, level)
      const before = [memory.words[word]!, memory.words[word + 1]!] as const
      memory.words[word] = (before[0] & 0xfff) | (memory.frames << 12)
      expect(rig.walk(base)).toBe(WALK_TABLE_ACCESS)
      expect(rig.walker.failedLevel).toBe(level - 1)
      memory.words[word + 1] = before[1] | format.addressHi
      expect(rig.walk(base)).toBe(WALK_TABLE_ACCESS)
      memory.words[word] = before[0]
      memory.words[word + 1] = before[1]
    }
    expect(rig.walker.walk(memory.frames, hiOf(base), loOf(base), ACCESS_READ, rig.out)).toBe(
      WALK_TABLE_ACCESS,
    )
    expect(rig.walker.walk(-1, hiOf(base), loOf(base), ACCESS_READ, rig.out)).toBe(WALK_TABLE_ACCESS)
  })
}

/** Sets each of the bits in turn and expects the walk to stop at `level`. */
function flipEach(rig: Rig, word: number, lo: number, hi: number, address: bigint, level: number): void {
  const { words } = rig.memory
  for (let bit = 0; bit < 64; bit++) {
    const at = bit < 32 ? word : word + 1
    const mask = 1 << (bit & 31)
    if (((bit < 32 ? lo : hi) & mask) === 0) continue
    const entry = words[at]!
    words[at] = entry ^ mask
    expect([bit, rig.walk(address), rig.walker.failedLevel]).toEqual([bit, WALK_RESERVED_BITS, level])
    words[at] = entry
    expect(rig.walk(address)).toBe(WALK_OK)
  }
}
