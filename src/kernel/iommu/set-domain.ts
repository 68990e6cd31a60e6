// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { EBUSY, EINVAL, ENODEV, isErrno } from '../../base/errno.ts'
import { DOMAIN_BLOCKED, type Domain } from './domain.ts'
import type { IommuDevice, IommuDriver } from './driver.ts'
import type { IommuGroup } from './group.ts'

/** Whether the domain fits devices of the driver: its own, or its static blocked or identity domain. */
export function domainFits(domain: Domain, driver: IommuDriver | undefined): driver is IommuDriver {
  if (driver === undefined) return false
  return domain.owner === driver || domain === driver.blockedDomain || domain === driver.identityDomain
}

/**
 * Switches the whole group; devices already switched go back to the old domain when one refuses. Throws EBUSY while a
 * device of the group is reset, EINVAL for blocking a device with direct regions, ENODEV for a domain that cannot be
 * attached, and the driver's errors (`spec/01` §2.1).
 */
export function setGroupDomain(group: IommuGroup, domain: Domain): void {
  if (group.domain === domain) return
  if (group.recoveryCount > 0) throw EBUSY
  let switched = 0
  try {
    for (const device of group.devices) {
      attachOne(group, device, domain)
      switched++
    }
  } catch (error) {
    for (let i = 0; i < switched; i++) putBack(group.devices[i]!, group.domain, domain)
    throw error
  }
  group.domain = domain
}

/** The same on ways that cannot fail: a driver that refuses breaks its contract. Devices being reset follow later. */
export function setGroupDomainNoFail(group: IommuGroup, domain: Domain): void {
  if (group.domain === domain) return
  for (const device of group.devices) {
    if (!device.blocked) mustSucceed(() => device.driver!.attachDevice(domain, device, group.domain), device)
  }
  group.domain = domain
}

/** Runs a driver call that must not fail. */
export function mustSucceed(call: () => void, device: IommuDevice): void {
  try {
    call()
  } catch (error) {
    assert(
      !isErrno(error),
      `driver of ${device.name} refused a way back: ${isErrno(error) ? error.code : ''}`,
    )
    throw error
  }
}

/** Where a group goes that nobody uses: blocking while its DMA is owned, else the default domain. */
export function setGroupIdle(group: IommuGroup): void {
  const idle = group.owner === undefined ? group.defaultDomain : group.blockingDomain
  assert(idle !== undefined, `group ${group.id} has no domain to go back to`)
  setGroupDomainNoFail(group, idle)
}

function attachOne(group: IommuGroup, device: IommuDevice, domain: Domain): void {
  const blocking = domain.type === DOMAIN_BLOCKED || domain === group.blockingDomain
  if (device.requireDirect && blocking) throw EINVAL
  if (!domain.attachesRid) throw ENODEV
  device.driver!.attachDevice(domain, device, group.domain)
}

function putBack(device: IommuDevice, to: Domain | undefined, from: Domain): void {
  if (to !== undefined) mustSucceed(() => device.driver!.attachDevice(to, device, from), device)
}
