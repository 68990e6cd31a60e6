// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { Rng } from './rng.ts'

function draws(seed: number, count: number): number[] {
  const rng = new Rng(seed)
  return Array.from({ length: count }, () => rng.next())
}

describe('Rng', () => {
  it('gives the same numbers for the same seed, others for others, low and high seeds alike', () => {
    expect(draws(7, 100)).toEqual(draws(7, 100))
    const firsts = new Set(
      [0, 1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1].map((seed) => draws(seed, 4).join(' ')),
    )
    expect(firsts.size).toBe(6)
  })

  it('gives int32 values with every bit set half of the time', () => {
    const values = draws(1, 20_000)
    for (let bit = 0; bit < 32; bit++) {
      const set = values.filter((value) => (value >>> bit) & 1).length
      expect(Math.abs(set - 10_000)).toBeLessThan(500)
    }
  })

  it('draws evenly below a count, and the one value of one', () => {
    const rng = new Rng(3)
    const seen = Array.from({ length: 7 }, () => 0)
    for (let i = 0; i < 70_000; i++) seen[rng.below(7)]! += 1
    for (const count of seen) expect(Math.abs(count - 10_000)).toBeLessThan(500)
    expect(rng.below(1)).toBe(0)
  })

  it('takes chances as they are', () => {
    const rng = new Rng(4)
    const hits = Array.from({ length: 10_000 }, () => rng.chance(0.25)).filter(Boolean).length
    expect(Math.abs(hits - 2500)).toBeLessThan(250)
    expect([rng.chance(0), rng.chance(1)]).toEqual([false, true])
  })

  it.each([-1, 0.5, 2 ** 53, Number.NaN])('asserts on the seed %d', (seed) => {
    expect(() => new Rng(seed)).toThrow('seed must be a whole number')
  })

  it.each([0, -1, 1.5, 2 ** 32 + 1])('asserts on a range of %d values', (count) => {
    expect(() => new Rng(1).below(count)).toThrow(`range of ${count} values`)
  })
})
