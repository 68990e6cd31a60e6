// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { FaultEvent, type FaultPolicy, RESPONSE_FAILURE, RESPONSE_INVALID } from '../iommu/fault.ts'
import { reportUnrecoverable } from '../iommu/legacy-fault.ts'
import { addressesOf, faultMachine, report } from './fake-handler.suite.ts'
import { freeGroup, respondGroup } from './respond.ts'
import { UnifiedHandler } from './unified-handler.ts'

describe('quota, a wish (spec/01 §8.3, §8.4)', () => {
  test('a group that takes the device over its faults is answered at once; answers make room', () => {
    const { device, driver, handler } = faultMachine({ policy: { quotaFaults: 3 } })
    report(device, { pasid: 1, grpid: 1, last: false })
    report(device, { pasid: 1, grpid: 1 })
    report(device, { pasid: 1, grpid: 2, last: false })
    expect(report(device, { pasid: 1, grpid: 2 })).toBe(0)
    expect(driver.answers.map(({ grpid, code }) => [grpid, code])).toEqual([[2, RESPONSE_FAILURE]])
    expect(device.faultParam!.quotaRefusals).toBe(1)
    report(device, { pasid: 1, grpid: 3 })
    expect(handler.groups).toHaveLength(2)
    handler.answer(0)
    report(device, { pasid: 1, grpid: 4 })
    expect(handler.groups).toHaveLength(2)
  })

  test('the code is configurable', () => {
    const { device, driver } = faultMachine({ policy: { quotaFaults: 1, quotaCode: RESPONSE_INVALID } })
    report(device, { pasid: 1, grpid: 1 })
    report(device, { pasid: 1, grpid: 2 })
    expect(driver.answers.map(({ code }) => code)).toEqual([RESPONSE_INVALID])
  })
})

describe('response timeout, a wish (spec/01 §8.2, §8.4)', () => {
  test('an overdue group is taken back from its handler and answered, each at its own deadline', () => {
    const { device, driver, handler, world } = faultMachine({ policy: { timeoutNanos: 1000 } })
    report(device, { pasid: 1, grpid: 1 })
    world.clock.createAlarm('later', () => report(device, { pasid: 1, grpid: 2 })).arm(400)
    const times: number[] = []
    driver.onAnswer = (): void => void times.push(world.clock.now)
    world.scheduler.runUntilIdle()
    expect(times).toEqual([1000, 1400])
    expect(handler.withdrawn).toEqual([1, 2])
    expect(driver.answers.map(({ code }) => code)).toEqual([RESPONSE_FAILURE, RESPONSE_FAILURE])
    expect(device.faultParam!.timeouts).toBe(2)
    expect(device.faultParam!.users).toBe(1)
  })

  test('one alarm a device, at the earliest deadline; answered in time nothing fires', () => {
    const { device, driver, handler, world } = faultMachine({ policy: { timeoutNanos: 1000 } })
    for (const grpid of [1, 2, 3]) report(device, { pasid: 1, grpid })
    expect(world.clock.armedCount).toBe(1)
    handler.answer(0, 1)
    handler.answer(0, 0)
    expect(world.clock.armedCount).toBe(1)
    handler.answer(0, 0)
    expect(world.clock.armedCount).toBe(0)
    expect(driver.answers.map(({ grpid }) => grpid)).toEqual([2, 1, 3])
  })

  test('groups of one instant expire together, oldest first, with the configured code', () => {
    const policy: Partial<FaultPolicy> = { timeoutNanos: 5, timeoutCode: RESPONSE_INVALID }
    const { device, driver, world } = faultMachine({ policy })
    for (const grpid of [1, 2, 3]) report(device, { pasid: 1, grpid })
    expect(world.scheduler.runUntilIdle()).toBe(1)
    expect(driver.answers.map(({ grpid, code }) => [grpid, code])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ])
  })

  test('a late answer finds no group', () => {
    const { device, handler, world } = faultMachine({ policy: { timeoutNanos: 5 } })
    report(device, { pasid: 1, grpid: 1 })
    const [late] = handler.groups
    world.scheduler.runUntilIdle()
    expect(handler.groups).toEqual([])
    expect(() => respondGroup(late!, 0)).toThrow('answer in state')
  })

  test('the deadline holds after the device has left the queue', () => {
    const { device, driver, queue, world } = faultMachine({ policy: { timeoutNanos: 5 } })
    report(device, { pasid: 1, grpid: 1 })
    queue.removeDevice(device)
    world.scheduler.runUntilIdle()
    expect(driver.answers.map(({ code }) => code)).toEqual([RESPONSE_FAILURE])
  })

  test('a group that the core answers itself leaves no alarm behind', () => {
    const { device, handler, world } = faultMachine({ policy: { timeoutNanos: 5 } })
    handler.refuse = true
    report(device, { pasid: 1, grpid: 1 })
    expect(world.clock.armedCount).toBe(0)
  })
})

describe('one handler for both kinds, a wish (spec/00 0.5)', () => {
  test('hears of a recoverable fault with its group, and of an unrecoverable one without', () => {
    const machine = faultMachine({ pasids: [] })
    const seen: unknown[] = []
    const handler = new UnifiedHandler({
      onFault(event: FaultEvent): boolean {
        seen.push([event.recoverable, event.rid, event.pasid, event.addrLo, event.perm, event.reason])
        if (event.group === undefined) return false
        expect(addressesOf(event.group)).toEqual([0x4000])
        respondGroup(event.group, 0)
        freeGroup(event.group)
        return true
      },
      withdraw(): void {},
    })
    machine.handler.handle = (group): boolean => handler.handle(group)
    report(machine.device, { grpid: 1, addr: 0x4000, perm: 3 })
    const event = new FaultEvent()
    event.rid = 0x100
    event.pasid = 4
    event.reason = 0x10
    const domain = machine.driver.domain('listened', 1, handler)
    expect(reportUnrecoverable(domain, event)).toBe(true)
    expect(reportUnrecoverable(machine.driver.domain('deaf'), event)).toBe(false)
    expect(seen).toEqual([
      [true, 0x100, -1, 0x4000, 3, 0],
      [false, 0x100, 4, 0, 0, 0x10],
    ])
    expect(machine.driver.answers.map(({ code }) => code)).toEqual([0])
  })
})
