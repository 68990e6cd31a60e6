// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { NO_PASID, PRG_INVALID_REQUEST, PRG_SUCCESS } from '../../pci/messages.ts'
import * as L from './layout.ts'
import { type DriverOptions, RID, RecordingFunction, ScriptedDriver } from './scripted-driver.suite.ts'

function setUp(options: DriverOptions = {}) {
  const driver = new ScriptedDriver(options)
  driver.simpleDevice()
  const port = new RecordingFunction(driver.unit)
  driver.unit.connect(port)
  let interrupts = 0
  driver.unit.interrupts.command.connect(() => interrupts++)
  const settle = (): void => void driver.world.scheduler.runUntilIdle()
  return { driver, port, settle, interrupts: () => interrupts }
}

describe('responses', () => {
  test('reach the function as steps of their own, in order', () => {
    const { driver, port, settle } = setUp()
    driver.respond(RID, 5, 1, PRG_SUCCESS)
    driver.respond(RID, 5, 511, PRG_INVALID_REQUEST)
    driver.respond(RID, 5, 3, 2)
    expect(port.responses).toEqual([])
    settle()
    expect(port.responses.map(({ grpid, code }) => [grpid, code])).toEqual([
      [1, 0],
      [511, 1],
      [3, 2],
    ])
    expect(driver.world.clock.now).toBe(300)
  })

  test('carry the PASID only to a function that wants it', () => {
    const { driver, port, settle } = setUp()
    driver.respond(RID, 5, 1, PRG_SUCCESS)
    driver.respond(RID, NO_PASID, 2, PRG_SUCCESS)
    driver.setDevice(RID, L.DEVICE_VALID | L.DEVICE_PASID | L.DEVICE_PRI)
    driver.invalidateContext(RID)
    driver.respond(RID, 5, 3, PRG_SUCCESS)
    settle()
    expect(port.responses.map(({ pasid }) => pasid)).toEqual([5, NO_PASID, NO_PASID])
  })

  test('bring private data back where the command says so', () => {
    const { driver, port, settle } = setUp()
    driver.respond(RID, 5, 1, PRG_SUCCESS, L.COMMAND_PRIVATE_PRESENT, 123, -7)
    driver.respond(RID, 5, 2, PRG_SUCCESS, 0, 123, -7)
    settle()
    expect(port.responses.map((response) => response.private)).toEqual([
      [123, -7],
      [0, 0],
    ])
  })

  test('to a function that is gone are lost', () => {
    const { driver, port, settle } = setUp()
    driver.respond(RID, 5, 1, PRG_SUCCESS)
    driver.unit.disconnect(RID)
    settle()
    expect(port.responses).toEqual([])
  })

  test('more than the link was made for all arrive', () => {
    const { driver, port, settle } = setUp({ commandEntries: 128 })
    for (let grpid = 0; grpid < 500; grpid++) driver.respond(RID, 5, grpid, PRG_SUCCESS)
    settle()
    expect(port.responses.map(({ grpid }) => grpid)).toEqual([...Array(500).keys()])
  })
})

