// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { Rng } from '../../../sim/rng.ts'
import { ACCESS_READ, ACCESS_WRITE, NO_PASID } from '../../pci/messages.ts'
import { type DriverOptions, type RecordingFunction, ScriptedDriver, SID } from './scripted-driver.suite.ts'

const RETRY = 1
const ABORT = 2
const WAITS = -2

function stalling(options: DriverOptions = {}): { driver: ScriptedDriver; port: RecordingFunction } {
  const driver = new ScriptedDriver(options)
  const port = driver.connect()
  driver.simpleStream({ stall: true })
  return { driver, port }
}

describe('stall model (3.12.2; spec/04 §2.2)', () => {
  test('a transaction waits; its event has Stall, STAG, and what it wanted', () => {
    const { driver } = stalling()
    expect(driver.dma(NO_PASID, 0x1008n, ACCESS_WRITE)).toBe(WAITS)
    expect(driver.takeEvents()).toMatchObject([
      { id: 0x10, sid: SID, ssid: NO_PASID, stag: 0, read: false, address: 0x1008n, s2: false, class: 2 },
    ])
    expect([driver.unit.stalls.waiting, driver.unit.faults.recorded]).toEqual([1, 0])
  })

  test.each([
    ['retry', RETRY, '1 0'],
    ['abort', ABORT, '1 1'],
    ['terminate, which aborts where there is no RAZ/WI', 0, '1 1'],
  ])('CMD_RESUME: %s', (_name, action, expected) => {
    const { driver, port } = stalling()
    driver.dma(NO_PASID, 0x1000n)
    driver.resume(driver.takeEvents()[0]!.stag!, action)
    driver.run()
    expect([port.resumed, driver.unit.stalls.waiting]).toEqual([[expected], 0])
  })

  test('permission and access faults stall too; configuration faults never do', () => {
    const { driver } = stalling()
    const table = driver.table()
    table.map(0, 0x1000, 40, 1, ACCESS_READ)
    const cd = driver.allocTable()
    driver.setCd(cd * 1024, { root: table.root, stall: true })
    driver.setSte(SID, driver.stage1Ste(cd, { cdBits: 1 }))
    expect(driver.dma(NO_PASID, 0x1000n, ACCESS_WRITE)).toBe(WAITS)
    expect(driver.dma(5, 0x1000n)).toBe(-1)
    expect(driver.takeEvents()).toMatchObject([
      { id: 0x13, stag: 0 },
      { id: 0x08, stag: undefined },
    ])
  })

  test('stage 2 stalls by S2S', () => {
    const { driver } = stalling()
    const table = driver.stage2Table()
    const ste = driver.stage2Ste(table.root, { flip5: 1 << 25 })
    driver.setSte(SID, ste)
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(-1)
    ste[2] = 0
    driver.setSte(SID, ste)
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(WAITS)
    expect(driver.takeEvents()).toMatchObject([
      { id: 0x04, stag: undefined },
      { id: 0x10, stag: 0, s2: true, ipa: 0x1000n },
    ])
  })

  test('a function that cannot wait is not made to', () => {
    const driver = new ScriptedDriver()
    driver.simpleStream({ stall: true })
    driver.unit.connect({ rid: SID, invalidateRequest: () => undefined, pageGroupResponse: () => undefined })
    expect(driver.dma(NO_PASID, 0x1000n)).toBe(-1)
    expect(driver.takeEvents()).toMatchObject([{ id: 0x10, stag: undefined }])
  })

  test('a STAG of another stream, one that is free, and one answered twice do nothing', () => {
    const { driver, port } = stalling()
    driver.dma(NO_PASID, 0x1000n)
    driver.resume(0, RETRY, SID + 1)
    driver.resume(1, RETRY)
    driver.resume(0xffff, RETRY)
    expect(driver.unit.stalls.waiting).toBe(1)
    driver.resume(0, RETRY)
    driver.resume(0, RETRY)
    driver.run()
    expect(port.resumed).toEqual(['1 0'])
  })

  test('CMD_STALL_TERM aborts all of a stream, told or not', () => {
    const { driver, port } = stalling({ eventLog2: 0 })
    for (let page = 1n; page < 4n; page++) driver.dma(NO_PASID, page << 12n)
    driver.command(0x45, SID + 1)
    expect(driver.unit.stalls.waiting).toBe(3)
    driver.command(0x45, SID)
    driver.run()
    expect(port.resumed.toSorted()).toEqual(['1 1', '2 1', '3 1'])
    expect(driver.unit.stalls.waiting).toBe(0)
  })

  test('switching the unit off aborts what waits; a function that leaves takes its own with it', () => {
    const { driver, port } = stalling()
    driver.dma(NO_PASID, 0x1000n)
    driver.write(0x20, 0xe)
    driver.run()
    expect(port.resumed).toEqual(['1 1'])
    driver.write(0x20, 0xf)
    driver.dma(NO_PASID, 0x1000n)
    driver.dma(NO_PASID, 0x2000n)
    driver.resume(driver.takeEvents().at(-1)!.stag!, RETRY)
    driver.unit.disconnect(SID)
    driver.run()
    expect([port.resumed.length, driver.unit.stalls.waiting]).toEqual([1, 0])
  })
})

