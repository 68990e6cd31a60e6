// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EBUSY, EINVAL, EIO, ENODEV, ENOENT, ENOMEM, EOPNOTSUPP } from '../../base/errno.ts'
import { attachGroupHandle } from './attach.ts'
import { AttachHandle } from './attach-handle.ts'
import { attachDevicePasid, attachHandleGet, detachDevicePasid, replaceDevicePasid } from './attach-pasid.ts'
import { Device } from './device.ts'
import { DOMAIN_NESTED, DOMAIN_UNMANAGED, Domain } from './domain.ts'
import { FakeDriver, fakeMachine, thrownBy } from './fake-driver.suite.ts'
import { resetDone, resetPrepare } from './reset.ts'

describe('attach to a PASID: checks in the order of spec/01 §2.2', () => {
  test('no group is ENODEV, before everything else', () => {
    const lonely = new Device({ name: 'lonely', rid: 1 })
    const foreign = new FakeDriver().domain('x')
    expect(thrownBy(() => attachDevicePasid(foreign, lonely, 0, undefined))).toBe(ENODEV)
  })

  test('a domain, a driver or a blocked domain without PASID support is EOPNOTSUPP, before foreign or PASID 0', () => {
    const { driver, devices } = fakeMachine()
    const bare = new Domain({ type: DOMAIN_UNMANAGED, owner: {}, attachesPasid: false })
    expect(thrownBy(() => attachDevicePasid(bare, devices[0]!, 0, undefined))).toBe(EOPNOTSUPP)
    const domain = driver.domain('a')
    driver.blockedDomain = new Domain({ type: 0, owner: driver, attachesPasid: false })
    expect(thrownBy(() => attachDevicePasid(domain, devices[0]!, 0, undefined))).toBe(EOPNOTSUPP)
    driver.blockedDomain = undefined
    expect(thrownBy(() => attachDevicePasid(domain, devices[0]!, 1, undefined))).toBe(EOPNOTSUPP)
  })

  test('a foreign domain and PASID 0 are EINVAL, before a reset is EBUSY', () => {
    const { driver, devices } = fakeMachine([32], { device: { atsSupported: true } })
    resetPrepare(devices[0]!)
    const foreign = new FakeDriver().domain('x')
    expect(thrownBy(() => attachDevicePasid(foreign, devices[0]!, 1, undefined))).toBe(EINVAL)
    expect(thrownBy(() => attachDevicePasid(driver.domain('a'), devices[0]!, 0, undefined))).toBe(EINVAL)
    expect(thrownBy(() => attachDevicePasid(driver.domain('a'), devices[0]!, 99, undefined))).toBe(EBUSY)
  })

  test('a PASID too large for any device that has PASIDs is EINVAL, before an occupied slot is EBUSY', () => {
    const { driver, devices } = fakeMachine([64, 0, 16], { oneGroup: true })
    const domain = driver.domain('a')
    attachDevicePasid(domain, devices[0]!, 15, undefined)
    expect(thrownBy(() => attachDevicePasid(domain, devices[0]!, 16, undefined))).toBe(EINVAL)
    expect(thrownBy(() => attachDevicePasid(domain, devices[0]!, 15, undefined))).toBe(EBUSY)
  })

  test('every device with PASIDs is programmed; an error blocks the earlier ones and frees the slot', () => {
    const { driver, devices } = fakeMachine([32, 0, 32, 32], { oneGroup: true })
    const domain = driver.domain('a')
    driver.refusals.set('pasid fake3 7 a', EIO)
    expect(thrownBy(() => attachDevicePasid(domain, devices[0]!, 7, new AttachHandle()))).toBe(EIO)
    expect(driver.takeCalls()).toEqual([
      'pasid fake0 7 a',
      'pasid fake2 7 a',
      'pasid fake3 7 a',
      'pasid fake0 7 blocked from a',
      'pasid fake2 7 blocked from a',
    ])
    attachDevicePasid(domain, devices[0]!, 7, new AttachHandle())
    expect(driver.calls).toHaveLength(3)
  })

  test('where no device of the group has PASIDs every PASID is EINVAL (observed on 7.2.13: spec/03 §8)', () => {
    const { driver, devices } = fakeMachine([0])
    const attach = (): void => attachDevicePasid(driver.domain('a'), devices[0]!, 1, new AttachHandle())
    expect(thrownBy(attach)).toBe(EINVAL)
    expect(driver.calls).toEqual([])
    expect(devices[0]!.group!.pasidArray.size).toBe(0)
  })

  test('no memory for the reservation is ENOMEM', () => {
    const { driver, devices, world } = fakeMachine()
    world.failpoints.failNth(1, 'pasid_reserve')
    expect(thrownBy(() => attachDevicePasid(driver.domain('a'), devices[0]!, 1, undefined))).toBe(ENOMEM)
    expect(devices[0]!.group!.pasidArray.size).toBe(0)
  })
})