describe('device-cache invalidation', () => {
  test('reaches the function with its range and a tag', () => {
    const { driver, port } = setUp()
    driver.invalidateAtc(RID, 5, 0x12, 0x34000, 13)
    driver.invalidateAtc(RID, NO_PASID)
    expect(port.invalidations).toEqual([
      { pasid: 5, hi: 0x12, lo: 0x34000, shift: 13, itag: 0 },
      { pasid: NO_PASID, hi: 0, lo: 0, shift: 64, itag: 0 },
    ])
  })

  test('a WAIT behind it completes at once when the function does', () => {
    const { driver } = setUp()
    driver.invalidateAtc(RID, 5)
    expect(driver.wait()).toBe(true)
  })

  test('a WAIT behind it waits for every completion, and later commands wait for the WAIT', () => {
    const { driver, port } = setUp()
    port.completes = false
    driver.invalidateAtc(RID, 5)
    driver.invalidateAtc(RID, NO_PASID)
    expect(driver.wait()).toBe(false)
    driver.invalidateAtc(RID, 6)
    expect(port.invalidations).toHaveLength(2)
    driver.unit.invalidateCompletion(RID, 1)
    expect(driver.waited()).toBe(false)
    driver.unit.invalidateCompletion(RID, 2)
    expect(driver.waited()).toBe(true)
    expect(port.invalidations).toHaveLength(3)
  })

  test('32 tags at most: the 33rd request waits for a completion', () => {
    const { driver, port } = setUp()
    port.completes = false
    for (let i = 0; i < 33; i++) driver.invalidateAtc(RID, 5)
    expect(port.invalidations.map(({ itag }) => itag)).toEqual([...Array(32).keys()])
    driver.unit.invalidateCompletion(RID, 1 << 9)
    expect(port.invalidations.at(-1)!.itag).toBe(9)
  })

  test('a completion nobody waits for changes nothing', () => {
    const { driver, port } = setUp()
    port.completes = false
    driver.unit.invalidateCompletion(RID, -1)
    driver.unit.invalidateCompletion(0x999, -1)
    driver.invalidateAtc(RID, 5)
    expect(driver.wait()).toBe(false)
  })

  test('a function that is unplugged owes nothing any more', () => {
    const { driver, port } = setUp()
    port.completes = false
    driver.invalidateAtc(RID, 5)
    expect(driver.wait()).toBe(false)
    driver.unit.disconnect(RID)
    expect(driver.waited()).toBe(true)
    driver.invalidateAtc(RID, 5)
    expect(driver.wait()).toBe(true)
  })

  test('a function that never completes is given up after the time-out, with status and interrupt', () => {
    const { driver, port, settle, interrupts } = setUp({ unit: { latencies: { invalidationTimeout: 5000 } } })
    port.completes = false
    driver.invalidateAtc(RID, 5)
    expect(driver.wait()).toBe(false)
    settle()
    expect(driver.waited()).toBe(true)
    expect(driver.read(L.REG_STATUS)).toBe(L.STATUS_INVALIDATION_TIMEOUT)
    expect(interrupts()).toBe(1)
    expect(driver.unit.commands.timedOut).toBe(1)
  })

  test('one that completes in time stops the clock', () => {
    const { driver, settle } = setUp({ unit: { latencies: { invalidationTimeout: 5000 } } })
    driver.invalidateAtc(RID, 5)
    settle()
    expect(driver.read(L.REG_STATUS)).toBe(0)
  })
})

describe('WAIT', () => {
  test('can interrupt', () => {
    const { driver, settle, interrupts } = setUp()
    expect(driver.wait(L.WAIT_INTERRUPT)).toBe(true)
    settle()
    expect(driver.read(L.REG_STATUS)).toBe(L.STATUS_WAIT_COMPLETE)
    expect(interrupts()).toBe(1)
  })

  test('with page-request drain delivers the responses on their way first', () => {
    const { driver, port } = setUp()
    driver.respond(RID, 5, 1, PRG_SUCCESS)
    driver.wait()
    expect(port.responses).toHaveLength(0)
    driver.wait(L.WAIT_PAGE_REQUEST_DRAIN)
    expect(port.responses).toHaveLength(1)
    driver.world.scheduler.runUntilIdle()
    expect(port.responses).toHaveLength(1)
  })
})

describe('malformed commands', () => {
  const BAD: readonly [name: string, words: readonly number[]][] = [
    ['opcode 0', [0]],
    ['an unknown opcode', [99]],
    ['reserved flags', [L.COMMAND_WAIT | 0x4000]],
    ['a range smaller than a page', [L.COMMAND_INVALIDATE_IOTLB, 1, 0, 0, 11]],
    ['a range larger than everything', [L.COMMAND_INVALIDATE_IOTLB, 1, 0, 0, 65]],
    ['a range that is not aligned', [L.COMMAND_INVALIDATE_IOTLB, 1, 0x1000, 0, 13]],
    ['one not aligned above 4 GiB', [L.COMMAND_INVALIDATE_ATC, 1, 0, 1, 33]],
    ['one with low bits above 4 GiB', [L.COMMAND_INVALIDATE_ATC, 1, 0x1000, 0, 33]],
    ['a WAIT for memory that does not exist', [L.COMMAND_WAIT | L.WAIT_STORE, 1, 1 << 20, 0]],
    ['a WAIT for an odd address', [L.COMMAND_WAIT | L.WAIT_STORE, 1, 1, 2]],
    ['a WAIT beyond its frame', [L.COMMAND_WAIT | L.WAIT_STORE, 1, 1, 4096]],
  ]

  test.each(BAD)('%s stops the queue at it, with status and interrupt', (_name, words) => {
    const { driver, settle, interrupts } = setUp()
    driver.invalidateIotlb(1)
    driver.command(...words)
    expect(driver.wait()).toBe(false)
    settle()
    expect(driver.read(L.REG_COMMAND_HEAD)).toBe(1)
    expect(driver.read(L.REG_STATUS)).toBe(L.STATUS_COMMAND_ERROR)
    expect(interrupts()).toBe(1)
  })

  test('replaced by a good one and the bit cleared, the queue goes on', () => {
    const { driver } = setUp()
    driver.command(99)
    expect(driver.wait()).toBe(false)
    driver.memory.store32(driver.commandBase, 0, L.COMMAND_INVALIDATE_CONTEXT | L.COMMAND_ALL)
    driver.write(L.REG_STATUS, L.STATUS_COMMAND_ERROR)
    expect(driver.waited()).toBe(true)
    expect(driver.read(L.REG_COMMAND_HEAD)).toBe(2)
  })

  test('not replaced, it stops again', () => {
    const { driver } = setUp()
    driver.command(99)
    driver.write(L.REG_STATUS, L.STATUS_COMMAND_ERROR)
    expect(driver.read(L.REG_STATUS)).toBe(L.STATUS_COMMAND_ERROR)
  })
})

