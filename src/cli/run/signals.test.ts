// SPDX-License-Identifier: MIT
import { expect, it } from 'vitest'
import { isInForeground } from './signals.ts'

it.each([
  ['12 (node) S 1 12 12 34816 12 4194304', true],
  ['12 (a (b) c) S 1 12 12 34816 77 4194304', false],
  ['12 (node) S 1 12 12 0 -1 4194304', false],
  ['', false],
])('the foreground group of %j: %s', (stat, expected) => {
  expect(isInForeground(stat)).toBe(expected)
})
