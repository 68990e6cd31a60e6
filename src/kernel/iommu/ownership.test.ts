// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EBUSY, EINVAL, EIO, ENODEV, EPERM, EPROBE_DEFER } from '../../base/errno.ts'
import { attachGroup } from './attach.ts'
import { attachDevicePasid, detachDevicePasid } from './attach-pasid.ts'
import { Device } from './device.ts'
import { DOMAIN_BLOCKED, DOMAIN_DMA, Domain } from './domain.ts'
import { RESERVED_DIRECT } from './driver.ts'
import { FakeDriver, fakeMachine, thrownBy } from './fake-driver.suite.ts'
import { reportIommuFault, setFaultHandler } from './legacy-fault.ts'
import {
  deviceClaimDmaOwner,
  deviceReleaseDmaOwner,
  groupClaimDmaOwner,
  groupReleaseDmaOwner,
  unuseDefaultDomain,
  useDefaultDomain,
} from './ownership.ts'
import { IommuCore } from './probe.ts'

describe('DMA ownership (spec/01 §2.4)', () => {
  test('use of the default domain: EPROBE_DEFER without one, counted, EBUSY for an owner', () => {
    const { devices } = fakeMachine()
    const group = devices[0]!.group!
    const { defaultDomain } = group
    group.defaultDomain = undefined
    expect(thrownBy(() => useDefaultDomain(devices[0]!))).toBe(EPROBE_DEFER)
    group.defaultDomain = defaultDomain
    useDefaultDomain(devices[0]!)
    useDefaultDomain(devices[0]!)
    expect(group.ownerCount).toBe(2)
    expect(thrownBy(() => groupClaimDmaOwner(group, {}))).toBe(EPERM)
    expect(thrownBy(() => deviceClaimDmaOwner(devices[0]!, {}))).toBe(EPERM)
    unuseDefaultDomain(devices[0]!)
    unuseDefaultDomain(devices[0]!)
    groupClaimDmaOwner(group, {})
    expect(thrownBy(() => useDefaultDomain(devices[0]!))).toBe(EBUSY)
  })

  test('a second user of the default domain finds EBUSY when a PASID is attached', () => {
    const { driver, devices } = fakeMachine()
    useDefaultDomain(devices[0]!)
    attachDevicePasid(driver.domain('a'), devices[0]!, 1, undefined)
    expect(thrownBy(() => useDefaultDomain(devices[0]!))).toBe(EBUSY)
  })

  test('claim switches to blocking, release of the last claim to the default domain', () => {
    const { driver, devices } = fakeMachine()
    const [device] = devices
    const owner = {}
    deviceClaimDmaOwner(device!, owner)
    deviceClaimDmaOwner(device!, owner)
    expect(thrownBy(() => deviceClaimDmaOwner(device!, {}))).toBe(EPERM)
    expect(thrownBy(() => groupClaimDmaOwner(device!.group!, owner))).toBe(EPERM)
    deviceReleaseDmaOwner(device!)
    expect(driver.calls).toEqual(['attach fake0 blocked'])
    deviceReleaseDmaOwner(device!)
    expect(driver.calls).toEqual(['attach fake0 blocked', 'attach fake0 identity'])
    expect(device!.group!.owner).toBe(undefined)
  })

  test('claim: ENODEV without a group; EBUSY when attached elsewhere or with PASIDs', () => {
    expect(thrownBy(() => deviceClaimDmaOwner(new Device({ name: 'lonely', rid: 1 }), {}))).toBe(ENODEV)
    const { driver, devices } = fakeMachine()
    const domain = driver.domain('a')
    attachDevicePasid(domain, devices[0]!, 1, undefined)
    expect(thrownBy(() => deviceClaimDmaOwner(devices[0]!, {}))).toBe(EBUSY)
    detachDevicePasid(domain, devices[0]!, 1)
    attachGroup(domain, devices[0]!.group!)
    expect(thrownBy(() => groupClaimDmaOwner(devices[0]!.group!, {}))).toBe(EBUSY)
  })

  test('without a static blocked domain the group waits in an empty page table', () => {
    const { driver, devices } = fakeMachine()
    driver.blockedDomain = undefined
    const group = devices[0]!.group!
    groupClaimDmaOwner(group, {})
    groupReleaseDmaOwner(group)
    groupClaimDmaOwner(group, {})
    expect(driver.calls).toEqual([
      'alloc paging',
      'attach fake0 empty',
      'attach fake0 identity',
      'attach fake0 empty',
    ])
  })

  test('a device with direct regions cannot be claimed: EINVAL, nothing taken', () => {
    const region = { firstPage: 16, lastPage: 31, kind: RESERVED_DIRECT }
    const { devices } = fakeMachine([0], { device: { reservedRegions: [region] } })
    expect(thrownBy(() => deviceClaimDmaOwner(devices[0]!, {}))).toBe(EINVAL)
    expect(devices[0]!.group!.ownerCount).toBe(0)
  })
})

