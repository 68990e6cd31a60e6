// SPDX-License-Identifier: MIT
import { EBUSY, EINVAL, ENODEV, ENOMEM } from '../../base/errno.ts'
import type { AttachHandle } from './attach-handle.ts'
import type { Device } from './device.ts'
import type { Domain } from './domain.ts'
import type { IommuGroup } from './group.ts'
import type { PasidEntry } from './pasid-array.ts'
import { domainFits, setGroupDomain, setGroupIdle } from './set-domain.ts'

/**
 * Attachment of the whole group by RID (`spec/01` §2.1). EINVAL is the soft failure: the domain does not fit this
 * device, another may. Every other errno is hard.
 */

/** Linux's iommu_attach_device. ENODEV without a group, EINVAL unless the group has one device; then as `attachGroup`. */
export function attachDevice(domain: Domain, device: Device): void {
  attachGroup(domain, singleton(device))
}

/** Linux's iommu_detach_device. */
export function detachDevice(domain: Domain, device: Device): void {
  detachGroup(domain, singleton(device))
}

/** Linux's iommu_attach_group. EBUSY when the group is attached elsewhere, EINVAL for a foreign domain, driver errors. */
export function attachGroup(domain: Domain, group: IommuGroup): void {
  const current = group.domain
  if (current !== undefined && current !== group.defaultDomain && current !== group.blockingDomain)
    throw EBUSY
  if (!domainFits(domain, group.devices[0]?.driver)) throw EINVAL
  setGroupDomain(group, domain)
}

/** Linux's iommu_detach_group. */
export function detachGroup(_domain: Domain, group: IommuGroup): void {
  setGroupIdle(group)
}

/** Linux's iommu_attach_group_handle. Also EINVAL without a handle, EBUSY when the RID has an entry, ENOMEM. */
export function attachGroupHandle(domain: Domain, group: IommuGroup, handle: AttachHandle | undefined): void {
  if (handle === undefined) throw EINVAL
  if (group.pasidArray.get(0) !== undefined) throw EBUSY
  const entry = reserve(group, 0)
  try {
    attachGroup(domain, group)
  } catch (error) {
    group.pasidArray.erase(0)
    throw error
  }
  publish(entry, domain, handle)
}

/** Linux's iommu_detach_group_handle: the hardware first, then the entry. */
export function detachGroupHandle(group: IommuGroup, _handle: AttachHandle): void {
  setGroupIdle(group)
  group.pasidArray.erase(0)
}

/**
 * Linux's iommu_replace_group_handle: from one domain to the next without blocking in between; on failure the old
 * attachment stays. EINVAL without a handle or for a foreign domain, EBUSY, ENOMEM, driver errors.
 */
export function replaceGroupHandle(
  group: IommuGroup,
  domain: Domain,
  handle: AttachHandle | undefined,
): void {
  if (handle === undefined) throw EINVAL
  if (!domainFits(domain, group.devices[0]?.driver)) throw EINVAL
  const present = group.pasidArray.get(0)
  const entry = present ?? reserve(group, 0)
  try {
    setGroupDomain(group, domain)
  } catch (error) {
    if (present === undefined) group.pasidArray.erase(0)
    throw error
  }
  publish(entry, domain, handle)
}

/** A reserved entry, which lookups do not see. ENOMEM. */
export function reserve(group: IommuGroup, pasid: number): PasidEntry {
  if (group.world.failpoints.hit('pasid_reserve')) throw ENOMEM
  return group.pasidArray.reserve(pasid)
}

/** Makes an entry visible to the fault path: only after the hardware was programmed. */
export function publish(entry: PasidEntry, domain: Domain, handle: AttachHandle | undefined): void {
  if (handle !== undefined) handle.domain = domain
  entry.handle = handle
  entry.handler = handle === undefined ? undefined : domain.iopfHandler
  entry.domain = domain
}

function singleton(device: Device): IommuGroup {
  if (device.group === undefined) throw ENODEV
  if (device.group.devices.length !== 1) throw EINVAL
  return device.group
}
