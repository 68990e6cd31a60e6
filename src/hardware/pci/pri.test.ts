// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import {
  CAPABILITY_PRI,
  PRI_ALLOCATION,
  PRI_CAPACITY,
  PRI_CONTROL,
  PRI_ENABLE,
  PRI_RESET,
  PRI_RESPONSE_FAILURE,
  PRI_RESPONSE_PASID_REQUIRED,
  PRI_STATUS,
  PRI_STOPPED,
  PRI_UNEXPECTED_PRGI,
} from './config-layout.ts'
import { FunctionConfigSpace } from './config-space.ts'
import { NO_PASID, PRG_INVALID_REQUEST, PRG_RESPONSE_FAILURE, PRG_SUCCESS } from './messages.ts'
import { PRG_IGNORED, PRG_INDICES, Pri } from './pri.ts'

function setUp({ capacity = 8, allocation = 8, responsePasidRequired = false } = {}) {
  const dropped: number[] = []
  let stops = 0
  const pri = new Pri(
    { capacity, responsePasidRequired },
    { requestsStopped: () => stops++, groupDropped: (grpid) => dropped.push(grpid) },
  )
  const space = new FunctionConfigSpace([pri])
  const at = space.findCapability(CAPABILITY_PRI)
  space.write32(at + PRI_ALLOCATION, allocation)
  const control = (value: number): void => space.write16(at + PRI_CONTROL, value)
  const status = (): number => space.read16(at + PRI_STATUS)
  return { pri, space, at, control, status, dropped, stops: () => stops }
}

/** An open group of `requests` page requests. */
function openGroup(pri: Pri, requests = 1, pasid = NO_PASID): number {
  const grpid = pri.openGroup(pasid)
  for (let i = 0; i < requests; i++) pri.takeCredit(grpid)
  return grpid
}

describe('PRI registers (spec/01 §6.1)', () => {
  test('start disabled and stopped, with nothing allocated', () => {
    const { pri, status } = setUp({ allocation: 0 })
    expect(pri.enabled).toBe(false)
    expect(status()).toBe(PRI_STOPPED)
    expect(pri.credits).toBe(0)
  })

  test('capacity is read-only and allocation never exceeds it', () => {
    const { space, at } = setUp({ capacity: 32 })
    space.write32(at + PRI_CAPACITY, 1000)
    expect(space.read32(at + PRI_CAPACITY)).toBe(32)
    space.write32(at + PRI_ALLOCATION, 20)
    expect(space.read32(at + PRI_ALLOCATION)).toBe(20)
    space.write32(at + PRI_ALLOCATION, 33)
    expect(space.read32(at + PRI_ALLOCATION)).toBe(32)
  })

  test('PRG-Response-PASID-Required is read-only in status bit 15', () => {
    const { space, at, status } = setUp({ responsePasidRequired: true })
    space.write16(at + PRI_STATUS, 0)
    expect(status() & PRI_RESPONSE_PASID_REQUIRED).toBe(PRI_RESPONSE_PASID_REQUIRED)
  })

  test('enabling clears Stopped, Response Failure and Unexpected PRGI', () => {
    const { pri, control, status } = setUp()
    control(PRI_ENABLE)
    pri.respond(NO_PASID, 7, PRG_SUCCESS)
    openGroup(pri)
    pri.respond(NO_PASID, 0, PRG_RESPONSE_FAILURE)
    expect(status()).toBe(PRI_RESPONSE_FAILURE | PRI_UNEXPECTED_PRGI | PRI_STOPPED)
    control(PRI_ENABLE)
    expect(status()).toBe(0)
  })

  test('Response Failure and Unexpected PRGI are cleared by writing 1, alone, and a write of 0 keeps them', () => {
    const { pri, space, at, control, status } = setUp()
    control(PRI_ENABLE)
    pri.respond(NO_PASID, 7, PRG_SUCCESS)
    openGroup(pri)
    pri.respond(NO_PASID, 0, PRG_RESPONSE_FAILURE)
    space.write16(at + PRI_STATUS, 0)
    expect(status()).toBe(PRI_RESPONSE_FAILURE | PRI_UNEXPECTED_PRGI | PRI_STOPPED)
    space.write16(at + PRI_STATUS, PRI_UNEXPECTED_PRGI)
    expect(status()).toBe(PRI_RESPONSE_FAILURE | PRI_STOPPED)
    space.write16(at + PRI_STATUS, PRI_RESPONSE_FAILURE)
    expect(status()).toBe(PRI_STOPPED)
  })

  test('a status write does not disturb Enable', () => {
    const { pri, space, at, control } = setUp()
    control(PRI_ENABLE)
    space.write16(at + PRI_STATUS, 0xffff)
    expect(pri.enabled).toBe(true)
  })
})

