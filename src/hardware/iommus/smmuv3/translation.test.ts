// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { lpae } from '../../page-tables/formats/lpae.ts'
import {
  ACCESS_READ,
  ACCESS_WRITE,
  ATS_COMPLETER_ABORT,
  ATS_SUCCESS,
  ATS_UNSUPPORTED_REQUEST,
  NO_PASID,
  Translation,
} from '../../pci/messages.ts'
import * as L from './layout.ts'
import { ScriptedDriver, SID } from './scripted-driver.suite.ts'

const RW = ACCESS_READ | ACCESS_WRITE

describe('stage 1', () => {
  test('a stream without substreams translates through its one CD (5.2, 5.4)', () => {
    const driver = new ScriptedDriver()
    driver.simpleStream().map(0, 0x1000, 40, 1, RW)
    expect(driver.dma(NO_PASID, 0x1234n)).toBe(40)
    expect(driver.dma(NO_PASID, 0x1234n, ACCESS_WRITE)).toBe(40)
  })

  test('2-level stream table: a span tells how many entries there are', () => {
    const driver = new ScriptedDriver({ split: 6 })
    driver.simpleStream().map(0, 0x1000, 40, 1, RW)
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(40)
    const level1 = driver.streamTable * 1024 + (SID >> 6) * 2
    driver.memory.words[level1] = (driver.memory.words[level1]! & ~0x1f) | 4
    driver.forgetStream()
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(-1)
    expect(driver.dma(NO_PASID, 0x1000n, ACCESS_READ, 0x1ff)).toBe(-1)
    expect(driver.takeEvents().map(({ id }) => id)).toEqual([0x02, 0x02])
  })

  test.each([
    ['linear', 0, 3],
    ['leaves of 64', 1, 10],
    ['leaves of 1024', 2, 12],
  ])('substreams by a CD table that is %s', (_name, format, cdBits) => {
    const driver = new ScriptedDriver()
    const table = driver.table()
    table.map(0, 0x1000, 40, 1, RW)
    const cds = driver.frames(8)
    const ssid = 2 ** cdBits - 2
    driver.setSte(SID, driver.stage1Ste(cds, { cdBits, format, s1dss: 0 }))
    if (format === 0) {
      driver.setCd(cds * 1024 + ssid * 16, { root: table.root })
    } else {
      const leaves = driver.frames(16)
      const leafBits = format === 1 ? 6 : 10
      driver.memory.words[cds * 1024 + (ssid >> leafBits) * 2] = (leaves << 12) | 1
      driver.setCd(leaves * 1024 + (ssid & (2 ** leafBits - 1)) * 16, { root: table.root })
      expect(driver.dma(1, 0x1000n)).toBe(-1)
    }
    expect(driver.dma(ssid, 0x1000n)).toBe(40)
    expect(driver.dma(2 ** cdBits, 0x1000n)).toBe(-1)
    expect(driver.takeEvents().map(({ id }) => id)).toEqual(format === 0 ? [0x08] : [0x08, 0x08])
  })

  test.each([
    [16, 0x7fff_ffff_f000n],
    [25, 0x7f_ffff_f000n],
    [28, 0x4_0000_5000n],
    [34, 0x3fff_f000n],
    [39, 0x1ff_f000n],
  ])('an input size of 64 - %d bits ends where it says', (tsz, address) => {
    const driver = new ScriptedDriver()
    const bits = 64 - tsz
    const levels = bits > 39 ? 4 : 3
    const format = lpae({ stage: 1, levels, addressBits: 43, accessFlag: 'set', dirtyState: true })
    const table = driver.table(format)
    table.map(Number(address >> 32n), Number(BigInt.asIntN(32, address)), 77, 1, RW)
    const root = bits > 30 ? table.root : driver.memory.words[table.root * 1024]! >>> 12
    const cd = driver.allocTable()
    driver.setCd(cd * 1024, { root, tsz })
    driver.setSte(SID, driver.stage1Ste(cd))
    expect(driver.dma(NO_PASID, address)).toBe(77)
    expect(driver.dma(NO_PASID, address | (1n << BigInt(bits)))).toBe(-1)
    expect(driver.takeEvents()).toMatchObject([{ id: 0x10, address: address | (1n << BigInt(bits)) }])
  })

  test('a table that does not fill a frame begins in its middle', () => {
    const driver = new ScriptedDriver()
    const table = driver.table()
    table.map(0, 0x3000, 55, 1, RW)
    const { words } = driver.memory
    const half = driver.allocTable()
    words[half * 1024 + 512] = words[table.root * 1024]!
    const cd = driver.allocTable()
    driver.setCd(cd * 1024, { tsz: 17 })
    words[cd * 1024 + 2] = (half << 12) | 0x800
    driver.setSte(SID, driver.stage1Ste(cd))
    expect(driver.dma(NO_PASID, 0x3000n)).toBe(55)
  })

  test('the upper half has a table of its own; the top byte counts unless TBI says not', () => {
    const driver = new ScriptedDriver()
    const upper = driver.table()
    upper.map(0xffff, 0xfffff000 | 0, 91, 1, RW)
    const cd = driver.allocTable()
    const lower = driver.table()
    lower.map(0, 0x1000, 17, 1, RW)
    driver.setCd(cd * 1024, { root: lower.root, root1: upper.root })
    driver.setSte(SID, driver.stage1Ste(cd))
    expect(driver.dma(NO_PASID, 0xffff_ffff_ffff_f000n)).toBe(91)
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(17)
    expect(driver.dma(NO_PASID, 0x5a00_0000_0000_1000n)).toBe(-1)
    driver.setCd(cd * 1024, { root: lower.root, root1: upper.root, flip1: 3 << 6 })
    driver.forgetCd(0)
    expect(driver.dma(NO_PASID, 0x5a00_0000_0000_1000n)).toBe(17)
    expect(driver.dma(NO_PASID, 0x5aff_ffff_ffff_f000n)).toBe(91)
  })
})

