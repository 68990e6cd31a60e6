// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteRange, RangeMap } from './range-map.ts'
import { hiOf, loOf, toBigint } from './u64.ts'

const TOP = (1n << 64n) - 1n

interface Entry {
  start: bigint
  last: bigint
  value: number
}

/** The model: a sorted array, searched from the start. */
class Model {
  entries: Entry[] = []

  insert(start: bigint, last: bigint, value: number): boolean {
    if (this.entries.some((entry) => entry.start <= last && entry.last >= start)) return false
    this.entries.push({ start, last, value })
    this.entries.sort((a, b) => (a.start < b.start ? -1 : 1))
    return true
  }

  hole(from: bigint): { start: bigint; last: bigint } | undefined {
    let start = from
    for (const entry of this.entries) {
      if (entry.last < start) continue
      if (entry.start > start) return { start, last: entry.start - 1n }
      start = entry.last + 1n
    }
    return start > TOP ? undefined : { start, last: TOP }
  }
}

function insert(map: RangeMap<number>, start: bigint, last: bigint, value: number): boolean {
  return map.insert(hiOf(start), loOf(start), hiOf(last), loOf(last), value)
}

function entryAt(map: RangeMap<number>, slot: number): Entry | undefined {
  if (slot < 0) return undefined
  return {
    start: toBigint(map.startHiAt(slot), map.startLoAt(slot)),
    last: toBigint(map.lastHiAt(slot), map.lastLoAt(slot)),
    value: map.valueAt(slot),
  }
}

function entriesOf(map: RangeMap<number>): Entry[] {
  const entries: Entry[] = []
  for (let slot = map.first(); slot >= 0; slot = map.next(slot)) entries.push(entryAt(map, slot)!)
  return entries
}

function entriesDownwards(map: RangeMap<number>): Entry[] {
  const entries: Entry[] = []
  for (let slot = map.last(); slot >= 0; slot = map.previous(slot)) entries.push(entryAt(map, slot)!)
  return entries
}

function holeOf(map: RangeMap<number>, from: bigint): { start: bigint; last: bigint } | undefined {
  const out = new ByteRange()
  if (!map.nextHole(hiOf(from), loOf(from), out)) return undefined
  return { start: toBigint(out.startHi, out.startLo), last: toBigint(out.lastHi, out.lastLo) }
}

/** Addresses that meet each other: a few regions of the space, few distinct values, all edges. */
const region = fc.constantFrom(
  0n,
  1n << 12n,
  1n << 31n,
  1n << 32n,
  1n << 44n,
  1n << 52n,
  1n << 63n,
  TOP - 8191n,
)
const address = fc
  .tuple(region, fc.bigInt(0n, 300n), fc.constantFrom(1n, 16n, 4096n))
  .map(([base, steps, unit]) => {
    const sum = base + steps * unit
    return sum > TOP ? TOP : sum
  })
const length = fc.oneof(
  fc.bigInt(1n, 64n),
  fc.bigInt(1n, 20n).map((pages) => pages * 4096n),
  fc.constant(1n << 40n),
)

const operation = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('insert' as const), address, length }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), address, length }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('look' as const), address, length }) },
)

function lastOf(start: bigint, bytes: bigint): bigint {
  return start + bytes - 1n > TOP ? TOP : start + bytes - 1n
}

function look(map: RangeMap<number>, model: Model, start: bigint, last: bigint): void {
  const found = model.entries.find((entry) => entry.start <= start && start <= entry.last)
  expect(entryAt(map, map.find(hiOf(start), loOf(start)))).toEqual(found)
  const overlap = model.entries.find((entry) => entry.start <= last && entry.last >= start)
  expect(entryAt(map, map.firstOverlap(hiOf(start), loOf(start), hiOf(last), loOf(last)))).toEqual(overlap)
  expect(holeOf(map, start)).toEqual(model.hole(start))
}

