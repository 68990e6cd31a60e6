// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EBUSY, ENODEV, ENOMEM } from '../../base/errno.ts'
import { Work } from '../../sim/work-queue.ts'
import { fakeMachine, thrownBy } from '../iommu/fake-driver.suite.ts'
import { addressesOf, faultMachine, report } from './fake-handler.suite.ts'
import { IopfQueue } from './queue.ts'
import { freeGroup, respondGroup } from './respond.ts'

describe('fault queue (spec/01 §3.1)', () => {
  test('a device is added once: ENODEV without a response function, EBUSY, ENOMEM', () => {
    const { world, driver, devices } = fakeMachine([32, 32])
    const queue = new IopfQueue(world, { name: 'q' })
    queue.addDevice(devices[0]!)
    expect(thrownBy(() => queue.addDevice(devices[0]!))).toBe(EBUSY)
    const { pageResponse } = driver
    driver.pageResponse = undefined
    expect(thrownBy(() => queue.addDevice(devices[0]!))).toBe(ENODEV)
    driver.pageResponse = pageResponse
    world.failpoints.failNth(1, 'alloc_fault_param')
    expect(thrownBy(() => queue.addDevice(devices[1]!))).toBe(ENOMEM)
    expect(queue.devices).toEqual([devices[0]])
  })

  test('removal from another queue, or twice, does nothing', () => {
    const { device, queue, world } = faultMachine()
    const other = new IopfQueue(world, { name: 'other' })
    other.removeDevice(device)
    expect(device.faultParam).toBeDefined()
    queue.removeDevice(device)
    queue.removeDevice(device)
    expect(queue.devices).toEqual([])
  })

  test('freeing the queue removes all devices', () => {
    const { world, devices } = fakeMachine([32, 32, 32])
    const queue = new IopfQueue(world, { name: 'q' })
    for (const device of devices) queue.addDevice(device)
    queue.free()
    expect(devices.map((device) => device.faultParam)).toEqual([undefined, undefined, undefined])
  })

  test('flush runs the work of all devices; ENODEV for a device that is on no queue', () => {
    const { device, queue } = faultMachine()
    let runs = 0
    queue.workQueue.queue(new Work(() => runs++))
    queue.flushDevice(device)
    expect(runs).toBe(1)
    queue.removeDevice(device)
    expect(thrownBy(() => queue.flushDevice(device))).toBe(ENODEV)
  })

  test('T4: after an overflow open requests are forgotten, and the last one makes a group of one', () => {
    const { device, handler, queue } = faultMachine()
    report(device, { pasid: 1, grpid: 1, last: false })
    queue.discardPartial()
    report(device, { pasid: 1, grpid: 1, addr: 0x1000 })
    expect(addressesOf(handler.groups[0]!)).toEqual([0x1000])
    expect(queue.pool.faultsInUse).toBe(0)
  })

  test('T6: removal answers groups that are still pending INVALID and drops partials', () => {
    const { device, driver, handler, queue } = faultMachine()
    handler.lazy = true
    report(device, { pasid: 1, grpid: 1, last: false })
    report(device, { pasid: 1, grpid: 2 })
    queue.removeDevice(device)
    expect(driver.answers.map(({ grpid, code }) => [grpid, code])).toEqual([[2, 1]])
    expect([queue.pool.faultsInUse, queue.pool.groupsInUse]).toEqual([0, 0])
    expect(() => handler.answer(0)).toThrow('answer in state 0')
  })

  test('T7: a group that its handler dequeued outlives the removal and is answered afterwards', () => {
    const { device, driver, handler, queue } = faultMachine()
    report(device, { pasid: 1, grpid: 2 })
    const param = device.faultParam!
    queue.removeDevice(device)
    expect(driver.answers).toEqual([])
    expect([device.faultParam, param.users]).toEqual([undefined, 1])
    handler.answer(1)
    expect(driver.answers.map(({ grpid, code }) => [grpid, code])).toEqual([[2, 1]])
    expect(param.users).toBe(0)
  })

  test('each live group holds a reference to the parameter', () => {
    const { device, handler } = faultMachine()
    for (const grpid of [1, 2, 3]) report(device, { pasid: 1, grpid })
    expect(device.faultParam!.users).toBe(4)
    handler.answer(0)
    expect(device.faultParam!.users).toBe(3)
  })
})

describe('one answer a group (spec/01 §3.3)', () => {
  test('a second answer, a free without an answer and a second free are broken invariants', () => {
    const { device, handler } = faultMachine()
    report(device, { pasid: 1, grpid: 2 })
    const [group] = handler.groups
    expect(() => freeGroup(group!)).toThrow('freed in state')
    respondGroup(group!, 0)
    expect(() => respondGroup(group!, 0)).toThrow('answer in state')
    freeGroup(group!)
    expect(() => freeGroup(group!)).toThrow('freed in state')
  })

  test('an answer while the group is pending takes it off the list', () => {
    const { device, handler } = faultMachine()
    handler.lazy = true
    report(device, { pasid: 1, grpid: 2 })
    expect(device.faultParam!.pending.length).toBe(1)
    handler.answer(0)
    expect(device.faultParam!.pending.length).toBe(0)
  })

  test('faults and groups are reused', () => {
    const { device, handler } = faultMachine()
    const seen = new Set<object>()
    for (let round = 0; round < 10; round++) {
      report(device, { pasid: 1, grpid: 1, last: false })
      report(device, { pasid: 1, grpid: 1 })
      seen.add(handler.groups[0]!).add(handler.groups[0]!.first)
      handler.answer(0)
    }
    expect(seen.size).toBe(2)
  })
})
