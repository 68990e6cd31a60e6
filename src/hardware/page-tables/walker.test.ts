// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { hiOf, loOf } from '../../base/u64.ts'
import { ACCESS_READ, ACCESS_WRITE, type Translation } from '../pci/messages.ts'
import { Rig, RW } from './conformance-rig.suite.ts'
import { X86_64_4_LEVEL, X86_64_5_LEVEL } from './formats/x86-64.ts'
import { type TableTranslator, WALK_NO_PERMISSION, WALK_OK, WALK_SECOND_STAGE } from './walker.ts'

/** A second stage that adds an offset to guest frames. */
class Offset implements TableTranslator {
  readonly offset: number
  /** Guest frames of tables, in the order in which they were asked for; written ones as -frame. */
  readonly tables: number[] = []
  /** Guest table that is refused, for reads or for writes. */
  refusedRead = -1
  refusedWrite = -1
  pageAccess: number = RW
  pageShift = 12

  constructor(offset: number) {
    this.offset = offset
  }

  tableFrame(guestFrame: number, write: boolean): number {
    this.tables.push(write ? -guestFrame : guestFrame)
    if (guestFrame === (write ? this.refusedWrite : this.refusedRead)) return -1
    return guestFrame + this.offset
  }

  page(access: number, out: Translation): boolean {
    if ((access & ~this.pageAccess) !== 0) return false
    out.frame += this.offset
    out.access &= this.pageAccess
    out.shift = Math.min(out.shift, this.pageShift)
    return true
  }
}

/** Makes the tables of a rig guest tables: every pointer on the way to `address` is lower by `offset`, as the root is. */
function asGuest(rig: Rig, address: bigint, offset: number): number {
  const pointers: number[] = []
  for (let level = rig.format.levels - 1; level > 0; level--) pointers.push(rig.word(address, level))
  for (const word of pointers) rig.memory.words[word] = rig.memory.words[word]! - offset * 4096
  return rig.table.root - offset
}

function nested(rig: Rig, root: number, stage: TableTranslator, access: number = ACCESS_READ): number {
  return rig.walker.walkNested(root, hiOf(rig.base), loOf(rig.base), access, stage, rig.out)
}

describe('nested walk (spec/04 §1.6)', () => {
  test('translates every table and the page', () => {
    for (const format of [X86_64_4_LEVEL, X86_64_5_LEVEL]) {
      const rig = new Rig(format)
      for (let i = 0; i < 5; i++) rig.frames.allocTable()
      rig.map(rig.base, 100, 1, RW)
      const root = asGuest(rig, rig.base, 1)
      const stage = new Offset(1)
      expect(nested(rig, root, stage)).toBe(WALK_OK)
      expect([rig.out.frame, rig.out.shift, rig.out.access]).toEqual([101, 12, RW])
      expect(new Set(stage.tables.map(Math.abs)).size).toBe(format.levels)
    }
  })

  test('narrows a large page to what the second stage maps', () => {
    const rig = new Rig(X86_64_4_LEVEL)
    rig.map(rig.base, 512, 512, RW)
    const stage = new Offset(0)
    expect(nested(rig, rig.table.root, stage)).toBe(WALK_OK)
    expect([rig.out.frame, rig.out.shift]).toEqual([512, 12])
  })

  test('stops where the second stage refuses a table', () => {
    const rig = new Rig(X86_64_4_LEVEL)
    rig.map(rig.base, 100, 1, RW)
    const stage = new Offset(0)
    stage.refusedRead = rig.memory.words[rig.word(rig.base, 3)]! >>> 12
    expect(nested(rig, rig.table.root, stage)).toBe(WALK_SECOND_STAGE)
    expect(rig.walker.failedLevel).toBe(2)
  })

  test('needs write permission for a table only to set a bit in it', () => {
    const rig = new Rig(X86_64_4_LEVEL)
    rig.map(rig.base, 100, 1, RW)
    const stage = new Offset(0)
    stage.refusedWrite = rig.table.root
    expect(nested(rig, rig.table.root, stage)).toBe(WALK_SECOND_STAGE)
    expect(rig.walker.failedLevel).toBe(3)
    rig.walk(rig.base)
    expect(nested(rig, rig.table.root, stage)).toBe(WALK_OK)
  })

  test('lets the second stage refuse the page', () => {
    const rig = new Rig(X86_64_4_LEVEL)
    rig.map(rig.base, 100, 1, ACCESS_READ)
    const stage = new Offset(0)
    expect(nested(rig, rig.table.root, stage, ACCESS_WRITE)).toBe(WALK_NO_PERMISSION)
    stage.pageAccess = 0
    expect(nested(rig, rig.table.root, stage)).toBe(WALK_SECOND_STAGE)
    expect(rig.walker.failedLevel).toBe(0)
  })
})

test('a walk after first use gives what the first one gave', () => {
  const rig = new Rig(X86_64_4_LEVEL)
  rig.map(rig.base, 100, 3, ACCESS_READ)
  for (const round of [1, 2, 3]) {
    expect([round, rig.walk(rig.base + 4096n)]).toEqual([round, WALK_OK])
    expect([rig.out.frame, rig.out.shift, rig.out.access]).toEqual([101, 12, ACCESS_READ])
    expect([round, rig.walk(rig.base + 4096n, RW)]).toEqual([round, WALK_NO_PERMISSION])
  }
})
