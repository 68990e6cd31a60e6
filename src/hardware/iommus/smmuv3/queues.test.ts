// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { ACCESS_READ, ACCESS_WRITE, NO_PASID, PageRequest } from '../../pci/messages.ts'
import * as L from './layout.ts'
import { ScriptedDriver, SID } from './scripted-driver.suite.ts'

function count(interrupt: { connect(handler: () => void): void }): () => number {
  let calls = 0
  interrupt.connect(() => calls++)
  return () => calls
}

describe('command queue (4.1, 7.1)', () => {
  test('runs round its end with the wrap bit', () => {
    const driver = new ScriptedDriver({ commandLog2: 1 })
    for (let i = 0; i < 11; i++) expect(driver.sync()).toBe(true)
    expect([driver.read(L.SMMU_CMDQ_CONS), driver.unit.commands.executed]).toEqual([3, 11])
  })

  test.each([
    ['an opcode that is none', [0xff]],
    ['EL2 commands of a unit without EL2', [0x20]],
    ['a reserved response', [0x41, SID, 3 << 12]],
    ['a reserved signal of SYNC', [0x46 | (3 << 12)]],
  ])('%s is CERROR_ILL and stops the queue until GERRORN acknowledges', (_name, command) => {
    const driver = new ScriptedDriver()
    const gerrors = count(driver.unit.interrupts.gerror)
    driver.command(...command)
    driver.command(0x46)
    driver.run()
    expect([driver.synced, driver.read(L.SMMU_CMDQ_CONS) >>> 24, gerrors()]).toEqual([false, 1, 1])
    expect(driver.read(L.SMMU_GERROR) ^ driver.read(L.SMMU_GERRORN)).toBe(1)
    driver.memory.words[driver.commandBase * 1024] = 0x46
    driver.memory.words[driver.commandBase * 1024 + 2] = 0
    driver.command(0x46)
    expect(driver.synced).toBe(false)
    driver.write(L.SMMU_GERRORN, driver.read(L.SMMU_GERROR))
    expect(driver.synced).toBe(true)
  })

  test('commands of features that the unit lacks are illegal', () => {
    const unit = { ats: false, pri: false, stallModel: 'none', stage2: false } as const
    for (const command of [[0x40, SID], [0x41, SID], [0x44, SID], [0x45, SID], [0x28], [0x2a]]) {
      const driver = new ScriptedDriver({ unit })
      driver.command(...command)
      expect(driver.read(L.SMMU_CMDQ_CONS) >>> 24).toBe(1)
    }
  })

  test('a queue outside memory is CERROR_ABT', () => {
    const driver = new ScriptedDriver()
    driver.write(L.SMMU_CR0, 0x7)
    driver.write(L.SMMU_CMDQ_BASE + 4, 1)
    driver.write(L.SMMU_CR0, 0xf)
    driver.command(0x46)
    expect(driver.read(L.SMMU_CMDQ_CONS) >>> 24).toBe(2)
  })

  test('SYNC waits for invalidations of functions, and may interrupt', () => {
    const driver = new ScriptedDriver()
    const port = driver.connect()
    const syncs = count(driver.unit.interrupts.sync)
    port.completes = false
    driver.command(0x40 | (1 << 11) | (5 << 12), SID, 0x3000 | 2, 7)
    driver.command(0x40, SID, 52)
    driver.command(0x46 | (1 << 12))
    expect(port.invalidations).toEqual(['5 7 0 14', '-1 0 0 64'])
    expect(driver.synced).toBe(false)
    driver.unit.invalidateCompletion(SID, 1)
    expect(driver.synced).toBe(false)
    driver.unit.invalidateCompletion(SID, 2)
    driver.run()
    expect([driver.synced, syncs()]).toEqual([true, 1])
  })

  test('invalidations that no function completes in time are CERROR_ATC_INV_SYNC at the SYNC', () => {
    const driver = new ScriptedDriver({ unit: { latencies: { invalidationTimeout: 1000 } } })
    const port = driver.connect()
    port.completes = false
    driver.command(0x40, SID, 52)
    driver.command(0x46)
    driver.run()
    expect([driver.synced, driver.read(L.SMMU_CMDQ_CONS) >>> 24]).toEqual([false, 3])
    driver.write(L.SMMU_GERRORN, driver.read(L.SMMU_GERROR))
    expect([driver.synced, driver.unit.commands.timedOut]).toEqual([true, 1])
  })
})