describe('replace on a PASID: checks in the order of spec/01 §2.2', () => {
  test('ENODEV, EOPNOTSUPP, EINVAL, EBUSY', () => {
    const { driver, devices } = fakeMachine([32], { device: { atsSupported: true } })
    const [device] = devices
    const domain = driver.domain('a')
    const handle = new AttachHandle()
    const lonely = new Device({ name: 'lonely', rid: 1 })
    expect(thrownBy(() => replaceDevicePasid(domain, lonely, 1, handle))).toBe(ENODEV)
    const bare = new Domain({ type: DOMAIN_UNMANAGED, owner: {}, attachesPasid: false })
    expect(thrownBy(() => replaceDevicePasid(bare, device!, 1, handle))).toBe(EOPNOTSUPP)
    resetPrepare(device!)
    expect(thrownBy(() => replaceDevicePasid(new FakeDriver().domain('x'), device!, 1, handle))).toBe(EINVAL)
    expect(thrownBy(() => replaceDevicePasid(domain, device!, 0, handle))).toBe(EINVAL)
    expect(thrownBy(() => replaceDevicePasid(domain, device!, 1, undefined))).toBe(EINVAL)
    expect(thrownBy(() => replaceDevicePasid(domain, device!, 1, handle))).toBe(EBUSY)
  })

  test('nothing attached and the very same handle are EINVAL', () => {
    const { driver, devices } = fakeMachine()
    const [device] = devices
    const handle = new AttachHandle()
    expect(thrownBy(() => replaceDevicePasid(driver.domain('a'), device!, 1, handle))).toBe(EINVAL)
    expect(device!.group!.pasidArray.size).toBe(0)
    attachDevicePasid(driver.domain('a'), device!, 1, handle)
    expect(thrownBy(() => replaceDevicePasid(driver.domain('b'), device!, 1, handle))).toBe(EINVAL)
  })

  test('the same domain with a new handle calls no driver', () => {
    const { driver, devices } = fakeMachine()
    const domain = driver.domain('a')
    attachDevicePasid(domain, devices[0]!, 1, new AttachHandle())
    driver.takeCalls()
    const next = new AttachHandle()
    replaceDevicePasid(domain, devices[0]!, 1, next)
    expect(driver.calls).toEqual([])
    expect(attachHandleGet(devices[0]!.group!, 1, 0)).toBe(next)
  })

  test("the driver's error takes the devices already switched back and keeps the old entry", () => {
    const { driver, devices } = fakeMachine([32, 32], { oneGroup: true })
    const first = new AttachHandle()
    attachDevicePasid(driver.domain('a'), devices[0]!, 3, first)
    driver.takeCalls()
    driver.refusals.set('pasid fake1 3 b from a', EIO)
    const b = driver.domain('b')
    expect(thrownBy(() => replaceDevicePasid(b, devices[0]!, 3, new AttachHandle()))).toBe(EIO)
    expect(driver.calls).toEqual([
      'pasid fake0 3 b from a',
      'pasid fake1 3 b from a',
      'pasid fake0 3 a from b',
    ])
    expect(attachHandleGet(devices[0]!.group!, 3, 0)).toBe(first)
    replaceDevicePasid(b, devices[0]!, 3, new AttachHandle())
    expect(driver.calls.slice(3)).toEqual(['pasid fake0 3 b from a', 'pasid fake1 3 b from a'])
  })
})

