// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { attachDevicePasid, detachDevicePasid } from '../iommu/attach-pasid.ts'
import { AttachHandle } from '../iommu/attach-handle.ts'
import { Device } from '../iommu/device.ts'
import { DOMAIN_NESTED, DOMAIN_UNMANAGED } from '../iommu/domain.ts'
import { addressesOf, faultMachine, KeepingHandler, report } from './fake-handler.suite.ts'

const EINVAL = 22
const ENOMEM = 12

describe('report (spec/01 §3.2)', () => {
  test('a request that is not the last is kept and answered by nobody', () => {
    const { device, driver, handler } = faultMachine()
    expect(report(device, { pasid: 1, grpid: 3, last: false })).toBe(0)
    expect(device.faultParam!.partialCount).toBe(1)
    expect(handler.groups).toEqual([])
    expect(driver.answers).toEqual([])
  })

  test('the last request makes a group of the requests with its id, in order of arrival', () => {
    const { device, driver, handler } = faultMachine()
    report(device, { pasid: 1, grpid: 3, last: false, addr: 0x1000 })
    report(device, { pasid: 1, grpid: 4, last: false, addr: 0x9000 })
    report(device, { pasid: 1, grpid: 3, last: false, addr: 0x2000 })
    expect(report(device, { pasid: 1, grpid: 3, addr: 0x3000 })).toBe(0)
    expect(addressesOf(handler.groups[0]!)).toEqual([0x1000, 0x2000, 0x3000])
    expect(handler.groups[0]!.count).toBe(3)
    expect(device.faultParam!.partialCount).toBe(1)
    handler.answer(0)
    expect(driver.answers).toEqual([{ rid: 0x100, pasid: 1, grpid: 3, addr: 0x3000, code: 0 }])
  })

  test('a request without PASID goes to the handler of the RID', () => {
    const { device, driver, handler } = faultMachine({ pasids: [] })
    expect(report(device, { grpid: 1 })).toBe(0)
    expect(report(device, { pasid: 1, grpid: 2 })).toBe(EINVAL)
    expect(handler.groups.map((group) => group.last.grpid)).toEqual([1])
    expect(driver.answers).toEqual([{ rid: 0x100, pasid: 1, grpid: 2, addr: 0, code: 1 }])
  })

  test('T5: without a handler the answer is INVALID at once, EINVAL, nothing pending', () => {
    const { device, driver, domain } = faultMachine()
    detachDevicePasid(domain, device, 1)
    attachDevicePasid(driver.domain('plain'), device, 1, new AttachHandle())
    expect(report(device, { pasid: 1, grpid: 7 })).toBe(EINVAL)
    expect(driver.answers.map(({ code }) => code)).toEqual([1])
    expect(device.faultParam!.pending.length).toBe(0)
  })

  test('a device that is on no queue is answered INVALID', () => {
    const { device, driver, queue } = faultMachine()
    queue.removeDevice(device)
    expect(report(device, { pasid: 1, grpid: 7 })).toBe(EINVAL)
    expect(driver.answers.map(({ code }) => code)).toEqual([1])
  })

  test('a fault that is no page request is refused without an answer', () => {
    const { device, driver } = faultMachine()
    expect(report(device, { pasid: 9, grpid: 7, type: 2 })).toBe(EINVAL)
    expect(driver.answers).toEqual([])
    expect(report(new Device({ name: 'lonely', rid: 1 }), { grpid: 1 })).toBe(EINVAL)
  })

  test('no memory for a partial is ENOMEM: it is lost, nobody answers', () => {
    const { device, driver, world } = faultMachine()
    world.failpoints.failNth(1, 'alloc_fault')
    expect(report(device, { pasid: 1, grpid: 3, last: false })).toBe(ENOMEM)
    expect(device.faultParam!.partialCount).toBe(0)
    expect(driver.answers).toEqual([])
  })

  test('no memory for a group is FAILURE: the group goes with its partials, and 0 comes back (Q5)', () => {
    const { device, driver, world, handler, queue } = faultMachine()
    report(device, { pasid: 1, grpid: 3, last: false })
    world.failpoints.failNth(1, 'alloc_group')
    expect(report(device, { pasid: 1, grpid: 3 })).toBe(0)
    expect(driver.answers.map(({ code }) => code)).toEqual([2])
    expect(handler.groups).toEqual([])
    expect([device.faultParam!.partialCount, device.faultParam!.users]).toEqual([0, 1])
    expect([queue.pool.faultsInUse, queue.pool.groupsInUse]).toEqual([0, 0])
  })

  test('T8: a handler that refuses makes the core answer FAILURE, free the group and return 0', () => {
    const { device, driver, handler, queue } = faultMachine()
    handler.refuse = true
    expect(report(device, { pasid: 1, grpid: 3 })).toBe(0)
    expect(driver.answers.map(({ code }) => code)).toEqual([2])
    expect(device.faultParam!.pending.length).toBe(0)
    expect(queue.pool.groupsInUse).toBe(0)
  })
})