describe('PRI credits and group indices (spec/01 §6.2)', () => {
  test('each request takes a credit and the response returns as many as the group had', () => {
    const { pri, control } = setUp({ allocation: 5 })
    control(PRI_ENABLE)
    const first = openGroup(pri, 3)
    const second = openGroup(pri, 2)
    expect(pri.credits).toBe(0)
    expect(pri.respond(NO_PASID, first, PRG_SUCCESS)).toBe(PRG_SUCCESS)
    expect(pri.credits).toBe(3)
    expect(pri.respond(NO_PASID, second, PRG_INVALID_REQUEST)).toBe(PRG_INVALID_REQUEST)
    expect(pri.credits).toBe(5)
  })

  test('responses to different groups come in any order', () => {
    const { pri, control, status } = setUp()
    control(PRI_ENABLE)
    const groups = [openGroup(pri), openGroup(pri), openGroup(pri)]
    for (const grpid of groups.toReversed()) expect(pri.respond(NO_PASID, grpid, PRG_SUCCESS)).toBe(0)
    expect(status()).toBe(0)
    expect(pri.outstandingGroups).toBe(0)
  })

  test('indices are 9 bits and none is used twice while outstanding', () => {
    const { pri, control } = setUp({ capacity: 1000, allocation: 1000 })
    control(PRI_ENABLE)
    const groups = new Set(Array.from({ length: PRG_INDICES }, () => openGroup(pri)))
    expect(groups.size).toBe(512)
    expect(Math.max(...groups)).toBe(511)
    expect(pri.openGroup(NO_PASID)).toBe(-1)
    pri.respond(NO_PASID, 77, PRG_SUCCESS)
    expect(openGroup(pri)).toBe(77)
  })

  test('no group is opened while PRI is off', () => {
    const { pri } = setUp()
    expect(pri.openGroup(NO_PASID)).toBe(-1)
  })
})

describe('PRG responses (spec/01 §6.2)', () => {
  test('an index that is not outstanding sets Unexpected PRGI and changes nothing else', () => {
    const { pri, control, status } = setUp()
    control(PRI_ENABLE)
    openGroup(pri, 2)
    expect(pri.respond(NO_PASID, 300, PRG_SUCCESS)).toBe(PRG_IGNORED)
    expect(status()).toBe(PRI_UNEXPECTED_PRGI)
    expect(pri.outstandingRequests).toBe(2)
  })

  test('the second answer to a group is unexpected', () => {
    const { pri, control, status } = setUp()
    control(PRI_ENABLE)
    const grpid = openGroup(pri)
    pri.respond(NO_PASID, grpid, PRG_SUCCESS)
    expect(pri.respond(NO_PASID, grpid, PRG_SUCCESS)).toBe(PRG_IGNORED)
    expect(status()).toBe(PRI_UNEXPECTED_PRGI)
  })

  test('Response Failure turns PRI off, sets RF and drops all other groups', () => {
    const { pri, control, status, dropped, stops } = setUp()
    control(PRI_ENABLE)
    const [first, second] = [openGroup(pri, 2), openGroup(pri)]
    expect(pri.respond(NO_PASID, first, PRG_RESPONSE_FAILURE)).toBe(PRG_RESPONSE_FAILURE)
    expect(pri.enabled).toBe(false)
    expect(status()).toBe(PRI_RESPONSE_FAILURE | PRI_STOPPED)
    expect(dropped).toEqual([second])
    expect(stops()).toBe(1)
    expect(pri.outstandingRequests).toBe(0)
  })

  test('after Response Failure later responses are ignored without Unexpected PRGI, until re-enabled', () => {
    const { pri, control, status } = setUp()
    control(PRI_ENABLE)
    const [first, second] = [openGroup(pri), openGroup(pri)]
    pri.respond(NO_PASID, first, PRG_RESPONSE_FAILURE)
    expect(pri.respond(NO_PASID, second, PRG_SUCCESS)).toBe(PRG_IGNORED)
    expect(status() & PRI_UNEXPECTED_PRGI).toBe(0)
    control(PRI_ENABLE)
    expect(pri.respond(NO_PASID, second, PRG_SUCCESS)).toBe(PRG_IGNORED)
    expect(status()).toBe(PRI_UNEXPECTED_PRGI)
  })

  test.each([2, 3, 7, 14])('code %i counts as Response Failure', (code) => {
    const { pri, control, status } = setUp()
    control(PRI_ENABLE)
    expect(pri.respond(NO_PASID, openGroup(pri), code)).toBe(PRG_RESPONSE_FAILURE)
    expect(status()).toBe(PRI_RESPONSE_FAILURE | PRI_STOPPED)
  })

  test('with PRG-Response-PASID-Required the PASID of the group must come back', () => {
    const { pri, control, status } = setUp({ responsePasidRequired: true })
    control(PRI_ENABLE)
    const grpid = openGroup(pri, 1, 9)
    expect(pri.respond(8, grpid, PRG_SUCCESS)).toBe(PRG_IGNORED)
    expect(pri.respond(NO_PASID, grpid, PRG_SUCCESS)).toBe(PRG_IGNORED)
    expect(status() & PRI_UNEXPECTED_PRGI).toBe(PRI_UNEXPECTED_PRGI)
    expect(pri.respond(9, grpid, PRG_SUCCESS)).toBe(PRG_SUCCESS)
  })

  test('Response Failure counts whatever PASID it carries', () => {
    const { pri, control } = setUp({ responsePasidRequired: true })
    control(PRI_ENABLE)
    expect(pri.respond(NO_PASID, openGroup(pri, 1, 9), PRG_RESPONSE_FAILURE)).toBe(PRG_RESPONSE_FAILURE)
  })

  test('without it a response carries no PASID', () => {
    const { pri, control } = setUp()
    control(PRI_ENABLE)
    const grpid = openGroup(pri, 1, 9)
    expect(pri.respond(9, grpid, PRG_SUCCESS)).toBe(PRG_IGNORED)
    expect(pri.respond(NO_PASID, grpid, PRG_SUCCESS)).toBe(PRG_SUCCESS)
  })
})

