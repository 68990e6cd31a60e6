// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE, NO_PASID } from '../../pci/messages.ts'
import * as L from './layout.ts'
import { ScriptedDriver, SID } from './scripted-driver.suite.ts'

const RW = ACCESS_READ | ACCESS_WRITE

/** Word of the lowest entry of a page below 512. */
function leafWord(driver: ScriptedDriver, root: number, page: number): number {
  const { words } = driver.memory
  let frame = root
  for (let level = 3; level > 0; level--) frame = words[frame * 1024]! >>> 12
  return frame * 1024 + page * 2
}

describe('what is wrong with a structure', () => {
  const BAD_STE: [string, (driver: ScriptedDriver) => number[]][] = [
    ['V = 0', () => [0]],
    ['S1Fmt 3', (driver) => driver.stage1Ste(1, { cdBits: 3, format: 3 })],
    ['S1DSS 3', (driver) => driver.stage1Ste(1, { cdBits: 3, s1dss: 3 })],
    ['more CDs than SSIDSIZE', (driver) => driver.stage1Ste(1, { cdBits: 21 })],
    ['EATS 3', (driver) => driver.stage1Ste(1, { word2: 3 << 28 })],
    ['EATS split without two stages', (driver) => driver.stage1Ste(1, { word2: 2 << 28 })],
    ['STRW of EL2', (driver) => driver.stage1Ste(1, { word2: 2 << 30 })],
    ['S2 of 16 KiB', (driver) => driver.stage2Ste(1, { flip5: 2 << 14 })],
    ['S2 of AArch32', (driver) => driver.stage2Ste(1, { flip5: 1 << 19 })],
    ['S2T0SZ beyond the unit', (driver) => driver.stage2Ste(1, { bits: 43 })],
    ['S2T0SZ that S2SL0 cannot reach', (driver) => driver.stage2Ste(1, { bits: 36, sl0: 0 })],
    ['S2SL0 that S2T0SZ does not need', (driver) => driver.stage2Ste(1, { bits: 39, sl0: 2 })],
    ['S2HD without S2HA', (driver) => driver.stage2Ste(1, { flip5: 1 << 24 })],
  ]

  test.each(BAD_STE)('C_BAD_STE: %s', (_name, make) => {
    const driver = new ScriptedDriver()
    driver.setSte(SID, make(driver))
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(-1)
    expect(driver.takeEvents()).toMatchObject([{ id: 0x04, sid: SID, stag: undefined }])
  })

  test.each([
    ['V = 0', { flip0: 1 << 31 }],
    ['ENDI', { flip0: 1 << 15 }],
    ['T0SZ too small', { tsz: 15 }],
    ['T0SZ too large', { tsz: 40 }],
    ['64 KiB granule', { flip0: 1 << 6 }],
    ['AArch32', { flip1: 1 << 9 }],
    ['HD without HA', { flip1: 1 << 11 }],
    ['A = 0 where terminated accesses are aborted', { flip1: 1 << 14 }],
    ['a table beyond IPS', { root: 1 << 20, flip1: 3 }],
  ])('C_BAD_CD: %s', (_name, options) => {
    const driver = new ScriptedDriver()
    driver.simpleStream(options)
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(-1)
    expect(driver.takeEvents()).toMatchObject([{ id: 0x0a, sid: SID }])
  })

  test('stalls that the unit or the stream does not have are C_BAD_CD', () => {
    const cases = [
      { unit: { stallModel: 'none' }, stall: true, word2: 0 },
      { unit: { stallModel: 'forced' }, stall: false, word2: 0 },
      { unit: {}, stall: true, word2: 1 << 27 },
    ] as const
    for (const { unit, stall, word2 } of cases) {
      const driver = new ScriptedDriver({ unit })
      const cd = driver.allocTable()
      driver.setCd(cd * 1024, { root: driver.table().root, stall })
      driver.setSte(SID, driver.stage1Ste(cd, { word2 }))
      expect(driver.dma(NO_PASID, 0x1000n)).toBe(-1)
      expect(driver.takeEvents()).toMatchObject([{ id: 0x0a }])
    }
  })

  test('StreamIDs beyond the table are recorded only where software asked for it', () => {
    const driver = new ScriptedDriver()
    expect(driver.dma(NO_PASID, 0n, ACCESS_READ, 512)).toBe(-1)
    expect(driver.takeEvents()).toMatchObject([{ id: 0x02, sid: 512 }])
    driver.write(L.SMMU_CR0, 0xe)
    driver.write(L.SMMU_CR2, 0)
    driver.write(L.SMMU_CR0, 0xf)
    expect(driver.dma(NO_PASID, 0n, ACCESS_READ, 512)).toBe(-1)
    expect(driver.takeEvents()).toEqual([])
  })

  test('structures outside memory: F_STE_FETCH, F_CD_FETCH, F_WALK_EABT', () => {
    const driver = new ScriptedDriver()
    const beyond = driver.memory.frames + 3
    driver.setSte(SID, driver.stage1Ste(beyond))
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(-1)
    const other = new ScriptedDriver()
    other.simpleStream({ root: beyond })
    expect(other.dma(NO_PASID, 0x1000n)).toBe(-1)
    const third = new ScriptedDriver()
    third.write(L.SMMU_CR0, 0xe)
    third.write(L.SMMU_STRTAB_BASE, beyond << 12)
    third.write(L.SMMU_CR0, 0xf)
    expect(third.dma(NO_PASID, 0x1000n)).toBe(-1)
    expect(driver.takeEvents()).toMatchObject([{ id: 0x09, ipa: BigInt(beyond) << 12n }])
    expect(other.takeEvents()).toMatchObject([{ id: 0x0b }])
    expect(third.takeEvents()).toMatchObject([{ id: 0x03, ipa: (BigInt(beyond) << 12n) + BigInt(SID * 64) }])
  })
})

