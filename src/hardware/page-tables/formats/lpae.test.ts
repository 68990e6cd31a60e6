// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { hiOf, loOf } from '../../../base/u64.ts'
import { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE } from '../../pci/messages.ts'
import { Rig, RW } from '../conformance-rig.suite.ts'
import { pageTableConformance } from '../conformance.suite.ts'
import {
  WALK_ACCESS_FLAG,
  WALK_NO_PERMISSION,
  WALK_NOT_PRESENT,
  WALK_OK,
  WALK_RESERVED_BITS,
  Walker,
} from '../walker.ts'
import { LPAE_STAGE1, LPAE_STAGE1_PLAIN, LPAE_STAGE2, LPAE_STAGE2_PLAIN, lpae } from './lpae.ts'

const STAGE1_SKIPS = [
  { name: 'lets no read through a write-only page', reason: 'a present page can always be read' },
]
const STAGE2_SKIPS = [
  { name: 'keeps privileged pages from unprivileged requests', reason: 'it knows no privilege' },
]
const DIRTY_SKIPS = [
  { name: 'refuses a large page at a level that has none', reason: 'it is not there, rather than wrong' },
  {
    name: 'keeps dirty marks through a split and a change of access',
    reason: 'the dirty state is the write permission: a page that loses it has none',
  },
]
const PLAIN_SKIPS = [
  ...DIRTY_SKIPS,
  { name: 'marks pages accessed', reason: 'software keeps the access flag' },
  { name: 'marks pages dirty when they are written, not when they are read', reason: 'no dirty state' },
  { name: 'sets a dirty bit by order of software', reason: 'no dirty state' },
]

pageTableConformance(LPAE_STAGE1, [...STAGE1_SKIPS, ...DIRTY_SKIPS])
pageTableConformance(LPAE_STAGE2, [...STAGE2_SKIPS, ...DIRTY_SKIPS])
pageTableConformance(LPAE_STAGE1_PLAIN, [...STAGE1_SKIPS, ...PLAIN_SKIPS])
pageTableConformance(LPAE_STAGE2_PLAIN, [...STAGE2_SKIPS, ...PLAIN_SKIPS])
const THREE_LEVELS = lpae({ stage: 1, levels: 3, addressBits: 43, accessFlag: 'set', dirtyState: true })
pageTableConformance(THREE_LEVELS, [...STAGE1_SKIPS, ...DIRTY_SKIPS])

function entry(rig: Rig, address: bigint, level: number): string {
  const word = rig.word(address, level)
  const { words } = rig.memory
  return [words[word + 1]!, words[word]!].map((n) => (n >>> 0).toString(16).padStart(8, '0')).join('_')
}

function change(rig: Rig, level: number, lo: number, hi: number): void {
  const word = rig.word(rig.base, level)
  rig.memory.words[word] = rig.memory.words[word]! ^ lo
  rig.memory.words[word + 1] = rig.memory.words[word + 1]! ^ hi
}

describe('descriptors (Arm ARM D8.3)', () => {
  test('a stage-1 page: type 11, AP 7:6, SH 9:8, AF 10, nG 11, DBM 51, PXN 53, UXN 54', () => {
    const rig = new Rig(LPAE_STAGE1)
    rig.map(rig.base, 0x12345, 1, RW)
    expect(entry(rig, rig.base, 0)).toBe('00680000_12345bc3')
    expect(entry(rig, rig.base, 3)).toMatch(/^00000000_0000.003$/)
    rig.walk(rig.base, ACCESS_READ)
    expect(entry(rig, rig.base, 0)).toBe('00680000_12345fc3')
    rig.walk(rig.base, ACCESS_WRITE)
    expect(entry(rig, rig.base, 0)).toBe('00680000_12345f43')
    rig.map(rig.base + 4096n, 5, 1, ACCESS_READ | ACCESS_EXEC | ACCESS_PRIV)
    expect(entry(rig, rig.base + 4096n, 0)).toBe('00400000_00005b83')
  })

  test('a stage-2 block: type 01, MemAttr 5:2, S2AP 7:6, XN 54; written once, S2AP[1] is set', () => {
    const rig = new Rig(LPAE_STAGE2)
    rig.map(rig.base, 512, 512, RW)
    expect(entry(rig, rig.base, 1)).toBe('00480000_0020037d')
    rig.walk(rig.base, ACCESS_WRITE)
    expect(entry(rig, rig.base, 1)).toBe('00480000_002007fd')
  })

  test('without HTTU pages are made accessed and writable at once', () => {
    const rig = new Rig(LPAE_STAGE1_PLAIN)
    rig.map(rig.base, 1, 1, RW)
    expect(entry(rig, rig.base, 0)).toBe('00600000_00001f43')
  })

  test('4 KiB pages, blocks of 2 MiB and 1 GiB; block bits below the address count for nothing', () => {
    const rig = new Rig(LPAE_STAGE1)
    rig.map(rig.base, 0, 262144 + 512 + 1, RW)
    const shifts = [0n, 0x40000000n, 0x40200000n].map((at) => {
      expect(rig.walk(rig.base + at)).toBe(WALK_OK)
      return rig.out.shift
    })
    expect(shifts).toEqual([30, 21, 12])
    change(rig, 2, 0x5000, 0)
    expect(rig.walk(rig.base + 0x3000n)).toBe(WALK_OK)
    expect(rig.out.frame).toBe(3)
  })
})

