// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { MOCK } from '../../page-tables/formats/mock.ts'
import { X86_64_4_LEVEL, X86_64_5_LEVEL } from '../../page-tables/formats/x86-64.ts'
import {
  ACCESS_EXEC,
  ACCESS_PRIV,
  ACCESS_READ,
  ACCESS_WRITE,
  ATS_COMPLETER_ABORT,
  ATS_SUCCESS,
  ATS_UNSUPPORTED_REQUEST,
  NO_PASID,
  Translation,
} from '../../pci/messages.ts'
import * as L from './layout.ts'
import { ALL_DEVICE_FLAGS, READ_WRITE, RID, ScriptedDriver } from './scripted-driver.suite.ts'

/** ATS request: status, access, frame. */
function ats(driver: ScriptedDriver, pasid: number, hi: number, lo: number, access = ACCESS_READ) {
  const out = new Translation()
  const status = driver.unit.translationRequest(RID, pasid, hi, lo, access, out)
  return { status, access: out.access, frame: out.frame, shift: out.shift }
}

describe('address spaces', () => {
  test('a one-stage table translates requests with and without PASID', () => {
    const driver = new ScriptedDriver()
    const table = driver.simpleDevice()
    table.map(0x12, 0x3000, 700, 2, READ_WRITE)
    expect(driver.dma(NO_PASID, 0x12, 0x3abc)).toBe(700)
    expect(driver.dma(5, 0x12, 0x4abc, ACCESS_WRITE)).toBe(701)
    expect(driver.takeFaults()).toEqual([])
  })

  test('an identity space gives the address itself', () => {
    const driver = new ScriptedDriver()
    driver.setDevice(RID)
    driver.setSpace(RID, NO_PASID, { type: L.SPACE_IDENTITY })
    expect(driver.dma(NO_PASID, 0, 77 << 12, ACCESS_WRITE)).toBe(77)
  })

  test('an SVA space is a one-stage table', () => {
    const driver = new ScriptedDriver()
    const table = driver.simpleDevice()
    driver.setSpace(RID, 9, { type: L.SPACE_SVA, root: table.root })
    table.map(0, 0x5000, 99, 1, ACCESS_READ)
    expect(driver.dma(9, 0, 0x5000)).toBe(99)
  })

  test('five levels reach addresses that four refuse', () => {
    const driver = new ScriptedDriver()
    driver.simpleDevice()
    const table = driver.pageTable(X86_64_5_LEVEL)
    driver.setSpace(RID, 6, { root: table.root, format: L.FORMAT_X86_64_5_LEVEL, domain: 2 })
    table.map(0x10000, 0x1000, 123, 1, ACCESS_READ)
    expect(driver.dma(6, 0x10000, 0x1000)).toBe(123)
    expect(driver.dma(5, 0x10000, 0x1000)).toBe(-1)
    expect(driver.takeFaults().map(({ reason }) => reason)).toEqual([L.REASON_NOT_CANONICAL])
  })

  test('granules of 2 KiB come with their place in the frame', () => {
    const driver = new ScriptedDriver()
    driver.setDevice(RID)
    const table = driver.pageTable(MOCK)
    driver.setSpace(RID, NO_PASID, { root: table.root, format: L.FORMAT_MOCK })
    table.mapGranules(0, 0x1000, 2 * 60 + 1, 1, READ_WRITE)
    const out = new Translation()
    expect(driver.unit.untranslatedRequest(RID, NO_PASID, 0, 0x1004, ACCESS_READ, out)).toBe(true)
    expect(out).toMatchObject({ frame: 60, frameOffset: 2048, shift: 11 })
    expect(driver.dma(NO_PASID, 0, 0x1800)).toBe(-1)
  })

  test('with translation off untranslated requests pass unchanged and ATS is refused', () => {
    const driver = new ScriptedDriver({ control: L.CONTROL_COMMANDS | L.CONTROL_FAULTS })
    driver.simpleDevice()
    expect(driver.dma(NO_PASID, 0, 0x9000)).toBe(9)
    expect(ats(driver, NO_PASID, 0, 0x9000).status).toBe(ATS_UNSUPPORTED_REQUEST)
  })

  test('PASIDs up to 20 bits are found through a directory of several frames', () => {
    const driver = new ScriptedDriver()
    driver.setDevice(RID, ALL_DEVICE_FLAGS, 20)
    for (let i = 0; i < 7; i++) driver.allocTable()
    const table = driver.pageTable()
    driver.setSpace(RID, 0xfffff, { root: table.root })
    table.map(0, 0x1000, 55, 1, ACCESS_READ)
    expect(driver.dma(0xfffff, 0, 0x1000)).toBe(55)
  })
})