function remove(map: RangeMap<number>, model: Model, start: bigint): void {
  const slot = map.find(hiOf(start), loOf(start))
  const index = model.entries.findIndex((entry) => entry.start <= start && start <= entry.last)
  expect(slot >= 0).toBe(index >= 0)
  if (slot < 0) return
  const following = map.remove(slot)
  model.entries.splice(index, 1)
  expect(entryAt(map, following)).toEqual(model.entries[index])
}

describe('RangeMap against a sorted array', () => {
  it('agrees after every operation', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 400, size: 'max' }), (operations) => {
        const map = new RangeMap<number>()
        const model = new Model()
        operations.forEach(({ kind, address: start, length: bytes }, value) => {
          const last = lastOf(start, bytes)
          if (kind === 'insert')
            expect(insert(map, start, last, value)).toBe(model.insert(start, last, value))
          else if (kind === 'remove') remove(map, model, start)
          look(map, model, start, last)
        })
        expect(entriesOf(map)).toEqual(model.entries)
        expect(entriesDownwards(map)).toEqual(model.entries.toReversed())
        expect(map.size).toBe(model.entries.length)
      }),
      { numRuns: 60 },
    )
  })

  it('agrees over many chunks that are split, joined and emptied', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 999 }), { minLength: 3000, maxLength: 3000 }),
        (pages) => {
          const map = new RangeMap<number>()
          const model = new Map<number, number>()
          pages.forEach((page, value) => {
            const start = BigInt(page) * 4096n
            const slot = map.find(hiOf(start), loOf(start))
            expect(slot >= 0).toBe(model.has(page))
            if (slot >= 0) map.remove(slot)
            else insert(map, start, start + 4095n, value)
            if (slot >= 0) model.delete(page)
            else model.set(page, value)
          })
          const expected = [...model].toSorted((a, b) => a[0] - b[0]).map(([, value]) => value)
          expect([...map.values()]).toEqual(expected)
        },
      ),
      { numRuns: 15 },
    )
  })
})

describe('RangeMap', () => {
  it('holds one range over the whole 64-bit space and then has no hole', () => {
    const map = new RangeMap<number>()
    expect(insert(map, 0n, TOP, 1)).toBe(true)
    expect(insert(map, TOP, TOP, 2)).toBe(false)
    expect(map.find(-1, -1)).toBe(0)
    expect(holeOf(map, 0n)).toBeUndefined()
  })

  it('has one hole over the whole space while empty', () => {
    expect(holeOf(new RangeMap<number>(), 0n)).toEqual({ start: 0n, last: TOP })
  })

  it('keeps ranges apart that share a page but no byte', () => {
    const map = new RangeMap<number>()
    expect(insert(map, 0x1800n, 0x1fffn, 2)).toBe(true)
    expect(insert(map, 0x1000n, 0x17ffn, 1)).toBe(true)
    expect(insert(map, 0x17ffn, 0x17ffn, 3)).toBe(false)
    expect([...map.values()]).toEqual([1, 2])
  })

  it('removes ranges while it iterates', () => {
    const map = new RangeMap<number>()
    for (let i = 0; i < 1000; i++) insert(map, BigInt(i) << 12n, (BigInt(i) << 12n) + 4095n, i)
    let slot = map.first()
    while (slot >= 0) slot = map.valueAt(slot) % 3 === 0 ? map.remove(slot) : map.next(slot)
    expect([...map.values()]).toEqual(Array.from({ length: 1000 }, (_, i) => i).filter((i) => i % 3 !== 0))
  })

  it('asserts on a range that ends before it starts and on a slot that is gone', () => {
    const map = new RangeMap<number>()
    expect(() => insert(map, 2n, 1n, 0)).toThrow('range ends before it starts')
    expect(() => map.valueAt(0)).toThrow('slot 0 of 0 ranges is gone')
  })

  it('is empty after clear and takes ranges again', () => {
    const map = new RangeMap<number>()
    insert(map, 0n, 9n, 1)
    map.clear()
    expect(map.first()).toBe(-1)
    expect(insert(map, 5n, 6n, 2)).toBe(true)
  })
})
