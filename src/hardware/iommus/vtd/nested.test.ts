// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import type { PageTable } from '../../page-tables/page-table.ts'
import { vtdSecondStage } from '../../page-tables/formats/vtd-second-stage.ts'
import { ACCESS_READ, ACCESS_WRITE } from '../../pci/messages.ts'
import { READ_WRITE, ScriptedDriver } from './scripted-driver.suite.ts'

/** Guest frame = physical frame + this, so that an untranslated pointer would miss. */
const GUEST = 0x10000

interface Nested {
  readonly driver: ScriptedDriver
  readonly first: PageTable
  readonly second: PageTable
  /** Turns the pointers of the first stage, written by physical frame, into guest frames. */
  readonly relocate: () => void
}

function nested(flags = 0x201, access = READ_WRITE): Nested {
  const driver = new ScriptedDriver()
  driver.setContext()
  const second = driver.pageTable(vtdSecondStage(4, true))
  const first = driver.pageTable()
  const { words } = driver.memory
  second.map(0, GUEST << 12, 0, 1024, access, 12)
  driver.setEntry(5, { flags, pgtt: 3, did: 3, firstRoot: first.root, secondRoot: second.root })
  // The first stage's root is a guest address.
  const root = driver.entryWord(5) + 4
  words[root] = words[root]! + (GUEST << 12)
  const move = (frame: number, level: number): void => {
    if (level === 0) return
    for (let at = frame * 1024; at < frame * 1024 + 1024; at += 2) {
      if ((words[at]! & 1) === 0) continue
      move(words[at]! >>> 12, level - 1)
      words[at] = words[at]! + (GUEST << 12)
    }
  }
  return { driver, first, second, relocate: () => move(first.root, 3) }
}

describe('nested translation (VT-d 3.8; spec/04 §1.6)', () => {
  test('tables and pages of the first stage go through the second', () => {
    const { driver, first, relocate } = nested()
    first.map(0, 0x7000, GUEST + 300, 1, READ_WRITE)
    relocate()
    expect(driver.dma(5, 0, 0x7123, ACCESS_WRITE)).toBe(300)
    expect(driver.dma(5, 0, 0x7123)).toBe(300)
  })

  test('setting bits in the first stage makes its tables dirty in the second', () => {
    const { driver, first, second, relocate } = nested()
    first.map(0, 0x7000, GUEST + 300, 1, READ_WRITE)
    relocate()
    driver.dma(5, 0, 0x7000)
    const dirty: number[] = []
    second.harvestDirty(0, GUEST << 12, 1024, true, { leaf: (_hi, lo) => dirty.push((lo >>> 12) - GUEST) })
    expect(dirty).toContain(first.root)
    expect(dirty).not.toContain(300)
  })

  test('a page that is missing in the first stage is 71h, in the second 79h', () => {
    const { driver, first, relocate } = nested()
    first.map(0, 0x7000, 0x700, 1, READ_WRITE)
    relocate()
    expect([driver.dma(5, 0, 0x8000), driver.dma(5, 0, 0x7000)]).toEqual([-1, -1])
    expect(driver.reasons()).toEqual([0x71, 0x79])
    expect([driver.ats(5, 0, 0x8000), driver.ats(5, 0, 0x7000)]).toEqual(['0 0', '0 0'])
    expect(driver.reasons()).toEqual([])
  })

  test('permissions of both stages hold for the page', () => {
    const { driver, first, second, relocate } = nested()
    second.map(0, 0x900 << 12, 400, 1, ACCESS_READ)
    second.map(0, 0x901 << 12, 401, 1, ACCESS_WRITE)
    first.map(0, 0x7000, 0x900, 2, READ_WRITE)
    relocate()
    expect(driver.dma(5, 0, 0x7000)).toBe(400)
    expect([driver.dma(5, 0, 0x7000, ACCESS_WRITE), driver.reasons()]).toEqual([-1, [0x85]])
    expect([driver.dma(5, 0, 0x8000), driver.reasons()]).toEqual([-1, [0x86]])
  })

  test('a first stage in memory that may not be written is 77h at the first use', () => {
    const { driver, first, relocate } = nested(0x201, ACCESS_READ)
    first.map(0, 0x7000, GUEST + 300, 1, ACCESS_READ)
    relocate()
    expect([driver.dma(5, 0, 0x7000), driver.reasons()]).toEqual([-1, [0x77]])
  })

  test('a first stage in memory that may not be read is 75h at the top, 76h below', () => {
    const { driver, first, second, relocate } = nested()
    first.map(0, 0x7000, GUEST + 300, 1, READ_WRITE)
    relocate()
    const lower = driver.memory.words[first.root * 1024]! >>> 12
    second.changeAccess(0, lower << 12, 1, ACCESS_WRITE, 0)
    expect([driver.dma(5, 0, 0x7000), driver.reasons()]).toEqual([-1, [0x76]])
    second.changeAccess(0, (GUEST + first.root) << 12, 1, ACCESS_WRITE, 0)
    expect([driver.dma(5, 0, 0x7000), driver.reasons()]).toEqual([-1, [0x75]])
  })

  test('a first-stage table beyond the second stage is 74h, a page 84h', () => {
    const driver = new ScriptedDriver()
    driver.setContext()
    const second = driver.pageTable(vtdSecondStage(3, true))
    const first = driver.pageTable()
    second.map(0, 0, 0, 1024, READ_WRITE)
    first.map(0, 0x7000, 1 << 27, 1, READ_WRITE)
    driver.setEntry(5, { flags: 0x201, width: 1, pgtt: 3, firstRoot: first.root, secondRoot: second.root })
    expect([driver.dma(5, 0, 0x7000), driver.reasons()]).toEqual([-1, [0x84]])
    driver.memory.words[driver.entryWord(5) + 5] = 0x80
    driver.invalidatePasids()
    expect([driver.dma(5, 0, 0x7000), driver.reasons()]).toEqual([-1, [0x74]])
  })

  test('a unit without nesting refuses the entry: 5Bh', () => {
    const driver = new ScriptedDriver({ unit: { nested: false } })
    driver.setContext()
    const table = driver.pageTable()
    driver.setEntry(5, { pgtt: 3, firstRoot: table.root, secondRoot: table.root })
    expect([driver.dma(5, 0, 0x1000), driver.reasons()]).toEqual([-1, [0x5b]])
  })
})