function faulty(eventLog2: number): ScriptedDriver {
  const driver = new ScriptedDriver({ eventLog2 })
  driver.simpleStream()
  return driver
}

describe('event queue (7.2)', () => {
  test('what does not fit is lost, and OVFLG differs from OVACKFLG until software has copied it', () => {
    const driver = faulty(1)
    for (let page = 1n; page <= 4n; page++) driver.dma(NO_PASID, page << 12n)
    expect(driver.unit.faults.lost).toBe(2)
    expect(driver.read(L.SMMU_EVENTQ_PROD) >>> 31).toBe(1)
    expect(driver.takeEvents().map(({ address }) => address)).toEqual([0x1000n, 0x2000n])
    driver.dma(NO_PASID, 0x5000n)
    expect(driver.takeEvents()).toHaveLength(1)
    driver.write(L.SMMU_EVENTQ_CONS, driver.read(L.SMMU_EVENTQ_PROD))
    for (let page = 1n; page <= 3n; page++) driver.dma(NO_PASID, page << 12n)
    expect(driver.read(L.SMMU_EVENTQ_PROD) >>> 31).toBe(0)
    expect(driver.read(L.SMMU_EVENTQ_CONS) >>> 31).toBe(1)
  })

  test('interrupts when it is no longer empty, not for each event', () => {
    const driver = faulty(4)
    const events = count(driver.unit.interrupts.event)
    driver.dma(NO_PASID, 0x1000n)
    driver.run()
    driver.dma(NO_PASID, 0x2000n)
    driver.run()
    expect(events()).toBe(1)
    driver.takeEvents()
    driver.dma(NO_PASID, 0x2000n)
    driver.run()
    expect(events()).toBe(2)
    driver.write(L.SMMU_IRQ_CTRL, 0)
    driver.takeEvents()
    driver.dma(NO_PASID, 0x2000n)
    driver.run()
    expect(events()).toBe(2)
  })

  test('off: events are lost without a trace in the registers; outside memory: EVENTQ_ABT_ERR', () => {
    const driver = faulty(2)
    driver.write(L.SMMU_CR0, 0xb)
    driver.dma(NO_PASID, 0x1000n)
    expect([driver.read(L.SMMU_EVENTQ_PROD), driver.unit.faults.lost]).toEqual([0, 1])
    driver.write(L.SMMU_EVENTQ_BASE + 4, 1)
    driver.write(L.SMMU_CR0, 0xf)
    driver.dma(NO_PASID, 0x1000n)
    expect(driver.read(L.SMMU_GERROR)).toBe(4)
  })
})

function request(fields: Partial<PageRequest>): PageRequest {
  const defaults = { rid: SID, pasid: 5, addressLo: 0x3000, grpid: 1, access: ACCESS_READ, last: true }
  return Object.assign(new PageRequest(), defaults, fields)
}

