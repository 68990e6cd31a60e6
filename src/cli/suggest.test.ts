// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { didYouMean, editDistance, nearest } from './suggest.ts'

describe('did you mean', () => {
  it.each([
    ['', '', 0],
    ['abc', '', 3],
    ['capacity', 'capacity', 0],
    ['capcity', 'capacity', 1],
    ['capacityy', 'capacity', 1],
    ['capocity', 'capacity', 1],
    ['cpaacity', 'capacity', 1],
    ['kitten', 'sitting', 3],
  ])('%s is %s with %i edits', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance)
  })

  it('is the same in both directions', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a))
      }),
    )
  })

  it('takes the nearest name and ignores case', () => {
    expect(nearest('Modle', ['name', 'model', 'mode'])).toBe('model')
    expect(nearest('ALLOCATION', ['capacity', 'allocation'])).toBe('allocation')
  })

  it('stays silent where nothing is near', () => {
    expect(nearest('zzz', ['capacity', 'allocation'])).toBeUndefined()
    expect(didYouMean('x'.repeat(1e6), ['capacity'])).toBe('')
  })
})
