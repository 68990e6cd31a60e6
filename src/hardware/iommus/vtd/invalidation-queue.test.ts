// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { READ_WRITE, RecordingFunction, RID, ScriptedDriver } from './scripted-driver.suite.ts'

const ALL_ADDRESSES = [0xfffff000, 0x7fffffff] as const

describe('wait descriptors (VT-d 6.5.2.8)', () => {
  test('status data is stored; the head moves; an empty queue does nothing', () => {
    const driver = new ScriptedDriver()
    expect(driver.wait()).toBe(true)
    expect([driver.read(0x80), driver.read(0x88), driver.unit.invalidations.executed]).toEqual([32, 32, 1])
    driver.write(0x88, driver.tail)
    expect(driver.unit.invalidations.executed).toBe(1)
  })

  test('with IF the invalidation event is raised once until ICS is cleared', () => {
    const driver = new ScriptedDriver()
    let interrupts = 0
    driver.unit.interrupts.invalidation.connect(() => void interrupts++)
    driver.wait(0x10)
    driver.wait(0x10)
    driver.run()
    expect([interrupts, driver.read(0x9c)]).toEqual([1, 1])
    driver.write(0x9c, 1)
    driver.wait(0x10)
    driver.run()
    expect([interrupts, driver.read(0x9c)]).toEqual([2, 1])
  })

  test('a wait completes after the device TLBs have; what follows waits too', () => {
    const driver = new ScriptedDriver()
    const device = new RecordingFunction(driver.unit)
    device.completes = false
    driver.submit(0x3, RID, 0x1000)
    driver.submit(0x3, RID, 0x2000)
    expect(driver.wait()).toBe(false)
    driver.simpleDevice().map(0, 0x1000, 40, 1, READ_WRITE)
    driver.dma(5, 0, 0x1000)
    driver.setEntry(5, { flags: 0 })
    driver.invalidatePasids()
    expect(driver.dma(5, 0, 0x1000)).toBe(40)
    driver.unit.invalidateCompletion(RID, 1 << device.invalidations[0]!.itag)
    expect(driver.waited).toBe(false)
    driver.unit.invalidateCompletion(RID, 1 << device.invalidations[1]!.itag)
    expect([driver.waited, driver.dma(5, 0, 0x1000)]).toEqual([true, -1])
  })

  test('the queue goes round', () => {
    const driver = new ScriptedDriver()
    for (let i = 0; i < 300; i++) expect(driver.wait()).toBe(true)
    expect(driver.read(0x80)).toBe((300 * 32) & 4095)
  })
})

describe('device TLB invalidations (VT-d 6.5.2.5, 6.5.2.6; spec/01 §6.3)', () => {
  test.each([
    ['a page', [0x3, RID, 0x5000, 7], [-1, 7, 0x5000, 12]],
    ['8 KiB', [0x3, RID, 0x4001, 7], [-1, 7, 0x4000, 13]],
    ['64 KiB', [0x3, RID, 0x17001, 7], [-1, 7, 0x10000, 16]],
    ['4 GiB', [0x3, RID, 0x7ffff001, 6], [-1, 6, 0, 32]],
    ['8 GiB', [0x3, RID, 0xfffff001, 6], [-1, 6, 0, 33]],
    ['everything', [0x3, RID, ALL_ADDRESSES[0] | 1, ALL_ADDRESSES[1]], [-1, 0, 0, 64]],
    ['a page of a PASID', [0x8 | (RID << 16), 9, 0x5000, 7], [9, 7, 0x5000, 12]],
    ['8 KiB of a PASID', [0x8 | (RID << 16), 9, 0x4800, 7], [9, 7, 0x4000, 13]],
    ['all of a PASID', [0x8 | (RID << 16), 9, ALL_ADDRESSES[0] | 0x800, ALL_ADDRESSES[1]], [9, 0, 0, 64]],
  ])('%s', (_what, words, sent) => {
    const driver = new ScriptedDriver()
    const device = new RecordingFunction(driver.unit)
    driver.submit(...words)
    expect(device.invalidations.map(({ pasid, hi, lo, shift }) => [pasid, hi, lo, shift])).toEqual([sent])
    expect(driver.wait()).toBe(true)
  })

  test('of a function that is not there completes', () => {
    const driver = new ScriptedDriver()
    driver.submit(0x3, RID, 0x5000)
    expect(driver.wait()).toBe(true)
  })

  test('more than 32 of one function wait for a free tag', () => {
    const driver = new ScriptedDriver()
    const device = new RecordingFunction(driver.unit)
    device.completes = false
    for (let i = 0; i < 40; i++) driver.submit(0x3, RID, i << 12)
    expect(device.invalidations).toHaveLength(32)
    driver.unit.invalidateCompletion(RID, -1)
    expect(device.invalidations).toHaveLength(40)
  })

  test('of a function that goes away are complete', () => {
    const driver = new ScriptedDriver()
    const device = new RecordingFunction(driver.unit)
    device.completes = false
    driver.submit(0x3, RID, 0x5000)
    expect(driver.wait()).toBe(false)
    driver.unit.disconnect(RID)
    expect(driver.waited).toBe(true)
  })

  test('a time-out sets ITE, drops the wait and stops the queue until ITE is cleared (VT-d 6.5.2.10)', () => {
    const driver = new ScriptedDriver({ unit: { latencies: { invalidationTimeout: 1000 } } })
    const device = new RecordingFunction(driver.unit)
    device.completes = false
    driver.submit(0x3, RID, 0x5000)
    driver.wait()
    driver.submit(0x11)
    driver.run()
    expect([driver.read(0x34), driver.read(0xb4), driver.waited]).toEqual([0x40, RID, false])
    expect([driver.read(0x80), driver.read(0x88), driver.unit.invalidations.timedOut]).toEqual([64, 96, 1])
    driver.write(0x34, 0x40)
    expect(driver.read(0x80)).toBe(96)
    expect(driver.wait()).toBe(true)
  })
})