describe('registers', () => {
  test('capability says what the configuration says', () => {
    const { driver } = setUp({ unit: { pasidBits: 12, nested: false, formats: [L.FORMAT_X86_64_4_LEVEL] } })
    expect(driver.read(L.REG_CAPABILITY)).toBe(12 | L.CAP_ATS | L.CAP_PRI | (1 << 17))
    expect(driver.read(L.REG_RING_ENTRIES_MAX)).toBe(4096)
  })

  test('a ring of unusable memory or size stays off', () => {
    const bad: DriverOptions[] = [{ requestEntries: 1 }, { requestEntries: 5000 }, { requestEntries: 0 }]
    for (const options of bad) {
      const { driver } = setUp(options)
      expect(driver.read(L.REG_CONTROL) & L.CONTROL_PAGE_REQUESTS).toBe(0)
    }
    const { driver } = setUp({ control: 0 })
    driver.write(L.REG_FAULT_BASE, 1 << 20)
    driver.write(L.REG_CONTROL, L.CONTROL_FAULTS)
    expect(driver.read(L.REG_CONTROL)).toBe(0)
  })

  test('bases and sizes are fixed while their ring is on', () => {
    const { driver } = setUp()
    driver.write(L.REG_COMMAND_BASE, 7)
    driver.write(L.REG_COMMAND_ENTRIES, 8)
    expect(driver.read(L.REG_COMMAND_BASE)).toBe(driver.commandBase)
    expect(driver.read(L.REG_COMMAND_ENTRIES)).toBe(64)
  })

  test('turning a ring off and on starts it anew', () => {
    const { driver } = setUp()
    driver.wait()
    expect(driver.read(L.REG_COMMAND_HEAD)).toBe(1)
    const control = driver.read(L.REG_CONTROL)
    driver.write(L.REG_CONTROL, control & ~L.CONTROL_COMMANDS)
    driver.write(L.REG_CONTROL, control)
    expect([driver.read(L.REG_COMMAND_HEAD), driver.read(L.REG_COMMAND_TAIL)]).toEqual([0, 0])
  })

  test('unknown and read-only registers read 0 or keep their value, and count', () => {
    const { driver } = setUp()
    driver.write(0x60, 1)
    driver.write(L.REG_COMMAND_HEAD, 5)
    driver.write(L.REG_CAPABILITY, 0)
    expect(driver.read(0x60)).toBe(0)
    expect(driver.read(L.REG_COMMAND_HEAD)).toBe(0)
    expect(driver.unit.unknownRegisters).toBe(4)
  })
})

describe('the fault ring', () => {
  test('overflows: the bit is set, faults are lost, and clearing the bit ends it', () => {
    const { driver } = setUp({ faultEntries: 2 })
    let interrupts = 0
    driver.unit.interrupts.fault.connect(() => interrupts++)
    expect(driver.dma(5, 0, 0x1000)).toBe(-1)
    expect(driver.dma(5, 0, 0x2000)).toBe(-1)
    expect(driver.read(L.REG_STATUS)).toBe(L.STATUS_FAULT_PENDING | L.STATUS_FAULT_OVERFLOW)
    expect(driver.takeFaults().map(({ lo }) => lo)).toEqual([0x1000])
    driver.dma(5, 0, 0x3000)
    expect(driver.takeFaults()).toEqual([])
    driver.write(L.REG_STATUS, L.STATUS_FAULT_OVERFLOW)
    driver.dma(5, 0, 0x4000)
    expect(driver.takeFaults().map(({ lo }) => lo)).toEqual([0x4000])
    expect([driver.unit.faults.recorded, driver.unit.faults.lost]).toEqual([2, 2])
    driver.world.scheduler.runUntilIdle()
    expect(interrupts).toBe(1)
  })
})
