// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Histogram } from './histogram.ts'

function histogramOf(values: number[]): Histogram {
  const histogram = new Histogram()
  for (const value of values) histogram.record(value)
  return histogram
}

/** Values of every size, from exact ones to the largest. */
const nanos = fc.oneof(
  fc.nat({ max: 300 }),
  fc.nat({ max: 5_000_000 }),
  fc.integer({ min: 2 ** 31 - 5, max: 2 ** 31 + 5 }),
  fc.maxSafeNat(),
)
const values = fc.array(nanos, { minLength: 1, maxLength: 200, size: 'max' })

describe('Histogram', () => {
  it('gives percentiles that are never below the true one and at most 1/128 above', () => {
    fc.assert(
      fc.property(values, fc.constantFrom(0, 1, 50, 90, 99, 99.9, 100), (list, percent) => {
        const sorted = list.toSorted((a, b) => a - b)
        const rank = Math.max(1, Math.ceil((percent * list.length) / 100))
        const exact = sorted[rank - 1]!
        const given = histogramOf(list).percentile(percent)
        expect(given).toBeGreaterThanOrEqual(exact)
        expect(given - exact).toBeLessThanOrEqual(exact / 128)
      }),
    )
  })

  it('knows count, sum, least and greatest exactly', () => {
    const histogram = histogramOf([5, 1000, 123_456_789, 7])
    expect([histogram.count, histogram.sum, histogram.min, histogram.max]).toEqual([
      4, 123_457_801, 5, 123_456_789,
    ])
    expect(histogram.summary()).toEqual({
      p50: 7,
      p90: 123_456_789,
      p99: 123_456_789,
      p999: 123_456_789,
      max: 123_456_789,
    })
    expect(histogram.mean).toBe(123_457_801 / 4)
  })

  it('is exact below 256', () => {
    const histogram = histogramOf(Array.from({ length: 256 }, (_, i) => i))
    for (let i = 1; i <= 256; i++) expect(histogram.percentile((i * 100) / 256)).toBe(i - 1)
  })

  it('merges to what recording everything in one gives', () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        const merged = histogramOf(a)
        merged.merge(histogramOf(b))
        merged.merge(new Histogram())
        const all = histogramOf([...a, ...b])
        expect({ ...merged.toJSON(), sum: 0 }).toEqual({ ...all.toJSON(), sum: 0 })
        if (all.sum <= Number.MAX_SAFE_INTEGER) expect(merged.sum).toBe(all.sum)
      }),
    )
  })

  it('comes back from JSON', () => {
    fc.assert(
      fc.property(values, (list) => {
        const histogram = histogramOf(list)
        const back = Histogram.fromJSON(JSON.parse(JSON.stringify(histogram)))
        expect(back.toJSON()).toEqual(histogram.toJSON())
        expect(back.summary()).toEqual(histogram.summary())
        expect(back.count).toBe(list.length)
      }),
    )
  })

  it('has buckets that touch without gap around every value', () => {
    fc.assert(
      fc.property(nanos, (value) => {
        const [bucket] = histogramOf([value]).buckets()
        expect(bucket!.from).toBeLessThanOrEqual(value)
        expect(bucket!.to).toBeGreaterThanOrEqual(value)
        if (bucket!.to >= Number.MAX_SAFE_INTEGER) return
        expect(histogramOf([bucket!.to + 1]).buckets()[0]!.from).toBe(bucket!.to + 1)
      }),
    )
  })

  it('is all zero while empty and after clear', () => {
    const histogram = histogramOf([1, 2, 3])
    histogram.clear()
    for (const empty of [histogram, new Histogram()]) {
      expect(empty.summary()).toEqual({ p50: 0, p90: 0, p99: 0, p999: 0, max: 0 })
      expect([empty.count, empty.min, empty.mean, empty.buckets()]).toEqual([0, 0, 0, []])
    }
  })

  it.each([-1, 0.5, Number.NaN, 2 ** 53])('asserts on %d', (value) => {
    expect(() => new Histogram().record(value)).toThrow('a histogram counts whole numbers')
  })

  it('asserts on percentiles and JSON out of range', () => {
    expect(() => new Histogram().percentile(101)).toThrow('percentile must be 0 to 100')
    const json = { version: 1, min: 0, max: 0, sum: 0 } as const
    expect(() => Histogram.fromJSON({ ...json, buckets: [[-1, 1]] })).toThrow('bucket number')
    expect(() => Histogram.fromJSON({ ...json, buckets: [[0, 0.5]] })).toThrow('bucket count')
  })
})