function nested() {
  const driver = new ScriptedDriver()
  driver.setDevice(RID)
  const stage2 = driver.pageTable()
  const stage1 = driver.pageTable()
  // Guest frame = physical frame + 0x10000 for everything that exists, so that an untranslated pointer would miss.
  const guest = 0x10000
  stage2.map(0, guest << 12, 0, 1024, READ_WRITE)
  driver.setSpace(RID, 5, {
    type: L.SPACE_NESTED,
    root: stage1.root + guest,
    stage2Format: L.FORMAT_X86_64_4_LEVEL,
    stage2Root: stage2.root,
  })
  /** Stage-1 tables are written by physical frame; their pointers are then turned into guest frames. */
  const relocate = (frame: number, level: number): void => {
    if (level === 0) return
    for (let at = 0; at < 4096; at += 8) {
      const entry = driver.memory.load32(frame, at)
      if ((entry & 1) === 0) continue
      relocate(entry >>> 12, level - 1)
      driver.memory.store32(frame, at, entry + (guest << 12))
    }
  }
  return { driver, stage1, stage2, guest, relocate }
}

describe('nested spaces', () => {
  test('tables and pages of stage 1 go through stage 2', () => {
    const { driver, stage1, guest, relocate } = nested()
    stage1.map(0, 0x7000, guest + 300, 1, READ_WRITE)
    relocate(stage1.root, 3)
    expect(driver.dma(5, 0, 0x7123, ACCESS_WRITE)).toBe(300)
  })

  test('a page that stage 2 lacks is a fault of stage 2', () => {
    const { driver, stage1, relocate } = nested()
    stage1.map(0, 0x7000, 0x700, 1, READ_WRITE)
    relocate(stage1.root, 3)
    expect(driver.dma(5, 0, 0x7000)).toBe(-1)
    expect(driver.takeFaults()[0]!.reason).toBe(L.REASON_STAGE2 + L.REASON_NOT_PRESENT)
    expect(ats(driver, 5, 0, 0x7000)).toMatchObject({ status: ATS_SUCCESS, access: 0 })
  })

  test('a page that stage 2 lets read only is not written', () => {
    const { driver, stage1, stage2, relocate } = nested()
    stage2.map(0, 0x900 << 12, 400, 1, ACCESS_READ)
    stage1.map(0, 0x7000, 0x900, 1, READ_WRITE)
    relocate(stage1.root, 3)
    expect(driver.dma(5, 0, 0x7000)).toBe(400)
    expect(driver.dma(5, 0, 0x7000, ACCESS_WRITE)).toBe(-1)
    expect(driver.takeFaults()[0]!.reason).toBe(L.REASON_STAGE2 + L.REASON_NO_WRITE)
  })

  test('a unit without nesting refuses the space', () => {
    const driver = new ScriptedDriver({ unit: { nested: false } })
    driver.setDevice(RID)
    const table = driver.pageTable()
    driver.setSpace(RID, 5, { type: L.SPACE_NESTED, root: table.root, stage2Root: table.root })
    expect(driver.dma(5, 0, 0x1000)).toBe(-1)
    expect(driver.takeFaults()[0]!.reason).toBe(L.REASON_SPACE_INVALID)
  })
})