describe('what makes an entry no page', () => {
  test('type 01 at the lowest level is a translation fault', () => {
    const rig = new Rig(LPAE_STAGE1)
    rig.map(rig.base, 5, 1, RW)
    change(rig, 0, 2, 0)
    expect(rig.walk(rig.base)).toBe(WALK_NOT_PRESENT)
    rig.memory.words[rig.word(rig.base, 0)]! |= 0x400
    expect(rig.walk(rig.base)).toBe(WALK_NOT_PRESENT)
  })

  test('so is a block at the highest level of four', () => {
    const rig = new Rig(LPAE_STAGE1)
    rig.map(rig.base, 5, 1, RW)
    change(rig, 3, 2, 0)
    expect(rig.walk(rig.base)).toBe(WALK_NOT_PRESENT)
    expect(rig.walker.failedLevel).toBe(3)
  })

  test('a clear access flag is refused where walks do not set it, before permissions count', () => {
    const rig = new Rig(LPAE_STAGE1_PLAIN)
    rig.map(rig.base, 5, 1, ACCESS_READ)
    change(rig, 0, 0x400, 0)
    expect(rig.walk(rig.base)).toBe(WALK_ACCESS_FLAG)
    expect(rig.walk(rig.base, ACCESS_WRITE)).toBe(WALK_ACCESS_FLAG)
    const options = { stage: 1, levels: 4, addressBits: 43, dirtyState: false } as const
    const ignoring = new Walker(rig.memory, lpae({ ...options, accessFlag: 'ignored' }))
    const walk = (): number =>
      ignoring.walk(rig.table.root, hiOf(rig.base), loOf(rig.base), ACCESS_READ, rig.out)
    expect(walk()).toBe(WALK_OK)
    expect(entry(rig, rig.base, 0)).toBe('00600000_00005bc3')
  })

  test('an output address beyond the size is told from a missing page', () => {
    const rig = new Rig(LPAE_STAGE1)
    rig.map(rig.base, 2 ** 20, 1, RW)
    const small = lpae({ stage: 1, levels: 4, addressBits: 32, accessFlag: 'set', dirtyState: true })
    const walker = new Walker(rig.memory, small)
    const status = walker.walk(rig.table.root, hiOf(rig.base), loOf(rig.base), ACCESS_READ, rig.out)
    expect(status).toBe(WALK_RESERVED_BITS)
  })
})

describe('permissions', () => {
  test('EL1 does not execute what EL0 may write, nor what PXN forbids', () => {
    const rig = new Rig(LPAE_STAGE1)
    rig.map(rig.base, 5, 1, RW | ACCESS_EXEC)
    change(rig, 0, 0, 0x00200000)
    const exec = ACCESS_READ | ACCESS_EXEC
    expect(rig.walk(rig.base, exec)).toBe(WALK_OK)
    expect(rig.walk(rig.base, exec | ACCESS_PRIV)).toBe(WALK_NO_PERMISSION)
    change(rig, 0, 0, 0x00080000)
    expect(rig.walk(rig.base, exec | ACCESS_PRIV)).toBe(WALK_OK)
  })

  test('DBM counts only where the dirty state is kept', () => {
    const rig = new Rig(LPAE_STAGE1)
    rig.map(rig.base, 5, 1, RW)
    const plain = new Walker(
      rig.memory,
      lpae({ stage: 1, levels: 4, addressBits: 43, accessFlag: 'set', dirtyState: false }),
    )
    const status = plain.walk(rig.table.root, hiOf(rig.base), loOf(rig.base), ACCESS_WRITE, rig.out)
    expect(status).toBe(WALK_NO_PERMISSION)
  })

  test('APTable, UXNTable and PXNTable of any level restrict what is below', () => {
    for (let level = 1; level < 4; level++) {
      const rig = new Rig(LPAE_STAGE1)
      rig.map(rig.base, 5, 1, RW | ACCESS_EXEC)
      change(rig, level, 0, 0x40000000)
      expect(rig.walk(rig.base, ACCESS_WRITE)).toBe(WALK_NO_PERMISSION)
      expect(rig.walk(rig.base, ACCESS_READ | ACCESS_EXEC)).toBe(WALK_OK)
      change(rig, level, 0, 0x10000000)
      expect(rig.walk(rig.base, ACCESS_READ | ACCESS_EXEC)).toBe(WALK_NO_PERMISSION)
      change(rig, level, 0, 0x20000000)
      expect(rig.walk(rig.base, ACCESS_READ)).toBe(WALK_NO_PERMISSION)
      expect(rig.walk(rig.base, ACCESS_READ | ACCESS_PRIV)).toBe(WALK_OK)
    }
  })

  test('a split keeps the dirty state', () => {
    const rig = new Rig(LPAE_STAGE1)
    rig.map(rig.base, 0, 512, RW)
    rig.walk(rig.base, ACCESS_WRITE)
    rig.unmap(rig.base, 1)
    expect(rig.table.harvestDirty(hiOf(rig.base), loOf(rig.base), 512, true)).toBe(511)
    expect(rig.table.harvestDirty(hiOf(rig.base), loOf(rig.base), 512, true)).toBe(0)
  })
})