describe('stage 2 and both', () => {
  test('stage 2 alone translates by VMID; its faults say S2 and the IPA', () => {
    const driver = new ScriptedDriver()
    const table = driver.stage2Table()
    table.map(1, 0x1000, 40, 1, ACCESS_READ)
    driver.setSte(SID, driver.stage2Ste(table.root))
    expect(driver.dma(NO_PASID, 0x1_0000_1000n)).toBe(40)
    expect(driver.dma(NO_PASID, 0x1_0000_1000n, ACCESS_WRITE)).toBe(-1)
    expect(driver.dma(NO_PASID, 1n << 42n)).toBe(-1)
    expect(driver.takeEvents()).toMatchObject([
      { id: 0x13, s2: true, class: 2, read: false, ipa: 0x1_0000_1000n },
      { id: 0x10, s2: true, class: 2, ipa: 1n << 42n },
    ])
  })

  test('up to 16 first tables lie side by side', () => {
    const driver = new ScriptedDriver()
    const format = lpae({ stage: 2, levels: 3, addressBits: 43, accessFlag: 'set', dirtyState: true })
    const tables = driver.frames(8)
    const source = driver.table(format)
    source.map(0, 0x1000, 66, 1, RW)
    driver.memory.copy(tables + 5, 0, source.root, 0, 4096)
    driver.setSte(SID, driver.stage2Ste(tables, { bits: 42, sl0: 1 }))
    expect(driver.dma(NO_PASID, (5n << 39n) | 0x1000n)).toBe(66)
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(-1)
  })

  test('nested: CD, tables and page are guest addresses', () => {
    const { driver, stage1, stage2, shift } = nested()
    stage1.map(0, 0x7000, 100, 1, RW)
    expect(driver.dma(NO_PASID, 0x7000n, ACCESS_WRITE)).toBe(100)
    stage2.unmap(0, (100 + shift) << 12, 1)
    expect(driver.dma(NO_PASID, 0x7000n)).toBe(100)
    driver.command(0x10, 1)
    expect(driver.dma(NO_PASID, 0x7000n)).toBe(-1)
    expect(driver.takeEvents()).toMatchObject([
      { id: 0x10, s2: true, class: 2, address: 0x7000n, ipa: BigInt((100 + shift) << 12) },
    ])
  })

  test('nested: stage 2 may refuse a stage-1 table (class TT), or the CD (class CD)', () => {
    const { driver, stage1, stage2, shift, cd } = nested()
    stage1.map(0, 0x7000, 100, 1, RW)
    stage2.unmap(0, (stage1.root + shift) << 12, 1)
    expect(driver.dma(NO_PASID, 0x7000n)).toBe(-1)
    stage2.unmap(0, (cd + shift) << 12, 1)
    driver.forgetStream()
    expect(driver.dma(NO_PASID, 0x7000n)).toBe(-1)
    expect(driver.takeEvents()).toMatchObject([
      { id: 0x10, s2: true, class: 1, ipa: BigInt((stage1.root + shift) << 12) },
      { id: 0x10, s2: true, class: 0, ipa: BigInt((cd + shift) << 12) },
    ])
  })

  test('nested: stage 1 faults as stage 1', () => {
    const { driver } = nested()
    expect(driver.dma(NO_PASID, 0x9000n)).toBe(-1)
    expect(driver.takeEvents()).toMatchObject([{ id: 0x10, s2: false, class: 2, address: 0x9000n }])
  })
})

