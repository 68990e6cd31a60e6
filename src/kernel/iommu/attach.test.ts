// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EBUSY, EINVAL, EIO, ENODEV, ENOMEM } from '../../base/errno.ts'
import {
  attachDevice,
  attachGroup,
  attachGroupHandle,
  detachDevice,
  detachGroupHandle,
  replaceGroupHandle,
} from './attach.ts'
import { AttachHandle } from './attach-handle.ts'
import { attachHandleGet } from './attach-pasid.ts'
import { Device } from './device.ts'
import { DOMAIN_UNMANAGED, Domain } from './domain.ts'
import { RESERVED_DIRECT } from './driver.ts'
import { FakeDriver, fakeMachine, thrownBy } from './fake-driver.suite.ts'
import { deviceClaimDmaOwner } from './ownership.ts'
import { resetPrepare } from './reset.ts'

describe('attach to the RID: checks in the order of spec/01 §2.1', () => {
  test('a device without a group is ENODEV', () => {
    const { driver } = fakeMachine()
    const lonely = new Device({ name: 'lonely', rid: 1 })
    expect(thrownBy(() => attachDevice(driver.domain('a'), lonely))).toBe(ENODEV)
  })

  test('a group of two devices is EINVAL for attachDevice, fine for attachGroup', () => {
    const { driver, devices } = fakeMachine([0, 0], { oneGroup: true })
    const domain = driver.domain('a')
    expect(thrownBy(() => attachDevice(domain, devices[0]!))).toBe(EINVAL)
    attachGroup(domain, devices[0]!.group!)
    expect(driver.calls).toEqual(['attach fake0 a', 'attach fake1 a'])
  })

  test('no handle is EINVAL, before the entry that is already there is EBUSY', () => {
    const { driver, devices } = fakeMachine()
    const group = devices[0]!.group!
    attachGroupHandle(driver.domain('a'), group, new AttachHandle())
    expect(thrownBy(() => attachGroupHandle(driver.domain('b'), group, undefined))).toBe(EINVAL)
    expect(thrownBy(() => attachGroupHandle(driver.domain('b'), group, new AttachHandle()))).toBe(EBUSY)
  })

  test('a group that is attached elsewhere is EBUSY, also for a foreign domain', () => {
    const { driver, devices } = fakeMachine()
    const group = devices[0]!.group!
    attachGroup(driver.domain('a'), group)
    expect(thrownBy(() => attachGroup(new FakeDriver().domain('x'), group))).toBe(EBUSY)
    expect(thrownBy(() => attachGroupHandle(driver.domain('b'), group, new AttachHandle()))).toBe(EBUSY)
    expect(group.pasidArray.get(0)).toBe(undefined)
  })

  test('a foreign domain is EINVAL, the static ones of the driver are not', () => {
    const { driver, devices } = fakeMachine()
    const group = devices[0]!.group!
    expect(thrownBy(() => attachGroup(new FakeDriver().domain('x'), group))).toBe(EINVAL)
    driver.blockedDomain = new Domain({ type: 0, owner: {} })
    driver.names.set(driver.blockedDomain, 'static')
    attachGroup(driver.blockedDomain, group)
    expect(driver.calls).toEqual(['attach fake0 static'])
  })

  test('the domain that the group is in already succeeds without a driver call, also during a reset', () => {
    const { driver, devices } = fakeMachine([0], { device: { atsSupported: true } })
    const group = devices[0]!.group!
    resetPrepare(devices[0]!)
    driver.takeCalls()
    attachGroup(group.defaultDomain!, group)
    expect(driver.calls).toEqual([])
    expect(thrownBy(() => attachGroup(driver.domain('a'), group))).toBe(EBUSY)
  })

  test('a device with direct regions cannot be blocked: EINVAL before the driver is asked', () => {
    const region = { firstPage: 16, lastPage: 31, kind: RESERVED_DIRECT }
    const { driver, devices } = fakeMachine([0], { device: { reservedRegions: [region] } })
    expect(thrownBy(() => attachGroup(driver.blockedDomain!, devices[0]!.group!))).toBe(EINVAL)
    expect(driver.calls).toEqual([])
  })

  test('a domain that cannot be attached to a RID is ENODEV', () => {
    const { driver, devices } = fakeMachine()
    const domain = new Domain({ type: DOMAIN_UNMANAGED, owner: driver, attachesRid: false })
    expect(thrownBy(() => attachGroup(domain, devices[0]!.group!))).toBe(ENODEV)
  })

  test("the driver's error passes through, and devices already switched go back", () => {
    const { driver, devices } = fakeMachine([0, 0, 0], { oneGroup: true })
    const group = devices[0]!.group!
    driver.refusals.set('attach fake2 a', EIO)
    const domain = driver.domain('a')
    expect(thrownBy(() => attachGroupHandle(domain, group, new AttachHandle()))).toBe(EIO)
    expect(driver.calls.slice(3)).toEqual(['attach fake0 identity', 'attach fake1 identity'])
    expect(group.domain).toBe(group.defaultDomain)
    expect(group.pasidArray.size).toBe(0)
  })

  test('a reservation that finds no memory is ENOMEM and changes nothing', () => {
    const { driver, devices, world } = fakeMachine()
    world.failpoints.failNth(1, 'pasid_reserve')
    const group = devices[0]!.group!
    expect(thrownBy(() => attachGroupHandle(driver.domain('a'), group, new AttachHandle()))).toBe(ENOMEM)
    expect(driver.calls).toEqual([])
  })
})

