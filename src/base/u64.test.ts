// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareU64, hex64, hiOf, loOf, pageHi, pageLo, pageOf, toBigint, toNumber } from './u64.ts'

const edges = [
  0n,
  1n,
  4095n,
  4096n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  1n << 63n,
  (1n << 64n) - 1n,
]
const u64 = fc.oneof(fc.constantFrom(...edges), fc.bigInt(0n, (1n << 64n) - 1n))

describe('u64 pairs', () => {
  it('come back as the same bigint', () => {
    fc.assert(
      fc.property(u64, (value) => {
        expect(toBigint(hiOf(value), loOf(value))).toBe(value)
      }),
    )
  })

  it('are int32 halves', () => {
    fc.assert(
      fc.property(u64, (value) => {
        expect(hiOf(value)).toBe(Number(BigInt.asIntN(32, value >> 32n)))
        expect(loOf(value)).toBe(Number(BigInt.asIntN(32, value)))
      }),
    )
  })

  it('compare as unsigned numbers', () => {
    fc.assert(
      fc.property(u64, u64, (a, b) => {
        const expected = a < b ? -1 : a > b ? 1 : 0
        expect(Math.sign(compareU64(hiOf(a), loOf(a), hiOf(b), loOf(b)))).toBe(expected)
      }),
    )
  })

  it('give the number of their page and back the page address', () => {
    fc.assert(
      fc.property(u64, (value) => {
        const page = pageOf(hiOf(value), loOf(value))
        expect(BigInt(page)).toBe(value >> 12n)
        expect(toBigint(pageHi(page), pageLo(page))).toBe((value >> 12n) << 12n)
      }),
    )
  })

  it('print with sixteen digits', () => {
    expect(hex64(0, 0x1000)).toBe('0x0000000000001000')
    expect(hex64(-1, -1)).toBe('0xffffffffffffffff')
  })

  it('become a number that is exact below 2^53', () => {
    expect(toNumber(0x1fffff, -1)).toBe(Number.MAX_SAFE_INTEGER)
    expect(toNumber(0, -1)).toBe(0xffffffff)
  })
})
