// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { blockPasid } from './attach-pasid.ts'
import type { Device } from './device.ts'
import type { Domain } from './domain.ts'
import type { IommuGroup } from './group.ts'
import { blockingDomain } from './ownership.ts'
import { mustSucceed } from './set-domain.ts'

/**
 * PCI reset (`spec/01` §2.2, last row): while a device with ATS is reset, its RID and its PASIDs are blocked and its
 * group takes no attachment. `pasidArray` stays, so late faults still find their handles. Nests.
 */
export function resetPrepare(device: Device): void {
  const group = device.group
  if (group === undefined || !device.atsSupported) return
  if (device.resetDepth++ > 0) return
  const blocking = blockingDomain(group)
  if (group.domain !== blocking) attach(device, blocking, group.domain)
  eachPasid(group, device, (pasid, domain) => blockPasid(device, pasid, domain))
  device.blocked = true
  group.recoveryCount++
}

/** Back to what the group is attached with by now. */
export function resetDone(device: Device): void {
  const group = device.group
  if (group === undefined || !device.atsSupported) return
  assert(device.resetDepth > 0, `${device.name} is not being reset`)
  if (--device.resetDepth > 0) return
  const blocking = blockingDomain(group)
  if (group.domain !== undefined && group.domain !== blocking) attach(device, group.domain, blocking)
  eachPasid(group, device, (pasid, domain) =>
    mustSucceed(() => device.driver!.setDevicePasid(domain, device, pasid, undefined), device),
  )
  device.blocked = false
  group.recoveryCount--
}

function attach(device: Device, domain: Domain, old: Domain | undefined): void {
  mustSucceed(() => device.driver!.attachDevice(domain, device, old), device)
}

function eachPasid(group: IommuGroup, device: Device, visit: (pasid: number, domain: Domain) => void): void {
  if (device.maxPasids === 0) return
  for (const pasid of group.pasidArray.pasids()) {
    const domain = group.pasidArray.get(pasid)!.domain
    if (pasid !== 0 && domain !== undefined) visit(pasid, domain)
  }
}
