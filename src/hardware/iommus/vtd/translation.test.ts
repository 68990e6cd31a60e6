// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { vtdSecondStage } from '../../page-tables/formats/vtd-second-stage.ts'
import { X86_64_5_LEVEL } from '../../page-tables/formats/x86-64.ts'
import { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE, NO_PASID } from '../../pci/messages.ts'
import { ALL_CONTEXT, READ_WRITE, RID, ScriptedDriver } from './scripted-driver.suite.ts'

/** Low word of the leaf entry that maps the address in a table of 4 levels. */
function leaf(driver: ScriptedDriver, root: number, hi: number, lo: number): number {
  const { words } = driver.memory
  const indexes = [(hi >>> 7) & 511, ((hi << 2) | (lo >>> 30)) & 511, (lo >>> 21) & 511, (lo >>> 12) & 511]
  let table = root
  for (const index of indexes.slice(0, 3)) table = words[table * 1024 + 2 * index]! >>> 12
  return words[table * 1024 + 2 * indexes[3]!]!
}

describe('address spaces of scalable mode (VT-d 3.4.3)', () => {
  test('a first-stage table translates requests with and without PASID', () => {
    const driver = new ScriptedDriver()
    driver.simpleDevice().map(0x12, 0x3000, 700, 2, READ_WRITE)
    expect(driver.dma(NO_PASID, 0x12, 0x3abc)).toBe(700)
    expect(driver.dma(5, 0x12, 0x4abc, ACCESS_WRITE)).toBe(701)
    expect(driver.dma(5, 0x12, 0x4abc)).toBe(701)
    expect(driver.reasons()).toEqual([])
  })

  test('FSPM 1 is five levels', () => {
    const driver = new ScriptedDriver()
    driver.simpleDevice()
    const table = driver.pageTable(X86_64_5_LEVEL)
    driver.setEntry(6, { firstRoot: table.root, rules: 0x34, did: 2 })
    table.map(0x10000, 0x1000, 123, 1, ACCESS_READ)
    expect(driver.dma(6, 0x10000, 0x1000)).toBe(123)
    expect([driver.dma(5, 0x10000, 0x1000), driver.reasons()]).toEqual([-1, [0x80]])
  })

  test.each([
    [1, 3, 0x7f],
    [2, 4, 0xffff],
    [3, 5, 0x1ffffff],
  ] as const)('AW %i is a second stage of %i levels', (width, levels, hi) => {
    const driver = new ScriptedDriver()
    driver.setContext()
    const table = driver.pageTable(vtdSecondStage(levels, false))
    driver.setEntry(0, { pgtt: 2, width, secondRoot: table.root })
    table.map(hi, 0xfffff000 | 0, 321, 1, ACCESS_WRITE)
    expect(driver.dma(NO_PASID, hi, 0xfffffabc | 0, ACCESS_WRITE)).toBe(321)
    expect([driver.dma(NO_PASID, hi, 0xfffffabc | 0), driver.reasons()]).toEqual([-1, [0x86]])
    const beyond = levels === 5 ? 0x83 : 0x84
    expect([driver.dma(NO_PASID, hi + 1, 0), driver.reasons()]).toEqual([-1, [beyond]])
  })

  test('pass-through gives the address itself, where there is memory', () => {
    const driver = new ScriptedDriver()
    driver.setContext()
    driver.setEntry(0, { pgtt: 4 })
    expect(driver.dma(NO_PASID, 0, 77 << 12, ACCESS_WRITE)).toBe(77)
    expect([driver.dma(NO_PASID, 1, 0), driver.reasons()]).toEqual([-1, [0x83]])
  })

  test('with translation off untranslated requests pass unchanged and translation requests are refused', () => {
    const driver = new ScriptedDriver({ off: true })
    driver.simpleDevice()
    expect(driver.dma(NO_PASID, 0, 0x9000)).toBe(9)
    expect(driver.ats(NO_PASID, 0, 0x9000)).toBe('1')
  })

  test('the upper half of a bus has a context table of its own', () => {
    const driver = new ScriptedDriver()
    const rid = 0x01f8
    driver.simpleDevice()
    driver.simpleDevice(rid, 2).map(0, 0x1000, 33, 1, ACCESS_READ)
    expect([driver.dma(5, 0, 0x1000, ACCESS_READ, rid), driver.dma(5, 0, 0x1000)]).toEqual([33, -1])
  })

  test('PASIDs of 20 bits lie in a directory of 32 frames', () => {
    const driver = new ScriptedDriver()
    driver.setContext(RID, ALL_CONTEXT, 0, 7)
    const table = driver.pageTable()
    driver.setEntry(0xfffff, { firstRoot: table.root })
    table.map(0, 0x1000, 55, 1, ACCESS_READ)
    expect(driver.dma(0xfffff, 0, 0x1000)).toBe(55)
  })

  test('requests without PASID have the PASID that the context says, and its privilege', () => {
    const driver = new ScriptedDriver()
    const table = driver.pageTable()
    driver.setContext(RID, ALL_CONTEXT, 9 | (1 << 20))
    driver.setEntry(9, { firstRoot: table.root, rules: 0x31 })
    table.map(0, 0x1000, 44, 1, ACCESS_READ | ACCESS_PRIV)
    expect(driver.dma(NO_PASID, 0, 0x1000)).toBe(44)
    expect([driver.dma(9, 0, 0x1000), driver.reasons()]).toEqual([-1, [0x81]])
  })
})

/** Three read-only pages: user data, user code, supervisor code. */
function rules(word4: number): ScriptedDriver {
  const driver = new ScriptedDriver()
  const table = driver.simpleDevice()
  driver.setEntry(6, { firstRoot: table.root, rules: word4, did: 2 })
  table.map(0, 0x1000, 61, 1, ACCESS_READ)
  table.map(0, 0x2000, 62, 1, ACCESS_READ | ACCESS_EXEC)
  table.map(0, 0x3000, 63, 1, ACCESS_READ | ACCESS_EXEC | ACCESS_PRIV)
  return driver
}

