// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { ACCESS_READ, ACCESS_WRITE, NO_PASID } from '../../pci/messages.ts'
import { ScriptedDriver, SID } from './scripted-driver.suite.ts'

const RW = ACCESS_READ | ACCESS_WRITE
const ASID = 1

/** One page mapped, used and unmapped, so that every cache on the way still holds it. */
function stale(page = 1, unit = {}): ScriptedDriver {
  const driver = new ScriptedDriver({ unit })
  const table = driver.simpleStream()
  table.map(0, page << 12, 40, 1, RW)
  expect(driver.dma(NO_PASID, BigInt(page) << 12n)).toBe(40)
  table.unmap(0, page << 12, 1)
  return driver
}

describe('TLB entries are stale until invalidated (4.4)', () => {
  test.each([
    ['TLBI_NH_VA', [0x12, ASID << 16, 0x1000]],
    ['TLBI_NH_VAA', [0x13, 0, 0x1000]],
    ['TLBI_NH_ASID', [0x11, ASID << 16]],
    ['TLBI_NH_ALL', [0x10]],
    ['TLBI_S12_VMALL', [0x28]],
    ['TLBI_NSNH_ALL', [0x30]],
    ['a range of 3 pages from 0', [0x12 | (2 << 12), ASID << 16, 1 << 10]],
    ['a range of 2 × 2^20 pages', [0x13 | (1 << 12) | (20 << 20), 0, 1 << 10]],
  ])('%s helps', (_name, command) => {
    const driver = stale()
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(40)
    driver.command(...command)
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(-1)
  })

  test.each([
    ['another address', [0x12, ASID << 16, 0x2000]],
    ['another ASID', [0x12, (ASID + 1) << 16, 0x1000]],
    ['another VMID', [0x10, 5]],
    ['stage 2 of the same VMID', [0x2a, 0, 0x1000]],
    ['a range that ends before it', [0x12, ASID << 16, 1 << 10]],
    ['configuration', [0x04, 0, 31]],
    ['nothing at all', [0x46]],
  ])('%s does not', (_name, command) => {
    const driver = stale()
    driver.command(...command)
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(40)
  })

  test('a unit without ranges takes the fields for nothing', () => {
    const driver = stale(3, { rangeInvalidation: false })
    driver.command(0x12 | (7 << 12), ASID << 16, 1 << 10)
    expect(driver.dma(NO_PASID, 0x3000n)).toBe(40)
  })

  test('stage-2 entries go by IPA and VMID', () => {
    const driver = new ScriptedDriver()
    const table = driver.stage2Table()
    driver.setSte(SID, driver.stage2Ste(table.root, { vmid: 3 }))
    for (const command of [[0x2a, 3, 0x1000], [0x28, 3], [0x30]]) {
      table.map(0, 0x1000, 40, 1, RW)
      expect(driver.dma(NO_PASID, 0x1000n)).toBe(40)
      table.unmap(0, 0x1000, 1)
      driver.command(0x10, 3)
      driver.command(0x2a, 2, 0x1000)
      expect(driver.dma(NO_PASID, 0x1000n)).toBe(40)
      driver.command(...command)
      expect(driver.dma(NO_PASID, 0x1000n)).toBe(-1)
    }
  })

  test('the first write walks, though the page was read: the dirty state must be kept', () => {
    const driver = new ScriptedDriver()
    const table = driver.simpleStream()
    table.map(0, 0x1000, 40, 1, RW)
    driver.dma(NO_PASID, 0x1000n)
    expect(table.harvestDirty(0, 0x1000, 1, false)).toBe(0)
    driver.dma(NO_PASID, 0x1000n, ACCESS_WRITE)
    expect(table.harvestDirty(0, 0x1000, 1, false)).toBe(1)
  })
})

function twoTables() {
  const driver = new ScriptedDriver()
  const [one, two] = [driver.table(), driver.table()]
  one.map(0, 0x1000, 40, 1, RW)
  two.map(0, 0x1000, 50, 1, RW)
  const cds = driver.allocTable()
  driver.setCd(cds * 1024, { root: one.root, asid: 1 })
  driver.setCd(cds * 1024 + 16, { root: one.root, asid: 1 })
  driver.setSte(SID, driver.stage1Ste(cds, { cdBits: 2 }))
  expect([driver.dma(NO_PASID, 0x1000n), driver.dma(1, 0x1000n)]).toEqual([40, 40])
  driver.setCd(cds * 1024, { root: two.root, asid: 2 })
  driver.setCd(cds * 1024 + 16, { root: two.root, asid: 2 })
  const look = (): number[] => [driver.dma(NO_PASID, 0x1000n), driver.dma(1, 0x1000n)]
  expect(look()).toEqual([40, 40])
  return { driver, look }
}

describe('configuration is stale until invalidated (3.21)', () => {
  test.each([
    ['CFGI_CD of one substream', [0x05 | (1 << 12), SID], [40, 50]],
    ['CFGI_CD of substream 0', [0x05, SID], [50, 40]],
    ['CFGI_CD_ALL', [0x06, SID], [50, 50]],
    ['CFGI_STE', [0x03, SID], [50, 50]],
    ['CFGI_STE_RANGE around it', [0x04, SID & ~15, 3], [50, 50]],
    ['CFGI_STE_RANGE beside it', [0x04, SID + 8, 2], [40, 40]],
    ['CFGI_ALL', [0x04, 0, 31], [50, 50]],
    ['CFGI_CD_ALL of another stream', [0x06, SID + 1], [40, 40]],
    ['CFGI_STE of another stream', [0x03, SID + 64], [40, 40]],
    ['TLBI', [0x30], [40, 40]],
  ])('%s', (_name, command, expected) => {
    const { driver, look } = twoTables()
    driver.command(...command)
    if (command[0] === 0x30) return expect(driver.dma(NO_PASID, 0x1000n)).toBe(40)
    expect(look()).toEqual(expected)
  })

  test('an entry that was wrong is read again without an invalidation', () => {
    const driver = new ScriptedDriver()
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(-1)
    driver.simpleStream().map(0, 0x1000, 40, 1, RW)
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(40)
  })
})