describe('ATS translation requests (spec/01 §6.3)', () => {
  test('a page that is there is translated with the permissions asked for', () => {
    const driver = new ScriptedDriver()
    driver.simpleDevice().map(0, 0x1000, 40, 1, READ_WRITE)
    expect(ats(driver, 5, 0, 0x1000)).toMatchObject({ status: ATS_SUCCESS, frame: 40 })
    expect(ats(driver, 5, 0, 0x1000).access & READ_WRITE).toBe(ACCESS_READ)
    expect(ats(driver, 5, 0, 0x1000, ACCESS_WRITE).access & READ_WRITE).toBe(READ_WRITE)
  })

  test('a missing page is Success without access, and no fault is recorded (spec/04 §1.7)', () => {
    const driver = new ScriptedDriver()
    driver.simpleDevice()
    expect(ats(driver, 5, 0, 0x1000)).toMatchObject({ status: ATS_SUCCESS, access: 0 })
    expect(driver.takeFaults()).toEqual([])
  })

  test('so is a page without the permission', () => {
    const driver = new ScriptedDriver()
    driver.simpleDevice().map(0, 0x1000, 40, 1, ACCESS_READ)
    expect(ats(driver, 5, 0, 0x1000, ACCESS_WRITE)).toMatchObject({ status: ATS_SUCCESS, access: 0 })
  })

  test('table errors are Completer Abort, and recorded', () => {
    const driver = new ScriptedDriver()
    driver.setDevice(RID)
    driver.setSpace(RID, 5, { root: 100_000 })
    expect(ats(driver, 5, 0, 0x1000).status).toBe(ATS_COMPLETER_ABORT)
    expect(driver.takeFaults()[0]).toMatchObject({
      reason: L.REASON_TABLE_ACCESS,
      kind: L.FAULT_TRANSLATION_REQUEST,
    })
  })

  test('a write sets the dirty bit even where a read was cached before', () => {
    const driver = new ScriptedDriver()
    const table = driver.simpleDevice()
    table.map(0, 0x1000, 40, 1, READ_WRITE)
    let entry = table.root
    for (let level = 0; level < 3; level++) entry = driver.memory.load32(entry, 0) >>> 12
    expect(ats(driver, 5, 0, 0x1000).status).toBe(ATS_SUCCESS)
    expect(driver.memory.load32(entry, 8) & 0x60).toBe(0x20)
    expect(ats(driver, 5, 0, 0x1000, ACCESS_WRITE).status).toBe(ATS_SUCCESS)
    expect(driver.memory.load32(entry, 8) & 0x60).toBe(0x60)
  })
})

