// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { vtdSecondStage } from '../../page-tables/formats/vtd-second-stage.ts'
import { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE, NO_PASID } from '../../pci/messages.ts'
import type { VtdOptions } from './config.ts'
import { ALL_CONTEXT, READ_WRITE, RID, ScriptedDriver } from './scripted-driver.suite.ts'

interface Case {
  readonly reason: number
  readonly what: string
  /** Breaks a device whose PASID 5 maps 1000h. */
  readonly breaks: (driver: ScriptedDriver) => void
  readonly pasid?: number
  readonly access?: number
  readonly hi?: number
  readonly lo?: number
  readonly unit?: VtdOptions
  /** Of a translation request: 0 Success without access, 1 Unsupported Request, 2 Completer Abort. */
  readonly ats: number
}

function setWord(driver: ScriptedDriver, at: number, value: number): void {
  driver.memory.words[at] = value
}

/** Adds bits to a word of PASID 5's entry. */
function entryBits(word: number, bits: number): (driver: ScriptedDriver) => void {
  return (driver) => {
    const at = driver.entryWord(5) + word
    setWord(driver, at, driver.memory.words[at]! | bits)
  }
}

const rootWord = (driver: ScriptedDriver): number => driver.root * 1024 + 4
const firstStage = (driver: ScriptedDriver): number => driver.memory.words[driver.entryWord(5) + 4]! >>> 12
const lowest = (driver: ScriptedDriver): number => {
  let table = firstStage(driver)
  for (let level = 0; level < 3; level++) table = driver.memory.words[table * 1024]! >>> 12
  return table * 1024 + 2
}

function second(options: { access?: number; width?: number } = {}): (driver: ScriptedDriver) => number {
  return (driver) => {
    const table = driver.pageTable(vtdSecondStage(4, false))
    table.map(0, 0x1000, 40, 1, options.access ?? READ_WRITE)
    driver.setEntry(5, { pgtt: 2, secondRoot: table.root, did: 7, width: options.width ?? 2 })
    let frame = table.root
    for (let level = 0; level < 3; level++) frame = driver.memory.words[frame * 1024]! >>> 12
    return frame * 1024 + 2
  }
}

