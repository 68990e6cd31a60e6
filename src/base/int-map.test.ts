// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IntMap } from './int-map.ts'

describe('IntMap', () => {
  it('agrees with a Map under any sequence of set, delete and get', () => {
    const key = fc.oneof(
      fc.integer({ min: -40, max: 40 }),
      fc.integer({ min: 0, max: 40 }).map((rid) => (rid << 16) | 5),
      fc.integer(),
    )
    const operation = fc.tuple(fc.boolean(), key, fc.integer({ min: 1, max: 0x7fffffff }))
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 500, size: 'max' }), (operations) => {
        const map = new IntMap()
        const model = new Map<number, number>()
        for (const [removes, k, value] of operations) {
          if (removes) {
            expect(map.delete(k)).toBe(model.get(k) ?? 0)
            model.delete(k)
          } else {
            map.set(k, value)
            model.set(k, value)
          }
        }
        expect(map.size).toBe(model.size)
        for (const [, k] of operations) expect(map.get(k)).toBe(model.get(k) ?? 0)
      }),
    )
  })

  it('asserts that values are above 0', () => {
    expect(() => new IntMap().set(1, 0)).toThrow('value 0 of key 1')
  })
})