describe('PRI stopping and reset (spec/01 §6.2)', () => {
  test('Enable 1 to 0 with nothing outstanding is Stopped at once', () => {
    const { control, status, stops } = setUp()
    control(PRI_ENABLE)
    control(0)
    expect(status()).toBe(PRI_STOPPED)
    expect(stops()).toBe(1)
  })

  test('Enable 1 to 0 with requests outstanding is Stopped when the last group is answered', () => {
    const { pri, control, status } = setUp()
    control(PRI_ENABLE)
    const [first, second] = [openGroup(pri), openGroup(pri)]
    control(0)
    expect(status()).toBe(0)
    expect(pri.credits).toBe(0)
    expect(pri.respond(NO_PASID, first, PRG_SUCCESS)).toBe(PRG_SUCCESS)
    expect(status()).toBe(0)
    pri.respond(NO_PASID, second, PRG_SUCCESS)
    expect(status()).toBe(PRI_STOPPED)
  })

  test('Response Failure while stopping is Stopped at once', () => {
    const { pri, control, status } = setUp()
    control(PRI_ENABLE)
    const [first] = [openGroup(pri), openGroup(pri)]
    control(0)
    pri.respond(NO_PASID, first, PRG_RESPONSE_FAILURE)
    expect(status()).toBe(PRI_STOPPED | PRI_RESPONSE_FAILURE)
  })

  test('Reset does nothing while enabled', () => {
    const { pri, control, status } = setUp()
    control(PRI_ENABLE)
    openGroup(pri, 3)
    control(PRI_ENABLE | PRI_RESET)
    expect(pri.outstandingRequests).toBe(3)
    expect(status()).toBe(0)
  })

  test('Reset with Enable cleared by the same write drops what is outstanding and is Stopped', () => {
    const { pri, control, status, dropped } = setUp()
    control(PRI_ENABLE)
    const grpid = openGroup(pri, 3)
    control(PRI_RESET)
    expect(pri.outstandingRequests).toBe(0)
    expect(status()).toBe(PRI_STOPPED)
    expect(dropped).toEqual([grpid])
  })

  test('Reset while stopping clears the pending state', () => {
    const { pri, control, status } = setUp()
    control(PRI_ENABLE)
    openGroup(pri, 3)
    control(0)
    control(PRI_RESET)
    expect(pri.outstandingGroups).toBe(0)
    expect(status()).toBe(PRI_STOPPED)
  })
})
