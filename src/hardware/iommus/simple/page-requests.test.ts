// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import {
  ACCESS_EXEC,
  ACCESS_PRIV,
  ACCESS_READ,
  ACCESS_WRITE,
  NO_PASID,
  PRG_INVALID_REQUEST,
  PRG_RESPONSE_FAILURE,
  PRG_SUCCESS,
  PageRequest,
} from '../../pci/messages.ts'
import * as L from './layout.ts'
import {
  ALL_DEVICE_FLAGS,
  type DriverOptions,
  RID,
  RecordingFunction,
  ScriptedDriver,
} from './scripted-driver.suite.ts'

function setUp(options: DriverOptions = {}) {
  const driver = new ScriptedDriver(options)
  driver.simpleDevice()
  const port = new RecordingFunction(driver.unit)
  driver.unit.connect(port)
  let interrupts = 0
  driver.unit.interrupts.pageRequest.connect(() => interrupts++)
  const send = (changes: Partial<PageRequest> = {}): void =>
    driver.unit.pageRequest(
      Object.assign(new PageRequest(), { rid: RID, pasid: 5, access: ACCESS_READ, last: true }, changes),
    )
  const settle = (): void => void driver.world.scheduler.runUntilIdle()
  return { driver, port, send, settle, interrupts: () => interrupts }
}

