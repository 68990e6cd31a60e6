// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { vtdSecondStage } from '../../page-tables/formats/vtd-second-stage.ts'
import { NO_PASID } from '../../pci/messages.ts'
import { ALL_CONTEXT, READ_WRITE, RID, ScriptedDriver } from './scripted-driver.suite.ts'

/** First stage on PASIDs 5 and 6 (domains 1 and 2), second stage on 7 (domain 3), nested on 8 (domain 4): 1000h is frame 40. */
function cached(): ScriptedDriver {
  const driver = new ScriptedDriver()
  driver.setContext()
  const first = driver.pageTable()
  const second = driver.pageTable(vtdSecondStage(4, true))
  first.map(0, 0x1000, 40, 8, READ_WRITE)
  second.map(0, 0, 0, 64, READ_WRITE)
  const roots = { firstRoot: first.root, secondRoot: second.root }
  driver.setEntry(5, { ...roots, did: 1 })
  driver.setEntry(6, { ...roots, did: 2 })
  driver.setEntry(7, { ...roots, did: 3, pgtt: 2 })
  driver.setEntry(8, { ...roots, did: 4, pgtt: 3 })
  for (const pasid of [5, 6, 7, 8]) for (const lo of PAGES) driver.dma(pasid, 0, lo)
  first.unmap(0, 0x1000, 8)
  second.unmap(0, 0, 64)
  return driver
}

const PAGES = [0x1000, 0x2000, 0x3000, 0x4000]

/** For each PASID: how many of the four pages are still in the IOTLB. */
function kept(driver: ScriptedDriver): number[] {
  return [5, 6, 7, 8].map((pasid) => PAGES.filter((lo) => driver.dma(pasid, 0, lo) >= 0).length)
}

describe('the IOTLB is stale until invalidated (VT-d 6.5.2)', () => {
  test('without an invalidation everything stays', () => {
    expect(kept(cached())).toEqual([4, 4, 4, 4])
  })

  test.each([
    ['all', [0x12], [0, 0, 0, 0]],
    ['of a first-stage domain', [0x10022], [0, 4, 4, 4]],
    ['of a nested domain', [0x40022], [4, 4, 4, 0]],
    ['pages of a second-stage domain', [0x30032, 0, 0x2001], [4, 4, 2, 4]],
    ['pages of a first-stage domain: none of the first stage', [0x10032, 0, 0x2001], [4, 4, 4, 4]],
    ['pages of a nested domain: all of it', [0x40032, 0, 0x2000], [4, 4, 4, 0]],
    ['pages of a domain without entries', [0x90032, 0, 0x2000], [4, 4, 4, 4]],
    ['of a PASID', [0x10026, 5], [0, 4, 4, 4]],
    ['of a PASID in another domain', [0x10026, 6], [4, 4, 4, 4]],
    ['a page of a PASID', [0x20036, 6, 0x3000], [4, 3, 4, 4]],
    ['pages of a PASID with a hint', [0x20036, 6, 0x42], [4, 1, 4, 4]],
    ['a page of a nested PASID', [0x40036, 8, 0x1000], [4, 4, 4, 3]],
  ])('%s', (_what, words, left) => {
    const driver = cached()
    driver.submit(...words)
    expect(kept(driver)).toEqual(left)
  })

  test('a device that leaves a domain id to two PASIDs has them apart by PASID', () => {
    const driver = cached()
    driver.setEntry(6, { did: 1, firstRoot: driver.pageTable().root })
    driver.invalidatePasids()
    expect(kept(driver)).toEqual([4, 0, 4, 4])
  })
})

/** The same, and the entries of 5 and 6 are gone. */
function moved(): ScriptedDriver {
  const driver = cached()
  for (const pasid of [5, 6]) driver.setEntry(pasid, { flags: 0 })
  return driver
}

describe('the PASID cache (VT-d 6.2.3)', () => {
  test.each([
    ['nothing', [], [4, 4]],
    ['all', [0x37], [0, 0]],
    ['of a domain', [0x10007], [0, 4]],
    ['of a domain and PASID', [0x20017, 6], [4, 0]],
    ['of a PASID in another domain', [0x20017, 5], [4, 4]],
    ['contexts alone: entries stay', [0x11], [4, 4]],
  ])('%s', (_what, words, left) => {
    const driver = moved()
    if (words.length > 0) driver.submit(...words)
    expect(kept(driver).slice(0, 2)).toEqual(left)
  })

  test('entries that are not there are not cached', () => {
    const driver = moved()
    driver.invalidatePasids()
    expect(driver.dma(5, 0, 0x1000)).toBe(-1)
    driver.simpleDevice().map(0, 0x1000, 41, 1, READ_WRITE)
    driver.invalidateIotlb()
    expect(driver.dma(5, 0, 0x1000)).toBe(41)
  })
})

describe('the context cache (VT-d 6.2.2)', () => {
  test.each([
    ['nothing', [], 4],
    ['all', [0x11], 0],
    ['a domain: all, since entries have none', [0x90021], 0],
    ['the device', [0x31, RID], 0],
    ['another device', [0x31, RID + 8], 4],
    ['functions of the device: bits 2:0 ignored', [0x31, (RID + 5) | (3 << 16)], 0],
    ['functions of the device: bit 2 ignored', [0x31, (RID + 5) | (1 << 16)], 4],
  ])('%s', (_what, words, left) => {
    const driver = cached()
    driver.setContext(RID, 0)
    if (words.length > 0) driver.submit(...words)
    expect(kept(driver)[0]).toBe(left)
  })

  test('the root table pointer takes effect with SRTP; what is cached stays', () => {
    const driver = cached()
    driver.write(0x20, 0x400 | (driver.allocTable() << 12))
    expect(driver.dma(5, 0, 0x1000)).toBe(40)
    driver.write(0x18, 0xc4000000)
    expect(driver.dma(5, 0, 0x1000)).toBe(40)
    driver.invalidateContexts()
    expect([driver.dma(5, 0, 0x1000), driver.reasons()]).toEqual([-1, [0x39]])
  })

  test('RID_PASID that changed is looked up anew', () => {
    const driver = cached()
    driver.setContext(RID, ALL_CONTEXT, 5)
    driver.invalidateContexts()
    expect(driver.dma(NO_PASID, 0, 0x1000)).toBe(40)
    driver.setContext(RID, ALL_CONTEXT, 7)
    driver.invalidateContexts()
    expect(driver.dma(NO_PASID, 0, 0x1000)).toBe(1)
  })
})

test('more tags than the IOTLB can tell apart: everything is forgotten, nothing confused', () => {
  const driver = new ScriptedDriver({ frames: 4096 })
  driver.setContext()
  const tables = [1, 2].map((frame) => {
    const table = driver.pageTable()
    table.map(0, 0x1000, frame, 1, READ_WRITE)
    return table
  })
  for (let pasid = 0; pasid < 5000; pasid++)
    driver.setEntry(pasid, { did: pasid, firstRoot: tables[pasid & 1]!.root })
  for (let round = 0; round < 2; round++)
    for (let pasid = 0; pasid < 5000; pasid++) expect(driver.dma(pasid, 0, 0x1000)).toBe(1 + (pasid & 1))
})
