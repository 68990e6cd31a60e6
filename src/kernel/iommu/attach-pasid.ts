// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { EBUSY, EINVAL, ENODEV, ENOENT, EOPNOTSUPP } from '../../base/errno.ts'
import { publish, reserve } from './attach.ts'
import type { AttachHandle } from './attach-handle.ts'
import type { Device } from './device.ts'
import type { Domain } from './domain.ts'
import type { IommuDevice } from './driver.ts'
import type { IommuGroup } from './group.ts'
import { domainFits, mustSucceed } from './set-domain.ts'

/** Attachment of a PASID (`spec/01` §2.2) and the lookup of its handle (§2.3). Devices without PASIDs are passed over. */

/**
 * Linux's iommu_attach_device_pasid; no `handle`: a bare domain. In this order: ENODEV, EOPNOTSUPP, EINVAL (foreign
 * domain, PASID 0), EBUSY (reset), EINVAL (PASID too large), EBUSY (occupied), ENOMEM, driver errors (undone).
 * Without any device that has PASIDs it succeeds and calls no driver.
 */
export function attachDevicePasid(
  domain: Domain,
  device: Device,
  pasid: number,
  handle: AttachHandle | undefined,
): void {
  const group = device.group
  if (group === undefined) throw ENODEV
  if (!domain.attachesPasid || blockedPasidDomain(device) === undefined) throw EOPNOTSUPP
  if (!domainFits(domain, device.driver) || pasid === 0) throw EINVAL
  if (group.recoveryCount > 0) throw EBUSY
  if (!pasidFits(group, pasid)) throw EINVAL
  if (group.pasidArray.get(pasid) !== undefined) throw EBUSY
  const entry = reserve(group, pasid)
  try {
    programAll(group, domain, pasid, undefined)
  } catch (error) {
    group.pasidArray.erase(pasid)
    throw error
  }
  publish(entry, domain, handle)
}

/**
 * Linux's iommu_replace_device_pasid. In this order: ENODEV, EOPNOTSUPP, EINVAL (foreign domain, PASID 0, no handle),
 * EBUSY (reset), EINVAL (nothing attached, or the very same handle), driver errors: the old entry stays.
 */
export function replaceDevicePasid(
  domain: Domain,
  device: Device,
  pasid: number,
  handle: AttachHandle | undefined,
): void {
  const group = device.group
  if (group === undefined) throw ENODEV
  if (!domain.attachesPasid) throw EOPNOTSUPP
  if (!domainFits(domain, device.driver) || pasid === 0 || handle === undefined) throw EINVAL
  if (group.recoveryCount > 0) throw EBUSY
  const entry = group.pasidArray.get(pasid)
  if (entry === undefined || entry.handle === handle) throw EINVAL
  if (entry.domain !== domain) programAll(group, domain, pasid, entry.domain)
  publish(entry, domain, handle)
}

/** Linux's iommu_detach_device_pasid: the PASID is blocked, then its entry goes. Devices being reset are blocked already. */
export function detachDevicePasid(domain: Domain, device: Device, pasid: number): void {
  const group = device.group
  assert(group !== undefined, `detach of a PASID of ${device.name}, which has no group`)
  for (const member of group.devices) {
    if (member.maxPasids > 0 && !member.blocked) blockPasid(member, pasid, domain)
  }
  group.pasidArray.erase(pasid)
}

/**
 * Linux's iommu_attach_handle_get: ENOENT without a handle (a bare domain has none), EBUSY when `type` is not 0 and
 * the handle's domain is of another type. Takes no reference: the caller must exclude detach.
 */
export function attachHandleGet(group: IommuGroup, pasid: number, type: number): AttachHandle {
  const handle = group.pasidArray.get(pasid)?.handle
  if (handle === undefined) throw ENOENT
  if (type !== 0 && handle.domain!.type !== type) throw EBUSY
  return handle
}

/** Puts one device's PASID into the driver's blocked domain. */
export function blockPasid(device: IommuDevice, pasid: number, old: Domain): void {
  const blocked = blockedPasidDomain(device)
  assert(blocked !== undefined, `driver of ${device.name} cannot block a PASID`)
  mustSucceed(() => device.driver!.setDevicePasid(blocked, device, pasid, old), device)
}

function blockedPasidDomain(device: IommuDevice): Domain | undefined {
  const blocked = device.driver?.blockedDomain
  return blocked?.attachesPasid === true ? blocked : undefined
}

function programAll(group: IommuGroup, domain: Domain, pasid: number, old: Domain | undefined): void {
  let programmed = 0
  try {
    for (const member of group.devices) {
      if (member.maxPasids > 0) member.driver!.setDevicePasid(domain, member, pasid, old)
      programmed++
    }
  } catch (error) {
    for (let i = 0; i < programmed; i++) undo(group.devices[i]!, domain, pasid, old)
    throw error
  }
}

function undo(device: IommuDevice, domain: Domain, pasid: number, old: Domain | undefined): void {
  if (device.maxPasids === 0) return
  if (old === undefined) blockPasid(device, pasid, domain)
  else mustSucceed(() => device.driver!.setDevicePasid(old, device, pasid, domain), device)
}

/** Within the PASIDs of every device that has any; a group without PASIDs takes none (`spec/03` §8 overrides `01` §2.2). */
function pasidFits(group: IommuGroup, pasid: number): boolean {
  let some = false
  for (const { maxPasids } of group.devices) {
    if (maxPasids > 0 && pasid >= maxPasids) return false
    some ||= maxPasids > 0
  }
  return some
}