describe('reserve, program, publish (spec/01 §2.1)', () => {
  test('the handle cannot be found before the driver has succeeded', () => {
    const { driver, devices } = fakeMachine()
    const group = devices[0]!.group!
    let seen: boolean | undefined = undefined
    const attach = driver.attachDevice.bind(driver)
    driver.attachDevice = (domain, device): void => {
      seen = group.pasidArray.get(0)?.handle !== undefined
      attach(domain, device)
    }
    const handle = new AttachHandle()
    attachGroupHandle(driver.domain('a'), group, handle)
    expect(seen).toBe(false)
    expect(attachHandleGet(group, 0, 0)).toBe(handle)
    expect(handle.domain).toBe(group.domain)
  })

  test('detach goes to the default domain, or to blocking while DMA is owned', () => {
    const { driver, devices } = fakeMachine()
    const group = devices[0]!.group!
    const handle = new AttachHandle()
    attachGroupHandle(driver.domain('a'), group, handle)
    detachGroupHandle(group, handle)
    deviceClaimDmaOwner(devices[0]!, {})
    attachGroupHandle(driver.domain('b'), group, handle)
    detachGroupHandle(group, handle)
    expect(driver.calls).toEqual([
      'attach fake0 a',
      'attach fake0 identity',
      'attach fake0 blocked',
      'attach fake0 b',
      'attach fake0 blocked',
    ])
    expect(group.pasidArray.size).toBe(0)
  })

  test('detachDevice undoes attachDevice', () => {
    const { driver, devices } = fakeMachine()
    const domain = driver.domain('a')
    attachDevice(domain, devices[0]!)
    detachDevice(domain, devices[0]!)
    expect(driver.calls).toEqual(['attach fake0 a', 'attach fake0 identity'])
  })
})

describe('replace on the RID (spec/01 §2.1)', () => {
  test('switches without blocking in between and shows the new handle', () => {
    const { driver, devices } = fakeMachine()
    const group = devices[0]!.group!
    attachGroupHandle(driver.domain('a'), group, new AttachHandle())
    driver.takeCalls()
    const next = new AttachHandle()
    replaceGroupHandle(group, driver.domain('b'), next)
    expect(driver.calls).toEqual(['attach fake0 b'])
    expect(attachHandleGet(group, 0, 0)).toBe(next)
  })

  test('a failure keeps the old domain and handle, and leaves no reservation where there was none', () => {
    const { driver, devices } = fakeMachine()
    const group = devices[0]!.group!
    driver.refusals.set('attach fake0 a', EIO)
    const domain = driver.domain('a')
    expect(thrownBy(() => replaceGroupHandle(group, domain, new AttachHandle()))).toBe(EIO)
    expect(group.pasidArray.size).toBe(0)
    const first = new AttachHandle()
    attachGroupHandle(domain, group, first)
    driver.refusals.set('attach fake0 b', ENOMEM)
    expect(thrownBy(() => replaceGroupHandle(group, driver.domain('b'), new AttachHandle()))).toBe(ENOMEM)
    expect(attachHandleGet(group, 0, 0)).toBe(first)
    expect(group.domain).toBe(domain)
  })

  test('the same domain with a new handle calls no driver; no handle and a foreign domain are EINVAL', () => {
    const { driver, devices } = fakeMachine()
    const group = devices[0]!.group!
    const domain = driver.domain('a')
    attachGroupHandle(domain, group, new AttachHandle())
    driver.takeCalls()
    const next = new AttachHandle()
    replaceGroupHandle(group, domain, next)
    expect(driver.calls).toEqual([])
    expect(attachHandleGet(group, 0, 0)).toBe(next)
    expect(thrownBy(() => replaceGroupHandle(group, domain, undefined))).toBe(EINVAL)
    const foreign = new FakeDriver().domain('x')
    expect(thrownBy(() => replaceGroupHandle(group, foreign, new AttachHandle()))).toBe(EINVAL)
  })
})
