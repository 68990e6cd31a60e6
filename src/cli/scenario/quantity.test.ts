// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DURATION, formatBytes, formatNanos, parseQuantity, quantityPattern, SIZE } from './quantity.ts'

describe('a quantity', () => {
  it.each([
    ['250ns', 250],
    ['5us', 5_000],
    ['5 µs', 5_000],
    ['10ms', 10_000_000],
    ['1s', 1_000_000_000],
    ['1.5us', 1_500],
    ['0', 0],
    ['17', 17],
    [' 3 us ', 3_000],
  ])('%j is that many nanoseconds: %i', (text, value) => {
    expect(parseQuantity(DURATION, text)).toEqual({ ok: true, value })
  })

  it.each([
    ['1', 1],
    ['17B', 17],
    ['4KiB', 4_096],
    ['64 KiB', 65_536],
    ['1GiB', 1_073_741_824],
    ['0.5KiB', 512],
    ['2TiB', 2_199_023_255_552],
  ])('%j is that many bytes: %i', (text, value) => {
    expect(parseQuantity(SIZE, text)).toEqual({ ok: true, value })
  })

  it.each([
    [DURATION, '5 parsecs', 'a duration in ns, us, ms, s, not in "parsecs"'],
    [DURATION, '1sec', 'did you mean s?'],
    [DURATION, '1.5ns', 'a whole number of nanoseconds'],
    [DURATION, -1, 'not negative'],
    [DURATION, '-1us', 'a duration such as 5us'],
    [DURATION, Number.POSITIVE_INFINITY, 'not negative'],
    [DURATION, Number.NaN, 'not negative'],
    [DURATION, 1e30, 'below 2^53'],
    [DURATION, '9999999999999999s', 'below 2^53'],
    [DURATION, true, 'a duration such as 5us'],
    [DURATION, '', 'a duration such as 5us'],
    [DURATION, undefined, 'a duration such as 5us'],
    [SIZE, '64kb', 'did you mean KiB?'],
    [SIZE, '64 MB', 'did you mean MiB?'],
    [SIZE, '64kib', 'did you mean KiB?'],
    [SIZE, '5us', 'a size in B, KiB, MiB, GiB, TiB, not in "us"'],
    [SIZE, '1'.repeat(1e6), 'a size such as 64KiB'],
  ])('%o refuses %j', (table, value, why) => {
    expect(parseQuantity(table, value)).toEqual({ ok: false, why: expect.stringContaining(why) })
  })

  it('takes exactly the spellings that the JSON schema allows', () => {
    const words = fc.stringMatching(/^[0-9. ]{0,4}[a-zA-Z]{0,3}$/)
    fc.assert(
      fc.property(words, (text) => {
        if (parseQuantity(SIZE, text).ok) expect(text).toMatch(new RegExp(quantityPattern(SIZE)))
      }),
    )
  })
})

describe('for people', () => {
  it.each([
    [0, '0 ns'],
    [999, '999 ns'],
    [1_500, '1.50 us'],
    [12_000, '12.0 us'],
    [220_000, '220 us'],
    [4_190_000, '4.19 ms'],
    [3e9, '3.00 s'],
  ])('%i nanoseconds are %s', (nanos, text) => {
    expect(formatNanos(nanos)).toBe(text)
  })

  it.each([
    [0, '0 B'],
    [4_097, '4.00 KiB'],
    [2 ** 30, '1.00 GiB'],
  ])('%i bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })
})