describe('access rights of the first stage (VT-d 3.6.1)', () => {
  const SRE_ERE = 3
  const WRITE_PRIV = ACCESS_WRITE | ACCESS_PRIV
  const EXEC = ACCESS_READ | ACCESS_EXEC

  test('supervisors write read-only pages unless WPE is set', () => {
    expect(rules(SRE_ERE).dma(6, 0, 0x1000, WRITE_PRIV)).toBe(61)
    expect(rules(SRE_ERE).dma(6, 0, 0x1000, ACCESS_WRITE)).toBe(-1)
    const strict = rules(SRE_ERE | 0x10)
    expect([strict.dma(6, 0, 0x1000, WRITE_PRIV), strict.reasons()]).toEqual([-1, [0x85]])
  })

  test('XD counts when NXE is set', () => {
    expect(rules(SRE_ERE).dma(6, 0, 0x1000, EXEC)).toBe(61)
    const strict = rules(SRE_ERE | 0x20)
    expect([strict.dma(6, 0, 0x1000, EXEC), strict.reasons()]).toEqual([-1, [0x82]])
    expect(strict.dma(6, 0, 0x2000, EXEC)).toBe(62)
  })

  test('supervisors do not execute user pages with SMEP', () => {
    expect(rules(SRE_ERE | 0x20).dma(6, 0, 0x2000, EXEC | ACCESS_PRIV)).toBe(62)
    const strict = rules(SRE_ERE | 0x60)
    expect([strict.dma(6, 0, 0x2000, EXEC | ACCESS_PRIV), strict.reasons()]).toEqual([-1, [0x82]])
    expect(strict.dma(6, 0, 0x3000, EXEC | ACCESS_PRIV)).toBe(63)
  })

  test('execute and supervisor requests need ERE and SRE, also when the page is in the IOTLB', () => {
    const driver = rules(0x30)
    expect(driver.dma(6, 0, 0x2000)).toBe(62)
    expect([driver.dma(6, 0, 0x2000, EXEC), driver.reasons()]).toEqual([-1, [0x5c]])
    expect([driver.dma(6, 0, 0x2000, ACCESS_READ | ACCESS_PRIV), driver.reasons()]).toEqual([-1, [0x5d]])
  })
})

describe('accessed and dirty bits (VT-d 3.6.2, 3.7.2)', () => {
  test('first stage: bits 5 and 6', () => {
    const driver = new ScriptedDriver()
    const table = driver.simpleDevice()
    table.map(0, 0x1000, 40, 1, READ_WRITE)
    driver.dma(5, 0, 0x1000)
    expect(leaf(driver, table.root, 0, 0x1000) & 0x60).toBe(0x20)
    driver.dma(5, 0, 0x1000, ACCESS_WRITE)
    expect(leaf(driver, table.root, 0, 0x1000) & 0x60).toBe(0x60)
  })

  test('second stage: bits 8 and 9, with SSADE only', () => {
    const driver = new ScriptedDriver()
    const table = driver.pageTable(vtdSecondStage(4, false))
    driver.setContext()
    driver.setEntry(5, { pgtt: 2, secondRoot: table.root })
    driver.setEntry(6, { pgtt: 2, secondRoot: table.root, did: 2, flags: 0x201 })
    table.map(0, 0x1000, 40, 1, READ_WRITE)
    driver.dma(5, 0, 0x1000, ACCESS_WRITE)
    expect(leaf(driver, table.root, 0, 0x1000)).toBe((40 << 12) | 3)
    driver.dma(6, 0, 0x1000)
    expect(leaf(driver, table.root, 0, 0x1000)).toBe((40 << 12) | 0x103)
    driver.dma(6, 0, 0x1000, ACCESS_WRITE)
    expect(leaf(driver, table.root, 0, 0x1000)).toBe((40 << 12) | 0x303)
  })
})

describe('translation requests (spec/01 §6.3, VT-d 4.2)', () => {
  test('a page that is there is translated with the permissions asked for', () => {
    const driver = new ScriptedDriver()
    driver.simpleDevice().map(0, 0x1000, 40, 1, READ_WRITE)
    expect(driver.ats(5, 0, 0x1000, ACCESS_WRITE)).toMatch(/^0 3 40$/)
    expect(driver.ats(NO_PASID, 0, 0x1000)).toBe('0 1 40')
  })

  test('a missing page, or a missing permission, is Success without access, and nothing is recorded', () => {
    const driver = new ScriptedDriver()
    driver.simpleDevice().map(0, 0x1000, 40, 1, ACCESS_READ)
    expect(driver.ats(5, 0, 0x2000)).toBe('0 0')
    expect(driver.ats(5, 0, 0x1000, ACCESS_WRITE)).toBe('0 0')
    expect(driver.ats(5, 0x8000, 0)).toBe('0 0')
    expect(driver.reasons()).toEqual([])
  })

  test('tables that are wrong are Completer Abort, absent ones Unsupported Request, both recorded as such', () => {
    const driver = new ScriptedDriver()
    driver.simpleDevice()
    driver.setEntry(6, { firstRoot: 100_000 })
    expect([driver.ats(6, 0, 0x1000), driver.ats(7, 0, 0x1000)]).toEqual(['2', '1'])
    const faults = driver.takeFaults()
    expect(faults.map(({ reason }) => reason)).toEqual([0x73, 0x59])
    // T1 set for a read; address type 1.
    expect(faults.map(({ bits }) => bits)).toEqual([5, 5])
  })
})
