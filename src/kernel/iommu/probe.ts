// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { EBUSY } from '../../base/errno.ts'
import type { World } from '../../trace/world.ts'
import type { Device } from './device.ts'
import { type Domain, IOMMU_READ, IOMMU_WRITE } from './domain.ts'
import { type IommuDriver, RESERVED_DIRECT, RESERVED_DIRECT_RELAXABLE } from './driver.ts'
import { IommuGroup } from './group.ts'
import { setGroupDomain } from './set-domain.ts'

/** Probing and group formation (`spec/01` §1.2b): one a machine. */
export class IommuCore {
  readonly world: World
  readonly groups: IommuGroup[] = []
  readonly #shared = new Map<object, IommuGroup>()
  #nextGroup = 0

  constructor(world: World) {
    this.world = world
  }

  /**
   * Puts the device behind the driver's unit and into its group, in the group's current or in its default domain.
   * EBUSY when it is probed already; the driver's errors.
   */
  probe(device: Device, driver: IommuDriver): void {
    if (device.driver !== undefined) throw EBUSY
    device.driver = driver
    try {
      driver.probeDevice(device)
    } catch (error) {
      device.driver = undefined
      throw error
    }
    device.maxPasids = Math.min(device.devicePasids, driver.maxPasids)
    const group = this.#groupOf(device, driver)
    this.#join(group, device, driver)
  }

  /** The device leaves its unit (faults that are drained there still find their handlers), then its group. */
  release(device: Device): void {
    const { group, driver } = device
    assert(group !== undefined && driver !== undefined, `${device.name} is not probed`)
    driver.releaseDevice(device)
    group.devices.splice(group.devices.indexOf(device), 1)
    device.group = undefined
    device.driver = undefined
    if (group.devices.length > 0) return
    this.#forget(group)
    freeOwnDomains(group, driver)
  }

  #groupOf(device: Device, driver: IommuDriver): IommuGroup {
    const key = driver.deviceGroup(device)
    const present = key === undefined ? undefined : this.#shared.get(key)
    if (present !== undefined) return present
    const group = new IommuGroup(this.world, this.#nextGroup++)
    if (key !== undefined) this.#shared.set(key, group)
    return group
  }

  #join(group: IommuGroup, device: Device, driver: IommuDriver): void {
    const fresh = group.devices.length === 0
    group.devices.push(device)
    device.group = group
    try {
      if (fresh) this.#startGroup(group, device, driver)
      else this.#joinGroup(group, device, driver)
    } catch (error) {
      group.devices.pop()
      device.group = undefined
      driver.releaseDevice(device)
      device.driver = undefined
      if (fresh) this.#forget(group)
      throw error
    }
    if (fresh) this.groups.push(group)
  }

  #startGroup(group: IommuGroup, device: Device, driver: IommuDriver): void {
    const domain = driver.defaultDomain(device)
    mapDirectRegions(domain, device)
    group.defaultDomain = domain
    setGroupDomain(group, domain)
  }

  #joinGroup(group: IommuGroup, device: Device, driver: IommuDriver): void {
    mapDirectRegions(group.defaultDomain!, device)
    driver.attachDevice(group.domain!, device, undefined)
  }

  #forget(group: IommuGroup): void {
    const index = this.groups.indexOf(group)
    if (index >= 0) this.groups.splice(index, 1)
    for (const [key, value] of this.#shared) if (value === group) this.#shared.delete(key)
  }
}

/** The domains that were made for the group; the static ones stay. */
function freeOwnDomains(group: IommuGroup, driver: IommuDriver): void {
  const { defaultDomain, blockingDomain } = group
  const fixed = [driver.blockedDomain, driver.identityDomain]
  if (defaultDomain !== undefined && !fixed.includes(defaultDomain)) defaultDomain.free()
  if (blockingDomain !== undefined && !fixed.includes(blockingDomain)) blockingDomain.free()
}

/** Direct regions are mapped one to one before the device is attached (`spec/01` §1.2b). */
function mapDirectRegions(domain: Domain, device: Device): void {
  if (!domain.isPaging) return
  for (const region of device.reservedRegions) {
    if (region.kind !== RESERVED_DIRECT && region.kind !== RESERVED_DIRECT_RELAXABLE) continue
    const page = region.firstPage
    const pages = region.lastPage - page + 1
    domain.map((page / 1048576) | 0, (page % 1048576) << 12, page, pages, IOMMU_READ | IOMMU_WRITE)
  }
}