describe('probe and group formation (spec/01 §1.2b)', () => {
  test('the number of PASIDs is the smaller of device and IOMMU', () => {
    const { driver, core } = fakeMachine([])
    driver.maxPasids = 1024
    const wide = new Device({ name: 'wide', rid: 1, maxPasids: 1 << 20 })
    const narrow = new Device({ name: 'narrow', rid: 2, maxPasids: 256 })
    core.probe(wide, driver)
    core.probe(narrow, driver)
    expect([wide.maxPasids, narrow.maxPasids]).toEqual([1024, 256])
    expect(wide.group).not.toBe(narrow.group)
  })

  test('a device that joins a group is attached to what the group has; a refusal undoes the probe', () => {
    const { driver, core, devices } = fakeMachine([0], { oneGroup: true })
    attachGroup(driver.domain('a'), devices[0]!.group!)
    driver.takeCalls()
    const second = new Device({ name: 'second', rid: 2 })
    driver.refusals.set('attach second a', EIO)
    expect(thrownBy(() => core.probe(second, driver))).toBe(EIO)
    expect(driver.takeCalls()).toEqual(['probe second', 'attach second a', 'release second'])
    expect([second.group, second.driver]).toEqual([undefined, undefined])
    core.probe(second, driver)
    expect(second.group).toBe(devices[0]!.group)
    expect(thrownBy(() => core.probe(second, driver))).toBe(EBUSY)
  })

  test('a new group starts in the default domain, with direct regions mapped before', () => {
    const { driver, core } = fakeMachine([])
    class Recorded extends Domain {
      override map(hi: number, lo: number, frame: number, pages: number): void {
        driver.calls.push(`map ${hi} ${lo} ${frame} ${pages}`)
      }
    }
    driver.startDomain = new Recorded({ type: DOMAIN_DMA, owner: driver })
    driver.names.set(driver.startDomain, 'dma')
    const regions = [{ firstPage: 0x100001, lastPage: 0x100002, kind: RESERVED_DIRECT }]
    core.probe(new Device({ name: 'direct', rid: 1, reservedRegions: regions }), driver)
    expect(driver.calls).toEqual(['probe direct', 'map 1 4096 1048577 2', 'attach direct dma'])
  })

  test('an emptied group is forgotten', () => {
    const { driver, core, devices } = fakeMachine([0, 0], { oneGroup: true })
    core.release(devices[0]!)
    expect(core.groups).toHaveLength(1)
    core.release(devices[1]!)
    expect(core.groups).toHaveLength(0)
    const again = new Device({ name: 'again', rid: 3 })
    core.probe(again, driver)
    expect(again.group!.devices).toEqual([again])
  })

  test('a driver that is not for the device leaves it alone', () => {
    const { world } = fakeMachine([])
    const driver = new FakeDriver()
    driver.refusals.set('probe other', ENODEV)
    const device = new Device({ name: 'other', rid: 9 })
    expect(thrownBy(() => new IommuCore(world).probe(device, driver))).toBe(ENODEV)
    expect(device.driver).toBe(undefined)
  })
})

describe('legacy unrecoverable faults (spec/01 §5)', () => {
  test('the handler is set only on a domain without a cookie, and called with READ 0 and WRITE 1', () => {
    const { driver } = fakeMachine()
    const domain = driver.domain('a')
    const seen: number[] = []
    expect(reportIommuFault(domain, 0x100, 0, 4096, 1)).toBe(38)
    const set = setFaultHandler(domain, (_domain, rid, _hi, lo, write) => seen.push(rid, lo, write))
    expect(set).toBe(true)
    expect(reportIommuFault(domain, 0x100, 0, 4096, 1)).toBe(3)
    expect(seen).toEqual([0x100, 4096, 1])
    expect(setFaultHandler(domain, () => 0)).toBe(false)
    const dma = new Domain({ type: DOMAIN_DMA, owner: driver, cookieType: 1 })
    expect(setFaultHandler(dma, () => 0)).toBe(false)
    expect(reportIommuFault(dma, 0x100, 0, 0, 0)).toBe(38)
  })

  test('a domain is freed once', () => {
    const domain = new Domain({ type: DOMAIN_BLOCKED, owner: {} })
    domain.free()
    expect(() => domain.free()).toThrow('freed twice')
  })
})