describe('errors of the queue (VT-d 6.5.2.10)', () => {
  test.each([
    [3, 'an unknown type', [0xd]],
    [3, 'a type of the upper bits', [0x201]],
    [3, 'interrupt entries', [0x4]],
    [4, 'contexts without granularity', [0x1]],
    [4, 'reserved bits of contexts', [0x1011]],
    [4, 'reserved bits of contexts, word 1', [0x31, 0x40000]],
    [4, 'PASID entries of an unknown granularity', [0x27]],
    [4, 'reserved bits of PASID entries', [0x37, 0x100000]],
    [4, 'the IOTLB without granularity', [0x2]],
    [4, 'reserved bits of the IOTLB', [0x12, 1]],
    [4, 'reserved address bits of the IOTLB', [0x32, 0, 0x80]],
    [4, 'PASID IOTLB without granularity', [0x6]],
    [4, 'reserved bits of the PASID IOTLB', [0x26, 0, 0x80]],
    [4, 'reserved bits of device TLBs', [0x3, 0x10000]],
    [4, 'reserved address bits of device TLBs', [0x3, RID, 2]],
    [4, 'reserved address bits of PASID device TLBs', [0x8, 0, 2]],
    [4, 'reserved bits of a wait', [0x125]],
    [4, 'a status address that is not aligned', [0x25, 0, 2]],
    [4, 'reserved bits of a response', [0x49]],
    [4, 'an address in a response', [0x9, 0, 0x1000]],
  ])('IQEI %i: %s', (code, _what, words) => {
    const driver = new ScriptedDriver()
    driver.submit(...words)
    expect([driver.read(0x34), driver.read(0xb0)]).toEqual([0x10, code])
    expect(driver.wait()).toBe(false)
    expect(driver.read(0x80)).toBe(0)
    // Software replaces the descriptor and clears the bit.
    for (let word = 0; word < 8; word++) driver.memory.store32(driver.queue, 4 * word, [0x11][word] ?? 0)
    driver.write(0x34, 0x10)
    expect([driver.waited, driver.read(0x34)]).toEqual([true, 0])
  })

  test.each([
    [1, 'a tail beyond the queue', (d: ScriptedDriver) => d.write(0x88, 0x1000)],
    [6, 'a tail that is not aligned to 32 bytes', (d: ScriptedDriver) => d.write(0x88, 0x10)],
    [
      5,
      'descriptors of 128 bits',
      (d: ScriptedDriver) => {
        d.write(0x90, d.queue << 12)
        d.write(0x88, 0x20)
      },
    ],
    [
      2,
      'a queue outside memory',
      (d: ScriptedDriver) => {
        d.write(0x90, 0x7ffff800)
        d.write(0x88, 0x20)
      },
    ],
    [
      2,
      'a queue beyond all memory',
      (d: ScriptedDriver) => {
        d.write(0x94, 0x800)
        d.write(0x88, 0x20)
      },
    ],
  ])('IQEI %i: %s', (code, _what, breaks) => {
    const driver = new ScriptedDriver()
    breaks(driver)
    expect([driver.read(0x34), driver.read(0xb0)]).toEqual([0x10, code])
  })

  test('an error is a fault event', () => {
    const driver = new ScriptedDriver()
    let interrupts = 0
    driver.unit.interrupts.fault.connect(() => void interrupts++)
    driver.submit(0xd)
    driver.run()
    expect(interrupts).toBe(1)
  })

  test('nothing is executed while QIE is clear; switched on, it begins at descriptor 0', () => {
    const driver = new ScriptedDriver()
    driver.wait()
    driver.write(0x18, 0x80000000)
    expect([driver.read(0x1c) & 0x04000000, driver.wait()]).toEqual([0, false])
    driver.write(0x18, 0x84000000)
    expect([driver.waited, driver.read(0x80)]).toEqual([true, 64])
  })
})

describe('page group responses (VT-d 7.6.1; spec/04 §1.4)', () => {
  test.each([
    ['with PASID', [0x9 | 0x10 | (1 << 12) | (RID << 16), 77, 5 << 3], '77 5 1', [0, 0]],
    ['without PASID', [0x9 | (0 << 12) | (RID << 16), 0, (511 << 3) | 4], '-1 511 0', [0, 0]],
    ['any code', [0x9 | (15 << 12) | (RID << 16), 0, 0], '-1 0 15', [0, 0]],
    ['with private data', [0x9 | 0x20 | (RID << 16), 0, 0, 0, 12, 34], '-1 0 0', [12, 34]],
    ['with private data that is not present', [0x9 | (RID << 16), 0, 0, 0, 12, 34], '-1 0 0', [0, 0]],
  ])('%s', (_what, words, response, privates) => {
    const driver = new ScriptedDriver()
    const device = new RecordingFunction(driver.unit)
    driver.submit(...words)
    expect(device.responses).toEqual([])
    driver.run()
    expect([device.responses, device.privates]).toEqual([[response], privates])
  })

  test('a wait with page-request drain has them delivered before it completes', () => {
    const driver = new ScriptedDriver()
    const device = new RecordingFunction(driver.unit)
    driver.submit(0x9 | (RID << 16))
    driver.wait()
    expect(device.responses).toEqual([])
    driver.wait(0x80)
    expect(device.responses).toEqual(['-1 0 0'])
  })

  test('to nobody are lost', () => {
    const driver = new ScriptedDriver()
    driver.submit(0x9 | (RID << 16))
    driver.run()
    expect(driver.read(0x34)).toBe(0)
  })
})
