// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sharesOf } from './shares.ts'

describe('sharesOf', () => {
  it('gives one stream everything', () => {
    expect(sharesOf(10_000, 1)).toEqual([{ firstByte: 0, lengthBytes: 10_000 }])
  })

  it('gives nobody anything of nothing', () => {
    expect(sharesOf(0, 2)).toEqual([
      { firstByte: 0, lengthBytes: 0 },
      { firstByte: 0, lengthBytes: 0 },
    ])
  })

  it('covers every byte once, in whole pages', () => {
    fc.assert(
      fc.property(fc.nat(5_000_000), fc.integer({ min: 1, max: 9 }), (length, count) => {
        let next = 0
        for (const share of sharesOf(length, count)) {
          if (share.lengthBytes > 0) expect(share.firstByte).toBe(next)
          expect(share.firstByte % 4096).toBe(0)
          next += share.lengthBytes
        }
        expect(next).toBe(length)
      }),
    )
  })
})
