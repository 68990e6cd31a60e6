// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE } from '../../pci/messages.ts'
import { Rig, RW } from '../conformance-rig.suite.ts'
import { WALK_NO_PERMISSION, WALK_OK } from '../walker.ts'
import { vtdFirstStage } from './vtd-first-stage.ts'
import { vtdSecondStage } from './vtd-second-stage.ts'

/** The entry of a level as two unsigned words, high first. */
function entry(rig: Rig, address: bigint, level: number): string {
  const word = rig.word(address, level)
  const { words } = rig.memory
  return [words[word + 1]!, words[word]!].map((n) => (n >>> 0).toString(16).padStart(8, '0')).join('_')
}

describe('second stage', () => {
  test('entries have the bits of spec/04 §1.6: R 0, W 1, PS 7, A 8, D 9; tables R|W', () => {
    const rig = new Rig(vtdSecondStage(4, true))
    const at = 0x7f1234567000n
    rig.map(at, 0x7abcdef0, 1, RW)
    expect(entry(rig, at, 0)).toBe('000007ab_cdef0003')
    expect(entry(rig, at, 3)).toMatch(/^00000000_0000.003$/)
    rig.walk(at, ACCESS_READ)
    expect(entry(rig, at, 0)).toBe('000007ab_cdef0103')
    expect(entry(rig, at, 3)).toMatch(/^00000000_0000.103$/)
    rig.walk(at, ACCESS_WRITE)
    expect(entry(rig, at, 0)).toBe('000007ab_cdef0303')
    rig.map(at + 0x200000n - 0x167000n, 0x400, 512, ACCESS_READ)
    expect(entry(rig, at + 0x200000n, 1)).toBe('00000000_00400081')
  })

  test('without usage bits a walk writes nothing', () => {
    const rig = new Rig(vtdSecondStage(5, false))
    rig.map(rig.base, 9, 1, RW)
    rig.walk(rig.base, ACCESS_WRITE)
    expect(entry(rig, rig.base, 0)).toBe('00000000_00009003')
    expect(entry(rig, rig.base, 4)).toMatch(/003$/)
  })

  test('tables restrict what is below them', () => {
    const rig = new Rig(vtdSecondStage(4, true))
    rig.map(rig.base, 9, 1, RW)
    const word = rig.word(rig.base, 2)
    rig.memory.words[word] = rig.memory.words[word]! & ~2
    expect([rig.walk(rig.base), rig.walk(rig.base, ACCESS_WRITE)]).toEqual([WALK_OK, WALK_NO_PERMISSION])
  })
})

describe('first stage: what each request may do (VT-d 3.6.1)', () => {
  const PAGES: readonly (readonly [string, number])[] = [
    ['user data', ACCESS_READ],
    ['user code', ACCESS_READ | ACCESS_EXEC],
    ['supervisor data', ACCESS_READ | ACCESS_PRIV],
    ['supervisor code', ACCESS_READ | ACCESS_EXEC | ACCESS_PRIV],
  ]
  const REQUESTS = [ACCESS_READ, ACCESS_WRITE, ACCESS_READ | ACCESS_EXEC]

  /** `rwx` for user requests, then for supervisor requests, of each of the four read-only pages. */
  function table(writeProtect: boolean, noExecute: boolean, smep: boolean): string[] {
    return PAGES.map(([, access], index) => {
      const rig = new Rig(vtdFirstStage({ levels: 4, writeProtect, noExecute, smep }))
      const at = rig.base + BigInt(4096 * index)
      rig.map(at, 7, 1, access)
      const tried = [0, ACCESS_PRIV].map((privilege) =>
        REQUESTS.map((request, i) => (rig.walk(at, request | privilege) === WALK_OK ? 'rwx'[i] : '-')).join(
          '',
        ),
      )
      return tried.join(' ')
    })
  }

  test.each([
    [true, true, true, ['r-- r--', 'r-x r--', '--- r--', '--- r-x']],
    [true, true, false, ['r-- r--', 'r-x r-x', '--- r--', '--- r-x']],
    [true, false, false, ['r-x r-x', 'r-x r-x', '--- r-x', '--- r-x']],
    [true, false, true, ['r-x r--', 'r-x r--', '--- r-x', '--- r-x']],
    [false, true, false, ['r-- rw-', 'r-x rwx', '--- rw-', '--- rwx']],
  ])('WPE %s, NXE %s, SMEP %s', (writeProtect, noExecute, smep, expected) => {
    expect(table(writeProtect, noExecute, smep)).toEqual(expected)
  })
})
