// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE } from '../../pci/messages.ts'
import { RecordingFunction, RID, type DriverOptions, ScriptedDriver } from './scripted-driver.suite.ts'

function bench(options: DriverOptions = {}): {
  driver: ScriptedDriver
  device: RecordingFunction
  interrupts: () => number
} {
  const driver = new ScriptedDriver(options)
  const device = new RecordingFunction(driver.unit)
  let count = 0
  driver.unit.interrupts.pageRequest.connect(() => void count++)
  driver.simpleDevice()
  return { driver, device, interrupts: () => count }
}

describe('page request descriptors (spec/04 §1.2)', () => {
  test.each([
    [
      'with PASID',
      { pasid: 0x1cde, grpid: 0x155, addressHi: 0x1234, addressLo: 0x5678_9000, access: ACCESS_WRITE },
      '1100101 1cde 56789aae 1234 0 0',
    ],
    ['without PASID, not the last', { grpid: 3, addressLo: 0x1000, last: false }, '1100001 0 1019 0 0 0'],
    [
      'executing, privileged',
      { pasid: 5, access: ACCESS_READ | ACCESS_EXEC | ACCESS_PRIV },
      '1100101 300005 5 0 0 0',
    ],
    ['with private data, which it does not keep', { private0: 1, private1: 2 }, '1100001 0 5 0 0 0'],
  ])('%s', (_what, request, record) => {
    const { driver } = bench()
    driver.send(request)
    expect(driver.takeRequests()).toEqual([record])
  })

  test('private data is kept by a unit with PDS', () => {
    const { driver } = bench({ unit: { privateData: true } })
    driver.send({ private0: 0xa, private1: 0xb })
    expect(driver.takeRequests()).toEqual(['1100201 0 5 0 a b'])
  })
})

describe('pending bit and interrupt (VT-d 7.5)', () => {
  test('one interrupt for all requests until PPR is cleared', () => {
    const { driver, interrupts } = bench()
    driver.send({ grpid: 1 })
    driver.send({ grpid: 2 })
    driver.run()
    expect([interrupts(), driver.read(0xdc), driver.read(0xc8)]).toEqual([1, 1, 64])
    driver.write(0xdc, 1)
    driver.send({ grpid: 3 })
    driver.run()
    expect([interrupts(), driver.read(0xdc)]).toEqual([2, 1])
  })

  test('the record is in memory and the tail moved before the interrupt', () => {
    const { driver } = bench()
    const seen: number[] = []
    driver.unit.interrupts.pageRequest.connect(() => void seen.push(driver.takeRequests().length))
    driver.send({ grpid: 1 })
    driver.run()
    expect(seen).toEqual([1])
  })

  test('a masked event is pending, and comes when unmasked', () => {
    const { driver, interrupts } = bench()
    driver.write(0xe0, 0x80000000)
    driver.send({})
    driver.run()
    expect([interrupts(), driver.read(0xe0)]).toEqual([0, 0xc0000000])
    driver.write(0xe0, 0)
    driver.run()
    expect(interrupts()).toBe(1)
  })
})

describe('overflow (spec/04 §1.3)', () => {
  const FEW = { unit: { pageRequestsMax: 3 } }

  test('a full queue: PRO; last requests are answered Success, others vanish, until PRO is cleared', () => {
    const { driver, device } = bench()
    for (let i = 0; i < 127; i++) driver.send({ grpid: i, pasid: 5 })
    expect(driver.read(0xdc)).toBe(1)
    driver.send({ grpid: 200, pasid: 5, last: false })
    driver.send({ grpid: 200, pasid: 5 })
    expect([driver.read(0xdc), driver.unit.pageRequests.overflowed]).toEqual([3, 2])
    driver.run()
    expect(device.responses).toEqual(['5 200 0'])
    expect(driver.takeRequests()).toHaveLength(127)
    driver.send({ grpid: 201 })
    driver.run()
    expect([device.responses.length, driver.takeRequests()]).toEqual([2, []])
    driver.write(0xdc, 2)
    driver.send({ grpid: 202 })
    expect(driver.takeRequests()).toHaveLength(1)
  })

  test('a unit that lets fewer wait overflows earlier', () => {
    const { driver } = bench(FEW)
    for (let i = 0; i < 4; i++) driver.send({ grpid: i })
    expect([driver.read(0xdc), driver.takeRequests().length]).toEqual([3, 3])
  })

  test('Stop Markers are never answered', () => {
    const { driver, device } = bench(FEW)
    for (let i = 0; i < 4; i++) driver.send({ grpid: i })
    driver.send({ pasid: 5, access: 0 })
    driver.run()
    expect(device.responses).toEqual(['-1 3 0'])
  })

  test('an overflow alone is an interrupt condition', () => {
    const { driver, interrupts } = bench(FEW)
    for (let i = 0; i < 3; i++) driver.send({ grpid: i })
    driver.run()
    driver.write(0xdc, 1)
    driver.send({ grpid: 4 })
    driver.run()
    expect([interrupts(), driver.read(0xdc)]).toEqual([2, 2])
  })

  test('the queue goes round', () => {
    const { driver } = bench()
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 10; i++) driver.send({ grpid: i, addressLo: i << 12 })
      expect(driver.takeRequests().map((record) => record.split(' ')[2])).toEqual(
        Array.from({ length: 10 }, (_, i) => ((i << 12) | (i << 3) | 5).toString(16)),
      )
    }
  })
})

describe('requests that are refused (spec/04 §1.3)', () => {
  test.each([
    ['no context entry', (d: ScriptedDriver) => d.setContext(RID, 0), 15, [0x41]],
    ['PRE clear', (d: ScriptedDriver) => d.setContext(RID, 0xd), 15, [0x47]],
    ['PRE clear, faults disabled', (d: ScriptedDriver) => d.setContext(RID, 0xf), 15, []],
    ['no context entry, faults disabled', (d: ScriptedDriver) => d.setContext(RID, 2), 15, []],
    ['PASIDs off', (d: ScriptedDriver) => d.setContext(RID, 0x15), 1, [0x45]],
    ['translation off', (d: ScriptedDriver) => d.write(0x18, 0x04000000), 15, []],
    ['no queue', (d: ScriptedDriver) => d.write(0xd0, 0x7ffff000), 15, []],
  ])('%s', (_what, breaks, code, reasons) => {
    const { driver, device } = bench()
    breaks(driver)
    driver.invalidateContexts()
    driver.send({ pasid: 5, grpid: 8, last: false })
    driver.send({ pasid: 5, grpid: 9 })
    driver.run()
    expect(device.responses).toEqual([`5 9 ${code}`])
    const faults = driver.takeFaults()
    expect(faults.map(({ reason }) => reason)).toEqual([...reasons, ...reasons])
    // T2: a page request.
    for (const { bits } of faults) expect(bits).toBe(0x10)
    expect(driver.takeRequests()).toEqual([])
  })

  test('a PASID beyond the directory is Invalid: 46h', () => {
    const { driver, device } = bench()
    driver.send({ pasid: 8192, grpid: 9 })
    driver.run()
    expect([device.responses, driver.reasons()]).toEqual([['8192 9 1'], [0x46]])
  })

  test('a PASID without an entry is queued: entries do not count for page requests', () => {
    const { driver } = bench()
    driver.send({ pasid: 4000, grpid: 9 })
    expect(driver.takeRequests()).toHaveLength(1)
  })
})