describe('no stall is lost', () => {
  test('a full event queue holds events back until there is room (spec/04 §2.4)', () => {
    const { driver } = stalling({ eventLog2: 1 })
    for (let page = 1n; page <= 5n; page++) expect(driver.dma(NO_PASID, page << 12n)).toBe(WAITS)
    expect([driver.unit.stalls.recorded, driver.unit.stalls.delayed]).toEqual([2, 3])
    expect(driver.read(0x100a8) >>> 31).toBe(0)
    const seen: bigint[] = []
    for (let round = 0; round < 3; round++) seen.push(...driver.takeEvents().map(({ address }) => address))
    expect(seen).toEqual([0x1000n, 0x2000n, 0x3000n, 0x4000n, 0x5000n])
    expect(driver.unit.faults.lost).toBe(0)
  })

  test('without a free STAG the next one waits at the door', () => {
    const { driver, port } = stalling({ unit: { stallMax: 2 } })
    for (let page = 1n; page <= 3n; page++) driver.dma(NO_PASID, page << 12n)
    expect(driver.takeEvents().map(({ stag }) => stag)).toEqual([0, 1])
    driver.resume(1, RETRY)
    expect(driver.takeEvents()).toMatchObject([{ stag: 1, address: 0x3000n }])
    driver.resume(0, ABORT)
    driver.resume(1, ABORT)
    driver.run()
    expect(port.resumed).toEqual(['2 0', '1 1', '3 1'])
  })

  test('an event queue that is switched on late tells of the stalls before', () => {
    const { driver } = stalling()
    driver.write(0x20, 0xb)
    driver.dma(NO_PASID, 0x1000n)
    driver.write(0x20, 0xf)
    expect(driver.takeEvents()).toMatchObject([{ stag: 0, address: 0x1000n }])
  })

  test('random stalls, resumes, terminations and full queues: each transaction ends once', () => {
    for (let seed = 0; seed < 100; seed++) {
      const rng = new Rng(seed)
      const { driver, port } = stalling({ eventLog2: rng.below(3), unit: { stallMax: 1 + rng.below(6) } })
      const stags: number[] = []
      let begun = 0
      for (let step = 0; step < 200; step++) {
        const draw = rng.below(8)
        if (draw < 3 && driver.dma(NO_PASID, BigInt(1 + rng.below(50)) << 12n) === WAITS) begun++
        else if (draw < 5) stags.push(...driver.takeEvents().map(({ stag }) => stag!))
        else if (draw < 7 && stags.length > 0) driver.resume(stags.shift()!, 1 + rng.below(2))
        else if (draw === 7 && rng.below(20) === 0) driver.command(0x45, SID)
        if (rng.below(3) === 0) driver.run()
      }
      driver.command(0x45, SID)
      driver.run()
      expect([seed, port.resumed.length, driver.unit.stalls.waiting]).toEqual([seed, begun, 0])
    }
  })
})
