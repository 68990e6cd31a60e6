// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EADDRINUSE, EINVAL, ENOENT, ENOMEM } from '../../../base/errno.ts'
import { Failpoints } from '../../../sim/failpoint.ts'
import { Rng } from '../../../sim/rng.ts'
import { thrownBy } from '../../iommu/fake-driver.suite.ts'
import { LEAF_TABLE_GRANULES, LeafNodePool, LeafTable } from './leaf-table.ts'

const ANY_SIZE = 0x03ffffff
const MIB = 512

function make(sizes = ANY_SIZE): { table: LeafTable; pool: LeafNodePool; failpoints: Failpoints } {
  const failpoints = new Failpoints()
  const pool = new LeafNodePool(failpoints)
  return { table: new LeafTable(pool, sizes), pool, failpoints }
}

/** Runs of dirty granules, as `first+count`. */
function dirtyRuns(table: LeafTable, first: number, last: number, clear = false): string[] {
  const runs: string[] = []
  table.readDirty(first, last, clear, (at, count) => runs.push(`${at - first}+${count}`))
  return runs
}

describe('leaves', () => {
  test.each([
    ['one granule', 5, 7, 1],
    ['a run', 64, 128, 64],
    ['unaligned both', 3, 3, 1021],
    ['unaligned to each other', 2, 1, 4096],
    ['an entry of the next level', MIB, 3 * MIB, MIB],
    ['a run there', 4 * MIB, 8 * MIB, 4 * MIB],
    ['an entry of the top', 2 ** 18, 2 ** 18, 2 ** 18],
    ['a run at the top, physically high', 2 ** 19, 2 ** 31 + 2 ** 19, 2 ** 19],
    ['to the end', LEAF_TABLE_GRANULES - 3, 9, 3],
  ])('%s is found at every granule and gone afterwards', (_name, first, physical, count) => {
    const { table, pool } = make()
    table.map(first, physical | 0, count)
    for (const offset of [0, 1, count >> 1, count - 1].filter((at) => at < count))
      expect(table.lookup(first + offset)).toBe(physical + offset)
    expect(table.lookup(first - 1)).toBe(undefined)
    if (first + count < LEAF_TABLE_GRANULES) expect(table.lookup(first + count)).toBe(undefined)
    expect(table.unmap(first, count)).toBe(count)
    expect(table.lookup(first)).toBe(undefined)
    table.destroy()
    expect(pool.inUse).toBe(0)
  })

  test('only sizes that there are: 4 KiB and 1 MiB', () => {
    const { table } = make(0x202)
    expect(thrownBy(() => table.map(1, 1, 2))).toBe(EINVAL)
    expect(thrownBy(() => table.map(0, 0, 3))).toBe(EINVAL)
    expect(table.unmap(0, MIB)).toBe(0)
    table.map(MIB, 0, MIB + 2)
    table.setDirty(MIB + 5)
    expect(dirtyRuns(table, MIB, 2 * MIB + 1)).toEqual([`0+${MIB}`])
  })

  test.each([
    ['a granule', 70, 1],
    ['around it', 64, 16],
    ['a whole table', 0, MIB],
    ['more', 0, 4 * MIB],
  ])('what is occupied is EADDRINUSE, and nothing has changed: %s', (_name, first, count) => {
    const { table, pool } = make()
    table.map(70, 1000, 2)
    const before = pool.inUse
    expect(thrownBy(() => table.map(first, 0, count))).toBe(EADDRINUSE)
    expect([69, 70, 71, 72, 600].map((at) => table.lookup(at))).toEqual([
      undefined,
      1000,
      1001,
      undefined,
      undefined,
    ])
    expect(pool.inUse).toBe(before)
  })

  test('a leaf of an upper level is in the way of small ones', () => {
    const { table } = make()
    table.map(0, 0, 2 ** 18)
    expect(thrownBy(() => table.map(5, 1, 1))).toBe(EADDRINUSE)
    expect(thrownBy(() => table.map(MIB, MIB, MIB))).toBe(EADDRINUSE)
  })

  test('each table that cannot be had is ENOMEM, and leaves none behind', () => {
    const { table, pool, failpoints } = make()
    table.map(0, 1, 1)
    for (let nth = 1; nth <= 3; nth++) {
      const before = pool.inUse
      failpoints.failNth(nth, 'alloc_table')
      expect(thrownBy(() => table.map(2 ** 18 - 1, 0, 2 * MIB))).toBe(ENOMEM)
      failpoints.off()
      expect(pool.inUse).toBe(before)
      expect(table.lookup(2 ** 18 - 1)).toBe(undefined)
    }
    expect(table.unmap(0, 1)).toBe(1)
    table.destroy()
    expect(pool.inUse).toBe(0)
  })

  test('any sequence behaves as a plain map of granules does', () => {
    const rng = new Rng(7)
    for (let round = 0; round < 40; round++) {
      const { table, pool } = make(round % 4 === 0 ? 0x202 : ANY_SIZE)
      const areas: { first: number; physical: number; count: number }[] = []
      for (let step = 0; step < 60; step++) {
        if (areas.length > 0 && rng.below(3) === 0) {
          const [area] = areas.splice(rng.below(areas.length), 1)
          expect(table.unmap(area!.first, area!.count)).toBe(area!.count)
        }
        const scale = [2, 64, MIB, 2 ** 18][rng.below(4)]!
        const aligned = rng.below(3) === 0
        const area = {
          first: rng.below(8) * scale + (aligned ? 0 : 2 * rng.below(3)),
          physical: rng.below(8) * scale + (aligned ? 0 : 2 * rng.below(3)),
          count: aligned ? scale : 2 * (1 + rng.below(MIB)),
        }
        const free = areas.every((a) => a.first >= area.first + area.count || a.first + a.count <= area.first)
        if (!free) expect(thrownBy(() => table.map(area.first, area.physical, area.count))).toBe(EADDRINUSE)
        else {
          table.map(area.first, area.physical, area.count)
          areas.push(area)
        }
        const at = rng.below(8) * scale + rng.below(16)
        const holder = areas.find((a) => a.first <= at && at < a.first + a.count)
        expect(table.lookup(at)).toBe(holder && holder.physical + at - holder.first)
      }
      for (const { first, count } of areas) expect(table.unmap(first, count)).toBe(count)
      table.destroy()
      expect(pool.inUse).toBe(0)
    }
  })
})