describe('fault records of stage 1 (7.3.13 and following)', () => {
  test('translation, permission, access flag, address size', () => {
    const driver = new ScriptedDriver()
    const table = driver.simpleStream({ flip1: 3 << 10 })
    table.map(0, 0x1000, 40, 3, RW)
    expect(driver.dma(NO_PASID, 0x1008n)).toBe(-1)
    const { words } = driver.memory
    for (const page of [1, 2, 3]) {
      const leaf = leafWord(driver, table.root, page)
      words[leaf] = words[leaf]! | 0x400
      if (page === 3) words[leaf + 1] = words[leaf + 1]! | (1 << 10)
    }
    expect(driver.dma(NO_PASID, 0x1008n)).toBe(40)
    expect(driver.dma(NO_PASID, 0x1008n, ACCESS_WRITE)).toBe(-1)
    expect(driver.dma(NO_PASID, 0x1008n, ACCESS_READ | ACCESS_EXEC)).toBe(-1)
    expect(driver.dma(NO_PASID, 0x3008n)).toBe(-1)
    expect(driver.dma(NO_PASID, 0x4008n, ACCESS_READ | ACCESS_PRIV)).toBe(-1)
    const common = { sid: SID, s2: false, class: 2, stag: undefined }
    expect(driver.takeEvents()).toMatchObject([
      { id: 0x12, address: 0x1008n, ...common },
      { id: 0x13, address: 0x1008n, read: false, instruction: false, ...common },
      { id: 0x13, read: true, instruction: true, ...common },
      { id: 0x11, address: 0x3008n, ...common },
      { id: 0x10, address: 0x4008n, privileged: true, ...common },
    ])
  })

  test('CD.R says whether terminated faults are recorded; configuration faults are always', () => {
    const driver = new ScriptedDriver()
    driver.simpleStream({ flip1: 1 << 13 })
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(-1)
    expect(driver.takeEvents()).toEqual([])
  })

  test('walks that are disabled (EPD0) find nothing', () => {
    const driver = new ScriptedDriver()
    driver.simpleStream({ flip0: 1 << 14 }).map(0, 0x1000, 40, 1, RW)
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(-1)
    expect(driver.takeEvents()).toMatchObject([{ id: 0x10 }])
  })
})