describe('quirks by name (spec/01 §3.2)', () => {
  test('Q1 and T3: open requests are matched by group id alone; the group of PASID 2 holds a fault of PASID 1', () => {
    const { device, driver, handler } = faultMachine()
    report(device, { pasid: 1, grpid: 5, last: false, addr: 0x1000 })
    report(device, { pasid: 2, grpid: 5, addr: 0x2000 })
    const [group] = handler.groups
    expect(addressesOf(group!)).toEqual([0x1000, 0x2000])
    expect(group!.first.pasid).toBe(1)
    handler.answer(0)
    expect(driver.answers).toEqual([{ rid: 0x100, pasid: 2, grpid: 5, addr: 0x2000, code: 0 }])
  })

  test('Q2: a request that is not the last is answered INVALID too when it has no handler', () => {
    const { device, driver } = faultMachine()
    expect(report(device, { pasid: 9, grpid: 5, last: false })).toBe(EINVAL)
    expect(driver.answers.map(({ grpid, code }) => [grpid, code])).toEqual([[5, 1]])
  })

  test('Q3: open requests and groups have no bound and no time limit', () => {
    const { device, driver, handler, world } = faultMachine()
    for (let grpid = 0; grpid < 3000; grpid++) report(device, { pasid: 1, grpid, last: false })
    for (let grpid = 0; grpid < 3000; grpid++) report(device, { pasid: 1, grpid })
    expect(handler.groups).toHaveLength(3000)
    expect(world.clock.armedCount).toBe(0)
    expect(driver.answers).toEqual([])
  })

  test('Q4: open requests are checked on arrival, but the handler is the one of the last request', () => {
    const { device, driver, domain, handler } = faultMachine()
    report(device, { pasid: 1, grpid: 5, last: false })
    detachDevicePasid(domain, device, 1)
    const second = new KeepingHandler()
    attachDevicePasid(driver.domain('second', DOMAIN_UNMANAGED, second), device, 1, new AttachHandle())
    report(device, { pasid: 1, grpid: 5 })
    expect(handler.groups).toEqual([])
    expect(second.groups[0]!.count).toBe(2)
  })

  test('Q5: 0 does not mean success for the device', () => {
    const { device, driver, handler } = faultMachine()
    handler.refuse = true
    expect(report(device, { pasid: 1, grpid: 5 })).toBe(0)
    expect(driver.answers[0]!.code).toBe(2)
  })

  test('Q6: the answer carries the PASID and the group id of the last request', () => {
    const { device, driver, handler } = faultMachine()
    report(device, { grpid: 8, last: false })
    report(device, { pasid: 2, grpid: 8, addr: 0x5000 })
    handler.answer(1)
    expect(driver.answers).toEqual([{ rid: 0x100, pasid: 2, grpid: 8, addr: 0x5000, code: 1 }])
  })

  test('Q7: removal answers the pending groups newest first', () => {
    const { device, driver, handler, queue } = faultMachine()
    handler.lazy = true
    for (const grpid of [1, 2, 3]) report(device, { pasid: 1, grpid })
    queue.removeDevice(device)
    expect(driver.answers.map(({ grpid, code }) => [grpid, code])).toEqual([
      [3, 1],
      [2, 1],
      [1, 1],
    ])
  })

  test('Q8: a PASID never attached goes to the nested domain of the RID only where the guest owns the table', () => {
    const nested = faultMachine({ pasids: [], type: DOMAIN_NESTED })
    expect(report(nested.device, { pasid: 6, grpid: 1 })).toBe(EINVAL)
    nested.driver.userPasidTable = true
    expect(report(nested.device, { pasid: 6, grpid: 2 })).toBe(0)
    expect(report(nested.device, { grpid: 3 })).toBe(0)
    expect(nested.handler.groups.map((group) => group.last.grpid)).toEqual([2, 3])
    const paging = faultMachine({ pasids: [] })
    paging.driver.userPasidTable = true
    expect(report(paging.device, { pasid: 6, grpid: 1 })).toBe(EINVAL)
  })

  test('Q8: so does a PASID that no device can have (observed on 7.2.13 (ext))', () => {
    const { device, driver, handler } = faultMachine({ pasids: [], type: DOMAIN_NESTED })
    driver.userPasidTable = true
    for (const pasid of [0x10_0000, 0xffff_ffff]) expect(report(device, { pasid, grpid: 1 })).toBe(0)
    expect(handler.groups.map((group) => group.last.pasid)).toEqual([0x10_0000, 0xffff_ffff])
  })

  test('Q9: a bare domain on the PASID is no handler, and falls through to the RID where the guest owns the table', () => {
    const { device, driver, handler, domain } = faultMachine({ pasids: [], type: DOMAIN_NESTED })
    attachDevicePasid(domain, device, 6, undefined)
    expect(report(device, { pasid: 6, grpid: 1 })).toBe(EINVAL)
    driver.userPasidTable = true
    expect(report(device, { pasid: 6, grpid: 2 })).toBe(0)
    expect(handler.groups.map((group) => group.last.grpid)).toEqual([2])
  })
})