/** `spec/04` §1.7, row by row. */
const CASES: readonly Case[] = [
  {
    reason: 0x30,
    what: 'RTADDR without scalable mode',
    ats: 2,
    breaks: (driver) => {
      driver.write(0x20, driver.root << 12)
      driver.write(0x18, 0xc4000000)
    },
  },
  {
    reason: 0x38,
    what: 'a root table outside memory',
    ats: 2,
    breaks: (driver) => {
      driver.write(0x20, 0x7ffff400)
      driver.write(0x18, 0xc4000000)
    },
  },
  { reason: 0x39, what: 'no root entry', ats: 1, breaks: (d) => setWord(d, rootWord(d), 0) },
  {
    reason: 0x3a,
    what: 'reserved bits in the root entry',
    ats: 2,
    breaks: (d) => setWord(d, rootWord(d), 0x103),
  },
  {
    reason: 0x40,
    what: 'a context table outside memory',
    ats: 2,
    breaks: (d) => setWord(d, rootWord(d), 0x7ffff001),
  },
  { reason: 0x41, what: 'no context entry', ats: 1, breaks: (d) => setWord(d, d.contextWord(), 0) },
  {
    reason: 0x42,
    what: 'reserved bits in the context entry',
    ats: 2,
    breaks: (d) => setWord(d, d.contextWord() + 5, 1),
  },
  {
    reason: 0x43,
    what: 'device TLBs of a unit without',
    ats: 1,
    unit: { ats: false, pri: false },
    breaks: () => {},
  },
  { reason: 0x45, what: 'a PASID while they are off', ats: 1, breaks: (d) => d.setContext(RID, 0x15) },
  { reason: 0x46, what: 'a PASID beyond the directory', ats: 1, pasid: 8192, breaks: () => {} },
  {
    reason: 0x46,
    what: 'a PASID beyond the unit',
    ats: 1,
    pasid: 256,
    unit: { pasidBits: 8 },
    breaks: () => {},
  },
  {
    reason: 0x48,
    what: 'RID_PASID beyond the directory',
    ats: 2,
    pasid: NO_PASID,
    breaks: (d) => d.setContext(RID, ALL_CONTEXT, 8192),
  },
  {
    reason: 0x50,
    what: 'a directory outside memory',
    ats: 2,
    breaks: (d) => setWord(d, d.contextWord(), 0x7ffff000 | ALL_CONTEXT),
  },
  { reason: 0x51, what: 'no directory entry', ats: 1, breaks: (d) => setWord(d, d.directoryWord(5), 0) },
  {
    reason: 0x52,
    what: 'reserved bits in the directory entry',
    ats: 2,
    breaks: (d) => setWord(d, d.directoryWord(5), d.memory.words[d.directoryWord(5)]! | 4),
  },
  {
    reason: 0x58,
    what: 'a PASID table outside memory',
    ats: 2,
    breaks: (d) => setWord(d, d.directoryWord(5), 0x7ffff001),
  },
  { reason: 0x59, what: 'no PASID entry', ats: 1, breaks: (d) => d.setEntry(5, { flags: 0 }) },
  { reason: 0x5a, what: 'reserved bits in the PASID entry', ats: 2, breaks: entryBits(6, 1) },
  {
    reason: 0x5a,
    what: 'extended accessed flags, which no unit here has',
    ats: 2,
    breaks: entryBits(4, 0x80),
  },
  {
    reason: 0x5a,
    what: 'second-stage dirty bits of a unit without',
    ats: 2,
    unit: { dirty: false },
    breaks: entryBits(0, 0x200),
  },
  { reason: 0x5b, what: 'an unknown PGTT', ats: 2, breaks: (d) => d.setEntry(5, { pgtt: 5 }) },
  {
    reason: 0x5b,
    what: 'five levels of a unit without',
    ats: 2,
    unit: { fiveLevel: false },
    breaks: entryBits(4, 4),
  },
  {
    reason: 0x5b,
    what: 'a domain id that the unit does not have',
    ats: 2,
    unit: { domainIdBits: 8 },
    breaks: (d) => d.setEntry(5, { did: 256 }),
  },
  {
    reason: 0x5b,
    what: 'an address width that does not exist',
    ats: 2,
    breaks: (d) => d.setEntry(5, { pgtt: 2, width: 4 }),
  },
  {
    reason: 0x5c,
    what: 'an execute request without ERE',
    ats: 0,
    access: ACCESS_READ | ACCESS_EXEC,
    breaks: () => {},
  },
  {
    reason: 0x5d,
    what: 'a supervisor request without SRE',
    ats: 0,
    access: ACCESS_READ | ACCESS_PRIV,
    breaks: () => {},
  },
  {
    reason: 0x70,
    what: 'a first-stage table outside memory',
    ats: 2,
    breaks: (d) => setWord(d, firstStage(d) * 1024, 0x7ffff007),
  },
  { reason: 0x71, what: 'no first-stage entry', ats: 0, lo: 0x2000, breaks: () => {} },
  {
    reason: 0x72,
    what: 'reserved bits in a first-stage entry',
    ats: 2,
    breaks: (d) => setWord(d, lowest(d) + 1, 0x80000),
  },
  {
    reason: 0x73,
    what: 'a first stage outside memory',
    ats: 2,
    breaks: (d) => d.setEntry(5, { firstRoot: 0x7ffff }),
  },
  {
    reason: 0x78,
    what: 'a second-stage table outside memory',
    ats: 2,
    breaks: (d) => {
      second()(d)
      setWord(d, (d.memory.words[d.entryWord(5)]! >>> 12) * 1024, 0x7ffff003)
    },
  },
  {
    reason: 0x79,
    what: 'neither read nor write in the second stage',
    ats: 0,
    breaks: (d) => setWord(d, second()(d), 0),
  },
  {
    reason: 0x7a,
    what: 'reserved bits in a second-stage entry',
    ats: 2,
    breaks: (d) => setWord(d, second()(d) + 1, 0x80000),
  },
  {
    reason: 0x7b,
    what: 'a second stage outside memory',
    ats: 2,
    breaks: (d) => d.setEntry(5, { pgtt: 2, secondRoot: 0x7ffff }),
  },
  { reason: 0x80, what: 'an address that is not canonical', ats: 0, hi: 0x8000, breaks: () => {} },
  {
    reason: 0x82,
    what: 'execution of data',
    ats: 0,
    access: ACCESS_READ | ACCESS_EXEC,
    breaks: entryBits(4, 0x22),
  },
  { reason: 0x83, what: 'an address beyond the unit', ats: 0, hi: 0x2000000, breaks: second() },
  { reason: 0x84, what: 'an address beyond the second stage', ats: 0, hi: 0x10000, breaks: second() },
  { reason: 0x85, what: 'no write', ats: 0, access: ACCESS_WRITE, breaks: second({ access: ACCESS_READ }) },
  { reason: 0x86, what: 'no read', ats: 0, breaks: second({ access: ACCESS_WRITE }) },
  { reason: 0x87, what: 'the interrupt range', ats: 0, lo: 0xfee01000 | 0, breaks: () => {} },
]

function broken(entry: Case): ScriptedDriver {
  const driver = new ScriptedDriver({ unit: entry.unit ?? {} })
  driver.simpleDevice().map(0, 0x1000, 40, 1, READ_WRITE)
  entry.breaks(driver)
  return driver
}

