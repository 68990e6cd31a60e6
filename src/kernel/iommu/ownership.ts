// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { EBUSY, ENODEV, EPERM, EPROBE_DEFER } from '../../base/errno.ts'
import type { Device } from './device.ts'
import { DOMAIN_UNMANAGED, type Domain } from './domain.ts'
import type { IommuGroup } from './group.ts'
import { setGroupDomain, setGroupDomainNoFail } from './set-domain.ts'

/** DMA ownership (`spec/01` §2.4): a group's DMA belongs to kernel drivers or to one owner of user space. */

/** Linux's iommu_device_use_default_domain: a kernel driver binds. EPROBE_DEFER without a default domain, EBUSY. */
export function useDefaultDomain(device: Device): void {
  const group = device.group
  if (group === undefined) return
  if (group.defaultDomain === undefined) throw EPROBE_DEFER
  const busy = group.domain !== group.defaultDomain || group.owner !== undefined || group.pasidArray.size > 0
  if (group.ownerCount > 0 && busy) throw EBUSY
  group.ownerCount++
}

/** Linux's iommu_device_unuse_default_domain. */
export function unuseDefaultDomain(device: Device): void {
  const group = device.group
  if (group === undefined) return
  assert(group.ownerCount > 0 && group.pasidArray.size === 0, `group ${group.id} is not in default use`)
  group.ownerCount--
}

/** Linux's iommu_group_claim_dma_owner: EPERM when it has users, EBUSY when it is attached elsewhere. */
export function groupClaimDmaOwner(group: IommuGroup, owner: object): void {
  if (group.ownerCount > 0) throw EPERM
  take(group, owner)
}

/** Linux's iommu_group_release_dma_owner. */
export function groupReleaseDmaOwner(group: IommuGroup): void {
  assert(group.ownerCount > 0 && group.owner !== undefined, `group ${group.id} has no DMA owner`)
  assert(group.pasidArray.size === 0, `group ${group.id} is released with PASIDs attached`)
  if (--group.ownerCount > 0) return
  group.owner = undefined
  setGroupDomainNoFail(group, group.defaultDomain!)
}

/** Linux's iommu_device_claim_dma_owner: ENODEV without a group, EPERM for another owner, EBUSY; counts per owner. */
export function deviceClaimDmaOwner(device: Device, owner: object): void {
  const group = device.group
  if (group === undefined) throw ENODEV
  if (group.ownerCount === 0) return take(group, owner)
  if (group.owner !== owner) throw EPERM
  group.ownerCount++
}

/** Linux's iommu_device_release_dma_owner. */
export function deviceReleaseDmaOwner(device: Device): void {
  assert(device.group !== undefined, `${device.name} has no group`)
  groupReleaseDmaOwner(device.group)
}

function take(group: IommuGroup, owner: object): void {
  const elsewhere = group.domain !== undefined && group.domain !== group.defaultDomain
  if (elsewhere || group.pasidArray.size > 0) throw EBUSY
  setGroupDomain(group, blockingDomain(group))
  group.owner = owner
  group.ownerCount = 1
}

/** The driver's static blocked domain, or an empty page table where it has none. */
export function blockingDomain(group: IommuGroup): Domain {
  if (group.blockingDomain !== undefined) return group.blockingDomain
  const device = group.devices[0]
  const driver = device?.driver
  if (driver === undefined) throw ENODEV
  const domain =
    driver.blockedDomain ?? driver.domainAllocPaging?.(device, { flags: 0, type: DOMAIN_UNMANAGED })
  if (domain === undefined) throw EBUSY
  group.blockingDomain = domain
  return domain
}