describe('page-request records', () => {
  test('hold what the request holds, bit for bit', () => {
    const { driver, send } = setUp()
    send({ addressHi: 0x1234, addressLo: 0x89abc000 | 0, grpid: 0x1ff, access: ACCESS_READ, pasid: 0x2ff })
    const words = Array.from({ length: 8 }, (_, i) => driver.memory.load32(driver.requestBase, 4 * i) >>> 0)
    // type 1, PASID present, RID 31:16 | PASID | address 31:12, PRGI 11:3, last, read | address 63:32.
    expect(words).toEqual([0x01100101, 0x2ff, 0x89abcffd, 0x1234, 0, 0, 0, 0])
  })

  test('carry execute and privileged, and none of them without PASID', () => {
    const { driver, send } = setUp()
    send({ access: ACCESS_EXEC | ACCESS_PRIV | ACCESS_WRITE })
    send({ pasid: NO_PASID, access: ACCESS_WRITE, last: false })
    const [first, second] = driver.takeRequests()
    expect(first).toMatchObject({ pasid: 5, exec: true, priv: true, read: false, write: true, last: true })
    expect(second).toMatchObject({ pasid: NO_PASID, exec: false, priv: false, write: true, last: false })
  })

  test('are read in the order of arrival, across the end of the ring', () => {
    const { driver, send } = setUp({ requestEntries: 3 })
    const seen: number[] = []
    for (let grpid = 0; grpid < 10; grpid += 2) {
      send({ grpid })
      send({ grpid: grpid + 1 })
      seen.push(...driver.takeRequests().map((record) => record.grpid))
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('a ring may be larger than a frame', () => {
    const driver = new ScriptedDriver({ control: L.CONTROL_TRANSLATE, requestEntries: 200 })
    driver.simpleDevice()
    const [base, last] = [driver.allocTable(), driver.allocTable()]
    driver.write(L.REG_PAGE_REQUEST_BASE, base)
    driver.write(L.REG_CONTROL, L.CONTROL_TRANSLATE | L.CONTROL_PAGE_REQUESTS)
    const request = Object.assign(new PageRequest(), { rid: RID, pasid: 5, access: 1 })
    for (let i = 0; i < 199; i++) driver.unit.pageRequest(Object.assign(request, { grpid: i }))
    expect(driver.read(L.REG_PAGE_REQUEST_TAIL)).toBe(199)
    expect((driver.memory.load32(last, (198 - 128) * 32 + 8) >>> 3) & 0x1ff).toBe(198)
  })

  test('private data is recorded only by a unit that has it', () => {
    for (const privateData of [true, false]) {
      const { driver, send } = setUp({ unit: { privateData } })
      send({ private0: 11, private1: 22 })
      expect(driver.takeRequests()[0]!.private).toEqual(privateData ? [11, 22] : [0, 0])
      expect(driver.memory.load32(driver.requestBase, 0) & L.REQUEST_PRIVATE_PRESENT).toBe(
        privateData ? L.REQUEST_PRIVATE_PRESENT : 0,
      )
    }
  })

  test('a Stop Marker is recorded like a request (spec/04 §1.3: the driver drops it)', () => {
    const { driver, send } = setUp()
    send({ access: 0 })
    expect(driver.takeRequests()[0]).toMatchObject({ read: false, write: false, last: true, pasid: 5 })
  })
})

describe('the pending latch (spec/04 §1.3)', () => {
  test('only its 0 to 1 edge interrupts', () => {
    const { send, settle, interrupts } = setUp()
    send()
    settle()
    send()
    settle()
    expect(interrupts()).toBe(1)
  })

  test('cleared before the tail is sampled, no request is missed', () => {
    const { driver, send, settle, interrupts } = setUp()
    send({ grpid: 1 })
    settle()
    driver.write(L.REG_STATUS, L.STATUS_PAGE_REQUEST_PENDING)
    const tail = driver.read(L.REG_PAGE_REQUEST_TAIL)
    send({ grpid: 2 })
    driver.write(L.REG_PAGE_REQUEST_HEAD, tail)
    settle()
    expect(interrupts()).toBe(2)
    expect(driver.takeRequests().map(({ grpid }) => grpid)).toEqual([2])
  })

  test('cleared after the tail was sampled, a request between is left without an interrupt', () => {
    const { driver, send, settle, interrupts } = setUp()
    send({ grpid: 1 })
    settle()
    const tail = driver.read(L.REG_PAGE_REQUEST_TAIL)
    send({ grpid: 2 })
    driver.write(L.REG_STATUS, L.STATUS_PAGE_REQUEST_PENDING)
    driver.write(L.REG_PAGE_REQUEST_HEAD, tail)
    settle()
    expect(interrupts()).toBe(1)
    expect(driver.read(L.REG_PAGE_REQUEST_TAIL)).not.toBe(tail)
  })

  test('a disabled line raises nothing, and raises when it is enabled', () => {
    const { driver, send, settle, interrupts } = setUp()
    driver.write(L.REG_INTERRUPT_ENABLE, 0)
    send()
    settle()
    expect(interrupts()).toBe(0)
    driver.write(L.REG_INTERRUPT_ENABLE, L.INTERRUPT_PAGE_REQUEST)
    settle()
    expect(interrupts()).toBe(1)
  })
})

describe('overflow (spec/04 §1.3)', () => {
  test('a ring of two entries holds one request; the next sets the bit and is dropped', () => {
    const { driver, send } = setUp({ requestEntries: 2 })
    send({ grpid: 1, last: false })
    expect(driver.read(L.REG_STATUS) & L.STATUS_PAGE_REQUEST_OVERFLOW).toBe(0)
    send({ grpid: 1, last: false })
    expect(driver.read(L.REG_STATUS) & L.STATUS_PAGE_REQUEST_OVERFLOW).toBe(L.STATUS_PAGE_REQUEST_OVERFLOW)
    expect(driver.takeRequests()).toHaveLength(1)
    expect(driver.unit.pageRequests.overflowed).toBe(1)
  })

  test('a last request that finds the ring full is answered Success, with the PASID the function wants', () => {
    const { port, send, settle } = setUp({ requestEntries: 2 })
    send({ grpid: 1, last: false })
    send({ grpid: 2, private0: 7, private1: 8 })
    settle()
    expect(port.responses).toEqual([{ pasid: 5, grpid: 2, code: PRG_SUCCESS, private: [7, 8] }])
  })

  test('while the bit is set, also with room in the ring, last requests are answered and others vanish', () => {
    const { driver, port, send, settle } = setUp({ requestEntries: 2 })
    send({ grpid: 1, last: false })
    send({ grpid: 1, last: false })
    driver.takeRequests()
    send({ grpid: 2, last: false })
    send({ grpid: 2 })
    settle()
    expect(driver.takeRequests()).toEqual([])
    expect(port.responses.map(({ grpid, code }) => [grpid, code])).toEqual([[2, PRG_SUCCESS]])
  })

  test('writing 1 to the bit ends it', () => {
    const { driver, port, send, settle } = setUp({ requestEntries: 2 })
    send({ grpid: 1 })
    send({ grpid: 2 })
    driver.takeRequests()
    driver.write(L.REG_STATUS, L.STATUS_PAGE_REQUEST_OVERFLOW)
    send({ grpid: 3 })
    settle()
    expect(driver.takeRequests().map(({ grpid }) => grpid)).toEqual([3])
    expect(port.responses.map(({ grpid }) => grpid)).toEqual([2])
  })

  test('a Stop Marker that is lost gets no answer', () => {
    const { port, send, settle } = setUp({ requestEntries: 2 })
    send()
    send({ access: 0 })
    settle()
    expect(port.responses).toEqual([])
  })

  test('a request that closes its group without a page is answered (no PASID: not a Stop Marker)', () => {
    const { port, send, settle } = setUp({ requestEntries: 2 })
    send()
    send({ access: 0, pasid: NO_PASID, grpid: 4 })
    settle()
    expect(port.responses).toEqual([{ pasid: NO_PASID, grpid: 4, code: PRG_SUCCESS, private: [0, 0] }])
  })

  test('the bit raises the page-request line', () => {
    const { driver, send, settle, interrupts } = setUp({ requestEntries: 2 })
    send()
    settle()
    driver.write(L.REG_STATUS, L.STATUS_PAGE_REQUEST_PENDING)
    send()
    settle()
    expect(interrupts()).toBe(2)
  })
})

describe('requests refused before the ring (spec/04 §1.3)', () => {
  test('PRI off for the device: Response Failure and a fault record', () => {
    const { driver, port, send, settle } = setUp()
    driver.setDevice(RID, ALL_DEVICE_FLAGS & ~L.DEVICE_PRI)
    driver.invalidateContext(RID)
    send({ grpid: 9, addressLo: 0x3000 })
    settle()
    expect(port.responses).toMatchObject([{ grpid: 9, code: PRG_RESPONSE_FAILURE, pasid: 5 }])
    expect(driver.takeFaults()).toMatchObject([
      { reason: L.REASON_PRI_DISABLED, kind: L.FAULT_PAGE_REQUEST, lo: 0x3000, pasid: 5, access: 1 },
    ])
    expect(driver.takeRequests()).toEqual([])
  })

  test('no device entry: Response Failure without PASID, and a fault record', () => {
    const { driver, port, send, settle } = setUp()
    driver.setDevice(RID, 0)
    driver.invalidateContext(RID)
    send({ grpid: 9 })
    settle()
    expect(port.responses).toMatchObject([{ grpid: 9, code: PRG_RESPONSE_FAILURE, pasid: NO_PASID }])
    expect(driver.takeFaults()).toMatchObject([{ reason: L.REASON_DEVICE_NOT_PRESENT }])
  })

  test('the device may have its faults not recorded', () => {
    const { driver, port, send, settle } = setUp()
    driver.setDevice(RID, L.DEVICE_VALID | L.DEVICE_FAULT_DISABLE)
    driver.invalidateContext(RID)
    send()
    settle()
    expect(port.responses).toHaveLength(1)
    expect(driver.takeFaults()).toEqual([])
  })

  test('a PASID that is too large: Invalid Request and a fault record', () => {
    const { driver, port, send, settle } = setUp()
    send({ pasid: 1024 })
    settle()
    expect(port.responses).toMatchObject([{ code: PRG_INVALID_REQUEST, pasid: 1024 }])
    expect(driver.takeFaults()).toMatchObject([{ reason: L.REASON_PASID_TOO_LARGE }])
  })

  test('PASIDs off for the device: Invalid Request and a fault record', () => {
    const { driver, port, send, settle } = setUp()
    driver.setDevice(RID, ALL_DEVICE_FLAGS & ~L.DEVICE_PASID)
    driver.invalidateContext(RID)
    send()
    settle()
    expect(port.responses).toMatchObject([{ code: PRG_INVALID_REQUEST }])
    expect(driver.takeFaults()).toMatchObject([{ reason: L.REASON_PASID_DISABLED }])
  })

  test('only the last request of a group is answered', () => {
    const { driver, port, send, settle } = setUp()
    driver.setDevice(RID, ALL_DEVICE_FLAGS & ~L.DEVICE_PRI)
    driver.invalidateContext(RID)
    send({ last: false })
    send({ last: false })
    send()
    settle()
    expect(port.responses).toHaveLength(1)
  })

  test.each([
    ['the queue is off', { control: L.CONTROL_TRANSLATE }],
    ['the unit has no PRI', { unit: { pri: false } }],
    ['translation is off', { control: L.CONTROL_PAGE_REQUESTS }],
  ])('%s: Response Failure, nothing recorded', (_name, options: DriverOptions) => {
    const { driver, port, send, settle } = setUp(options)
    send()
    settle()
    expect(port.responses).toMatchObject([{ code: PRG_RESPONSE_FAILURE }])
    expect(driver.takeFaults()).toEqual([])
    expect(driver.unit.pageRequests.refused).toBe(1)
  })
})