describe('PRI queue (8.1, 8.2)', () => {
  test('a record has the bits of the manual', () => {
    const driver = new ScriptedDriver()
    const requests = count(driver.unit.interrupts.pri)
    driver.unit.pageRequest(request({ access: ACCESS_READ | ACCESS_WRITE, grpid: 0x1ff, addressHi: 9 }))
    driver.unit.pageRequest(request({ pasid: NO_PASID, last: false }))
    driver.run()
    const words = driver.memory.words.subarray(driver.priBase * 1024, driver.priBase * 1024 + 8)
    expect([...words].map((word) => word >>> 0)).toEqual([
      SID,
      0xf0000005,
      0x31ff,
      9,
      SID,
      0x10000000,
      0x3001,
      0,
    ])
    expect([driver.read(L.SMMU_PRIQ_PROD), requests()]).toEqual([2, 1])
  })

  test('an overflow drops requests until it is acknowledged; their last ones are answered Success', () => {
    const driver = new ScriptedDriver({ priLog2: 1 })
    const port = driver.connect()
    driver.setSte(SID, driver.stage1Ste(1, { cdBits: 3, word2: 1 << 18 }))
    for (const grpid of [1, 2, 3]) driver.unit.pageRequest(request({ grpid }))
    driver.unit.pageRequest(request({ grpid: 4, last: false }))
    driver.write(L.SMMU_PRIQ_CONS, 2)
    driver.unit.pageRequest(request({ grpid: 5 }))
    driver.unit.pageRequest(request({ grpid: 6, access: 0 }))
    driver.run()
    expect(port.responses).toEqual(['5 3 0', '5 5 0'])
    expect(driver.read(L.SMMU_PRIQ_PROD) >>> 31).toBe(1)
    driver.write(L.SMMU_PRIQ_CONS, driver.read(L.SMMU_PRIQ_PROD))
    driver.unit.pageRequest(request({ grpid: 7 }))
    expect(driver.unit.pri.queued).toBe(3)
  })

  test('while the queue is off the last request of a group is answered Response Failure', () => {
    const driver = new ScriptedDriver()
    const port = driver.connect()
    driver.write(L.SMMU_CR0, 0xd)
    driver.unit.pageRequest(request({}))
    driver.unit.pageRequest(request({ last: false }))
    driver.run()
    expect(port.responses).toEqual(['-1 1 15'])
  })

  test('CMD_PRI_RESP answers: deny, fail, success', () => {
    const driver = new ScriptedDriver()
    const port = driver.connect()
    for (const response of [0, 1, 2]) {
      driver.command(0x41 | (1 << 11) | (5 << 12), SID, (response << 12) | response)
    }
    driver.command(0x41, SID, (2 << 12) | 9)
    driver.run()
    expect(port.responses).toEqual(['5 0 15', '5 1 1', '5 2 0', '-1 9 0'])
  })
})

describe('registers', () => {
  test('what the unit can is read from IDR0 to IDR5', () => {
    const driver = new ScriptedDriver({
      unit: { stallModel: 'forced', stallMax: 7, addressBits: 40, httu: 'access' },
    })
    const idr = [0, 1, 2, 3, 4, 5].map((n) => driver.read(n * 4) >>> 0)
    const features = 0x3 | (2 << 2) | (1 << 4) | (1 << 6) | (1 << 10) | (1 << 12) | (1 << 16) | (1 << 19)
    expect(idr[0]).toBe(features | (2 << 21) | (2 << 24) | (1 << 26) | (1 << 27))
    expect(idr[1]).toBe(9 | (20 << 6) | (19 << 11) | (19 << 16) | (19 << 21))
    expect([idr[2], idr[3], idr[4]]).toEqual([0, 1 << 10, 0])
    expect(idr[5]).toBe(2 | (1 << 4) | (7 << 16))
  })

  test('bases stay while their queue is on; what does not exist reads 0', () => {
    const driver = new ScriptedDriver()
    const before = driver.read(L.SMMU_CMDQ_BASE)
    driver.write(L.SMMU_CMDQ_BASE, 0)
    driver.write(L.SMMU_STRTAB_BASE, 0)
    driver.write(0x3000, 1)
    expect(driver.read(L.SMMU_CMDQ_BASE)).toBe(before)
    expect(driver.read(L.SMMU_STRTAB_BASE)).toBe(driver.streamTable << 12)
    expect([driver.read(0x3000), driver.unit.registers.unknownRegisters]).toEqual([0, 2])
    expect([driver.read(L.SMMU_CR0ACK), driver.read(L.SMMU_IRQ_CTRLACK)]).toEqual([0xf, 7])
  })
})