/** Each way for an untranslated request to be refused. */
const REFUSALS: readonly [
  name: string,
  reason: number,
  access: number,
  (driver: ScriptedDriver) => { pasid?: number; hi?: number; rid?: number; lo?: number },
][] = [
  ['no leaf for the requester', L.REASON_DEVICE_NOT_PRESENT, ACCESS_READ, () => ({ rid: 0x4000 })],
  [
    'device entry not valid',
    L.REASON_DEVICE_NOT_PRESENT,
    ACCESS_READ,
    (driver) => (driver.setDevice(RID, 0), {}),
  ],
  [
    'reserved bits in the device entry',
    L.REASON_DEVICE_RESERVED,
    ACCESS_READ,
    (driver) => (driver.setDevice(RID, L.DEVICE_VALID | (1 << 20)), {}),
  ],
  [
    'directory outside memory',
    L.REASON_TABLE_ACCESS,
    ACCESS_READ,
    (driver) => (driver.write(L.REG_DEVICE_DIRECTORY, 0x100000), {}),
  ],
  [
    'PASIDs off for the device',
    L.REASON_PASID_DISABLED,
    ACCESS_READ,
    (driver) => (driver.setDevice(RID, L.DEVICE_VALID), { pasid: 5 }),
  ],
  ['PASID beyond the directory', L.REASON_PASID_TOO_LARGE, ACCESS_READ, () => ({ pasid: 1024 })],
  ['no leaf for the PASID', L.REASON_PASID_NOT_PRESENT, ACCESS_READ, () => ({ pasid: 900 })],
  ['PASID entry not valid', L.REASON_PASID_NOT_PRESENT, ACCESS_READ, () => ({ pasid: 6 })],
  [
    'unknown type',
    L.REASON_SPACE_INVALID,
    ACCESS_READ,
    (driver) => (driver.setSpace(RID, 5, { type: 7 }), { pasid: 5 }),
  ],
  [
    'unsupported format',
    L.REASON_SPACE_INVALID,
    ACCESS_READ,
    (driver) => (driver.setSpace(RID, 5, { format: 9 }), { pasid: 5 }),
  ],
  [
    'blocked',
    L.REASON_BLOCKED,
    ACCESS_READ,
    (driver) => (driver.setSpace(RID, NO_PASID, { type: L.SPACE_BLOCKED }), {}),
  ],
  [
    'no address space without PASID',
    L.REASON_BLOCKED,
    ACCESS_READ,
    (driver) => (driver.setSpace(RID, NO_PASID, { flags: 0 }), {}),
  ],
  ['no page', L.REASON_NOT_PRESENT, ACCESS_READ, () => ({ lo: 0x100000 })],
  ['no write permission', L.REASON_NO_WRITE, ACCESS_WRITE, () => ({})],
  ['no execute permission', L.REASON_NO_EXECUTE, ACCESS_READ | ACCESS_EXEC, () => ({})],
  ['a supervisor page', L.REASON_PRIVILEGE, ACCESS_READ, () => ({ lo: 0x2000 })],
  ['not canonical', L.REASON_NOT_CANONICAL, ACCESS_READ, () => ({ hi: 0x8000 })],
  [
    'identity beyond memory',
    L.REASON_ADDRESS_SIZE,
    ACCESS_READ,
    (driver) => (driver.setSpace(RID, NO_PASID, { type: L.SPACE_IDENTITY }), { hi: 1 }),
  ],
  [
    'reserved bits in the page table',
    L.REASON_RESERVED_BITS,
    ACCESS_READ,
    (driver) => {
      const table = driver.pageTable(X86_64_4_LEVEL)
      driver.memory.store32(table.root, 0, 0x7)
      driver.memory.store32(table.root, 4, 0x000f0000)
      driver.setSpace(RID, NO_PASID, { root: table.root })
      return {}
    },
  ],
]

describe('unrecoverable faults', () => {
  test.each(REFUSALS)('%s is recorded as reason %i', (_name, reason, access, prepare) => {
    const driver = new ScriptedDriver()
    const table = driver.simpleDevice()
    table.map(0, 0x1000, 40, 1, ACCESS_READ)
    table.map(0, 0x2000, 41, 1, ACCESS_READ | ACCESS_PRIV)
    const { pasid = NO_PASID, rid = RID, hi = 0, lo = 0x1000 } = prepare(driver)
    expect(driver.dma(pasid, hi, lo + 0x123, access, rid)).toBe(-1)
    expect(driver.takeFaults()).toEqual([{ reason, rid, pasid, access, hi, lo, kind: 0 }])
  })

  test('a page that may only be written is recorded as NO_READ', () => {
    const driver = new ScriptedDriver()
    driver.setDevice(RID)
    const table = driver.pageTable(MOCK)
    driver.setSpace(RID, NO_PASID, { root: table.root, format: L.FORMAT_MOCK })
    table.map(0, 0x1000, 40, 1, ACCESS_WRITE)
    expect(driver.dma(NO_PASID, 0, 0x1000)).toBe(-1)
    expect(driver.takeFaults()[0]!.reason).toBe(L.REASON_NO_READ)
  })

  test('the fault-disable bit of the device or the space keeps the record away', () => {
    const driver = new ScriptedDriver()
    driver.simpleDevice()
    driver.setSpace(RID, 5, { flags: L.SPACE_FAULT_DISABLE })
    expect(driver.dma(5, 0, 0x1000)).toBe(-1)
    expect(driver.takeFaults()).toEqual([])
    driver.setDevice(RID, ALL_DEVICE_FLAGS | L.DEVICE_FAULT_DISABLE)
    driver.invalidateContext(RID)
    expect(driver.dma(NO_PASID, 0, 0x1000)).toBe(-1)
    expect(driver.takeFaults()).toEqual([])
  })
})