// Runs of 2 KiB as 7.2.13 reports them: one entry short where a leaf has several (spec/03 §5.2).
describe('dirty leaves', () => {
  test.each([
    ['4 KiB', 2, ['0+1']],
    ['8 KiB', 4, ['0+3']],
    ['64 KiB', 32, ['0+31']],
    ['1 MiB: one entry of the next level', MIB, ['0+512']],
    ['2 MiB', 2 * MIB, ['0+512']],
  ])('a leaf of %s, wherever it was written', (_name, count, runs) => {
    const { table } = make()
    table.map(4 * MIB, 0, count)
    for (const written of [0, 1, count - 1]) {
      table.setDirty(4 * MIB + written)
      expect(dirtyRuns(table, 4 * MIB, 4 * MIB + count - 1)).toEqual(runs)
      expect(dirtyRuns(table, 4 * MIB, 4 * MIB + count - 1, true)).toEqual(runs)
      expect(dirtyRuns(table, 4 * MIB, 4 * MIB + count - 1)).toEqual([])
    }
  })

  test('64 KiB that do not lie alike are leaves of 4 KiB; shifted by 4 KiB they are 4, 8, 16, 32 and 4', () => {
    const { table } = make()
    table.map(2, 0, 32)
    for (let at = 2; at < 34; at++) table.setDirty(at)
    expect(dirtyRuns(table, 2, 33)).toEqual(Array.from({ length: 16 }, (_, page) => `${2 * page}+1`))
    const { table: alike } = make()
    alike.map(2, 2, 32)
    for (let at = 2; at < 34; at++) alike.setDirty(at)
    expect(dirtyRuns(alike, 2, 33)).toEqual(['0+1', '2+3', '6+7', '14+15', '30+1'])
  })

  test('a range that begins inside a leaf counts from there', () => {
    const { table } = make()
    table.map(0, 0, 32)
    table.setDirty(0)
    expect(dirtyRuns(table, 1, 31)).toEqual(['0+30'])
    expect(dirtyRuns(table, 16, 31)).toEqual(['0+15'])
    expect(dirtyRuns(table, 1, 1)).toEqual(['0+1'])
    expect(dirtyRuns(table, 0, 15)).toEqual(['0+16'])
    expect(dirtyRuns(table, 31, 31)).toEqual([])
  })

  test('an entry of an upper level counts whole, from wherever the range begins', () => {
    const { table } = make()
    table.map(MIB, MIB, 3 * MIB)
    table.setDirty(MIB)
    expect(dirtyRuns(table, MIB + 256, 2 * MIB)).toEqual([`0+${MIB}`])
    table.setDirty(2 * MIB)
    expect(dirtyRuns(table, 2 * MIB + 1, 4 * MIB - 1)).toEqual([`0+${MIB}`])
  })

  test('a hole ends it: ENOENT, what lies below has been told', () => {
    const { table } = make()
    table.map(0, 0, 1)
    table.map(2, 2, 1)
    table.setDirty(0)
    table.setDirty(2)
    const told: number[] = []
    expect(thrownBy(() => table.readDirty(0, 2, true, (at) => told.push(at)))).toBe(ENOENT)
    expect(told).toEqual([0])
    expect(table.setDirty(1)).toBe(false)
    expect(dirtyRuns(table, 2, 2)).toEqual(['0+1'])
  })
})