describe('detach, lookup and reset (spec/01 §2.2, §2.3)', () => {
  test('detach blocks the PASID on every device that has PASIDs, then forgets it', () => {
    const { driver, devices } = fakeMachine([32, 0], { oneGroup: true })
    const domain = driver.domain('a')
    attachDevicePasid(domain, devices[0]!, 9, new AttachHandle())
    driver.takeCalls()
    detachDevicePasid(domain, devices[0]!, 9)
    expect(driver.calls).toEqual(['pasid fake0 9 blocked from a'])
    expect(devices[0]!.group!.pasidArray.size).toBe(0)
  })

  test('lookup: nothing or a bare domain is ENOENT, another type is EBUSY, type 0 is any', () => {
    const { driver, devices } = fakeMachine()
    const group = devices[0]!.group!
    const handle = new AttachHandle()
    attachDevicePasid(driver.domain('a'), devices[0]!, 1, undefined)
    attachDevicePasid(driver.domain('b'), devices[0]!, 2, handle)
    expect(thrownBy(() => attachHandleGet(group, 3, 0))).toBe(ENOENT)
    expect(thrownBy(() => attachHandleGet(group, 1, 0))).toBe(ENOENT)
    expect(thrownBy(() => attachHandleGet(group, 2, DOMAIN_NESTED))).toBe(EBUSY)
    expect(attachHandleGet(group, 2, DOMAIN_UNMANAGED)).toBe(handle)
    expect(attachHandleGet(group, 2, 0)).toBe(handle)
  })

  test('reset parks the RID and the PASIDs, nests, keeps the entries, and puts everything back', () => {
    const { driver, devices } = fakeMachine([32], { device: { atsSupported: true } })
    const [device] = devices
    const group = device!.group!
    const handle = new AttachHandle()
    attachGroupHandle(driver.domain('r'), group, handle)
    attachDevicePasid(driver.domain('p'), device!, 4, new AttachHandle())
    driver.takeCalls()
    resetPrepare(device!)
    resetPrepare(device!)
    expect(driver.takeCalls()).toEqual(['attach fake0 blocked', 'pasid fake0 4 blocked from p'])
    expect(attachHandleGet(group, 0, 0)).toBe(handle)
    expect(group.recoveryCount).toBe(1)
    resetDone(device!)
    expect(driver.calls).toEqual([])
    resetDone(device!)
    expect(driver.calls).toEqual(['attach fake0 r', 'pasid fake0 4 p'])
    expect(group.recoveryCount).toBe(0)
  })

  test('a PASID detached during the reset is not touched again and does not come back', () => {
    const { driver, devices } = fakeMachine([32], { device: { atsSupported: true } })
    const domain = driver.domain('p')
    attachDevicePasid(domain, devices[0]!, 4, new AttachHandle())
    resetPrepare(devices[0]!)
    driver.takeCalls()
    detachDevicePasid(domain, devices[0]!, 4)
    resetDone(devices[0]!)
    expect(driver.calls).toEqual(['attach fake0 identity'])
  })

  test('a device without ATS is not parked', () => {
    const { driver, devices } = fakeMachine()
    resetPrepare(devices[0]!)
    resetDone(devices[0]!)
    expect(driver.calls).toEqual([])
    expect(devices[0]!.group!.recoveryCount).toBe(0)
  })
})