describe('fault reasons (spec/04 §1.7)', () => {
  for (const entry of CASES) {
    const { reason, what, pasid = 5, access = ACCESS_READ, hi = 0, lo = 0x1000, ats } = entry
    test(`${reason.toString(16)}h: ${what}`, () => {
      const driver = broken(entry)
      expect(driver.dma(pasid, hi, lo, access)).toBe(-1)
      expect(driver.takeFaults()).toMatchObject([{ reason, rid: RID, pasid }])
    })

    test(`${reason.toString(16)}h: ${what}: the translation request`, () => {
      const driver = broken(entry)
      const withoutTlb = entry.unit?.ats === false
      expect(driver.ats(pasid, hi, lo, access)).toBe(ats === 0 ? '0 0' : `${ats}`)
      expect(driver.reasons()).toEqual(ats === 0 || withoutTlb ? [] : [reason])
    })
  }

  test('44h: a translation request while DTE is clear', () => {
    const driver = new ScriptedDriver()
    driver.simpleDevice().map(0, 0x1000, 40, 1, READ_WRITE)
    driver.setContext(RID, 0x19)
    expect([driver.ats(5, 0, 0x1000), driver.reasons()]).toEqual(['1', [0x44]])
    expect(driver.dma(5, 0, 0x1000)).toBe(40)
  })
})

describe('fault processing disable', () => {
  test.each([
    ['context entry', (d: ScriptedDriver) => d.setContext(RID, ALL_CONTEXT | 2)],
    [
      'directory entry',
      (d: ScriptedDriver) => setWord(d, d.directoryWord(5), d.memory.words[d.directoryWord(5)]! | 2),
    ],
    ['PASID entry', entryBits(0, 2)],
    ['absent PASID entry', (d: ScriptedDriver) => d.setEntry(5, { flags: 2 })],
    ['absent context entry', (d: ScriptedDriver) => setWord(d, d.contextWord(), 2)],
  ])('in the %s: nothing is recorded', (_where, breaks) => {
    const driver = new ScriptedDriver()
    driver.simpleDevice()
    breaks(driver)
    expect([driver.dma(5, 0, 0x1000), driver.dma(5, 0, 0x1000)]).toEqual([-1, -1])
    expect(driver.reasons()).toEqual([])
  })
})

describe('fault recording (VT-d 7.2.1)', () => {
  test('a record says who, where and how', () => {
    const driver = new ScriptedDriver()
    driver.simpleDevice()
    driver.dma(5, 0x12, 0x3456, ACCESS_WRITE)
    driver.dma(NO_PASID, 0x12, 0x3456)
    driver.dma(5, 0, 0x1000, ACCESS_READ | ACCESS_EXEC | ACCESS_PRIV)
    const common = { rid: RID, hi: 0x12, lo: 0x3000 }
    expect(driver.takeFaults()).toEqual([
      { ...common, reason: 0x71, pasid: 5, bits: 0 },
      { ...common, reason: 0x71, pasid: NO_PASID, bits: 4 },
      { rid: RID, hi: 0, lo: 0x1000, reason: 0x5c, pasid: 5, bits: 0x64 },
    ])
  })

  test('registers are used in turn; FRI names the oldest; a full round sets PFO, and nothing more is recorded', () => {
    const driver = new ScriptedDriver({ unit: { faultRecords: 2 } })
    driver.simpleDevice()
    for (const lo of [0x1000, 0x2000, 0x3000]) driver.dma(5, 0, lo)
    expect(driver.read(0x34)).toBe(3)
    expect(driver.unit.faults.lost).toBe(1)
    // The first record's F is cleared; PFO still stands.
    driver.write(0x40c, 0x80000000)
    driver.dma(5, 0, 0x4000)
    expect(driver.unit.faults.lost).toBe(2)
    driver.write(0x34, 1)
    driver.dma(5, 0, 0x5000)
    expect(driver.read(0x400)).toBe(0x5000)
    driver.write(0x40c, 0x80000000)
    driver.write(0x41c, 0x80000000)
    expect(driver.read(0x34) & 3).toBe(0)
    driver.dma(5, 0, 0x6000)
    expect([driver.read(0x34), driver.read(0x410)]).toEqual([0x102, 0x6000])
  })

  test('one interrupt until everything is cleared; masked, it is held back', () => {
    const driver = new ScriptedDriver()
    let interrupts = 0
    driver.unit.interrupts.fault.connect(() => void interrupts++)
    driver.simpleDevice()
    driver.dma(5, 0, 0x1000)
    driver.run()
    driver.dma(5, 0, 0x2000)
    driver.run()
    expect(interrupts).toBe(1)
    driver.takeFaults()
    driver.write(0x38, 0x80000000)
    driver.dma(5, 0, 0x3000)
    driver.run()
    expect([interrupts, driver.read(0x38)]).toEqual([1, 0xc0000000])
    driver.write(0x38, 0)
    driver.run()
    expect([interrupts, driver.read(0x38)]).toEqual([2, 0])
  })

  test('an interrupt that is held back goes away with its cause', () => {
    const driver = new ScriptedDriver()
    driver.simpleDevice()
    driver.write(0x38, 0x80000000)
    driver.dma(5, 0, 0x3000)
    driver.takeFaults()
    expect(driver.read(0x38)).toBe(0x80000000)
  })
})
