// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { assert, BrokenInvariant, broken, unreachable } from './assert.ts'

function isNever(value: unknown): value is never {
  return value === 7
}

describe('assert', () => {
  it('throws a BrokenInvariant with the message, and nothing when the condition holds', () => {
    expect(() => assert(false, '3 groups left')).toThrow(new BrokenInvariant('3 groups left'))
    expect(() => assert(true, 'fine')).not.toThrow()
  })

  it('has forms for a found break and for an arm that no value reaches', () => {
    expect(() => broken('list is gone')).toThrow(new BrokenInvariant('list is gone'))
    const value: unknown = 7
    expect(() => (isNever(value) ? unreachable(value) : 0)).toThrow('unreachable value 7')
  })
})