describe('streams without tables', () => {
  test('bypass passes addresses, abort refuses them without an event', () => {
    const driver = new ScriptedDriver()
    driver.setSte(SID, [(4 << 1) | 1])
    expect(driver.dma(NO_PASID, 0x5000n)).toBe(5)
    expect(driver.dma(NO_PASID, 1n << 42n)).toBe(-1)
    expect(driver.dma(3, 0x5000n)).toBe(-1)
    driver.setSte(SID, [1])
    driver.forgetStream()
    expect(driver.dma(NO_PASID, 0x5000n)).toBe(-1)
    expect(driver.takeEvents().map(({ id }) => id)).toEqual([0x11, 0x08])
  })

  test('a unit that is off passes everything, or aborts it (GBPA)', () => {
    const driver = new ScriptedDriver()
    driver.write(L.SMMU_CR0, 0xe)
    expect(driver.dma(NO_PASID, 0x5000n)).toBe(5)
    driver.write(L.SMMU_GBPA, L.GBPA_ABORT)
    expect(driver.dma(NO_PASID, 0x5000n)).toBe(5)
    driver.write(L.SMMU_GBPA, L.GBPA_ABORT | L.GBPA_UPDATE)
    expect(driver.dma(NO_PASID, 0x5000n)).toBe(-1)
    expect(driver.takeEvents()).toEqual([])
  })

  test('S1DSS: without substream a stream is disabled, bypassed, or uses CD 0, which no substream may then name', () => {
    const driver = new ScriptedDriver()
    const table = driver.table()
    table.map(0, 0x1000, 40, 1, RW)
    const cd = driver.allocTable()
    driver.setCd(cd * 1024, { root: table.root })
    const use = (s1dss: number): number[] => {
      driver.setSte(SID, driver.stage1Ste(cd, { cdBits: 1, s1dss }))
      driver.forgetStream()
      return [driver.dma(NO_PASID, 0x1000n), driver.dma(0, 0x1000n)]
    }
    expect(use(0)).toEqual([-1, 40])
    expect(use(1)).toEqual([1, 40])
    expect(use(2)).toEqual([40, -1])
    expect(driver.takeEvents()).toMatchObject([
      { id: 0x06, ssid: NO_PASID },
      { id: 0x06, ssid: 0 },
    ])
  })
})

function ask(driver: ScriptedDriver, lo: number, access = ACCESS_READ): [number, Translation] {
  const out = new Translation()
  return [driver.unit.translationRequest(SID, NO_PASID, 0, lo, access, out), out]
}

describe('translation requests (3.9.1)', () => {
  test('a missing page is a completion without permissions and no event', () => {
    const driver = new ScriptedDriver()
    driver.simpleStream({ stall: true }).map(0, 0x1000, 40, 1, ACCESS_READ)
    expect(ask(driver, 0x1000)).toMatchObject([ATS_SUCCESS, { frame: 40, access: ACCESS_READ }])
    expect(ask(driver, 0x1000, ACCESS_WRITE)).toMatchObject([ATS_SUCCESS, { access: 0 }])
    expect(ask(driver, 0x2000)).toMatchObject([ATS_SUCCESS, { access: 0 }])
    expect([driver.takeEvents(), driver.unit.stalls.waiting]).toEqual([[], 0])
  })

  test('a stream that does not translate them is UR and F_BAD_ATS_TREQ, wrong structures are CA', () => {
    const driver = new ScriptedDriver()
    const cd = driver.allocTable()
    driver.setSte(SID, driver.stage1Ste(cd, { word2: 0 }))
    driver.setCd(cd * 1024, { root: driver.table().root })
    expect(ask(driver, 0x1000)[0]).toBe(ATS_UNSUPPORTED_REQUEST)
    driver.setSte(SID, [(4 << 1) | 1])
    driver.forgetStream()
    expect(ask(driver, 0x1000)[0]).toBe(ATS_UNSUPPORTED_REQUEST)
    driver.setSte(SID, [0])
    driver.forgetStream()
    expect(ask(driver, 0x1000)[0]).toBe(ATS_COMPLETER_ABORT)
    expect(driver.takeEvents().map(({ id }) => id)).toEqual([0x05, 0x05, 0x04])
    driver.write(L.SMMU_CR0, 0xe)
    expect(ask(driver, 0x1000)[0]).toBe(ATS_UNSUPPORTED_REQUEST)
  })
})

/** A stream with both stages. Guest frame n lies in frame n - shift. */
function nested() {
  const driver = new ScriptedDriver()
  const shift = 0x200
  const stage2 = driver.stage2Table()
  stage2.map(0, shift << 12, 0, 1024, RW, 12)
  const stage1 = driver.table()
  const cd = driver.allocTable()
  driver.setCd(cd * 1024, { root: stage1.root + shift })
  const ste = driver.stage1Ste(cd + shift)
  driver.setSte(SID, [ste[0]! | (7 << 1), ste[1]!, ste[2]!, 0, ...driver.stage2Words(stage2.root)])
  const guest = {
    root: stage1.root,
    /** Maps a page; then the tables on the way name guest frames. */
    map(hi: number, lo: number, frame: number, pages: number, access: number): void {
      stage1.map(hi, lo, frame + shift, pages, access)
      const { words } = driver.memory
      let table = stage1.root
      for (let level = 3; level > 0; level--) {
        const next = words[table * 1024]!
        words[table * 1024] = next + (shift << 12)
        table = next >>> 12
      }
    },
  }
  return { driver, stage1: guest, stage2, shift, cd }
}
