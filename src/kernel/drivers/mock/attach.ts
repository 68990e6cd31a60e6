// SPDX-License-Identifier: MIT
import { EINVAL, ENOENT, ENOMEM } from '../../../base/errno.ts'
import { DOMAIN_BLOCKED, type Domain } from '../../iommu/domain.ts'
import type { IommuDevice } from '../../iommu/driver.ts'
import type { IopfQueue } from '../../iopf/queue.ts'
import { MOCK_PASID_ODD } from './constants.ts'
import { mockOf } from './mock-device.ts'
import { MockNestedDomain } from './nested-domain.ts'

/**
 * Attaches a whole device (`spec/03` §5.2). EINVAL: it cannot track what the domain tracks; ENOENT: the domain's vIOMMU
 * does not know it; ENOMEM.
 */
export function attachMock(queue: IopfQueue, domain: Domain, device: IommuDevice): void {
  const mock = mockOf(device)
  if (domain.dirty !== undefined && !mock.tracksDirty) throw EINVAL
  if (domain instanceof MockNestedDomain && domain.viommu !== undefined) enterViommu(domain, device)
  else mock.viommu = undefined
  if (domain.iopfHandler !== undefined) enableFaults(queue, device)
  if (mock.domain?.iopfHandler !== undefined) disableFaults(queue, device)
  mock.domain = domain
}

/** Attaches one PASID, or takes it away with the blocking domain. ENOMEM: every second time for one PASID (`spec/03` §5.2). */
export function setMockPasid(
  queue: IopfQueue,
  domain: Domain,
  device: IommuDevice,
  pasid: number,
  old: Domain | undefined,
): void {
  if (pasid === MOCK_PASID_ODD) togglePasid(domain, device)
  if (domain.iopfHandler !== undefined) enableFaults(queue, device)
  if (old?.iopfHandler !== undefined) disableFaults(queue, device)
}

function enterViommu({ viommu }: MockNestedDomain, device: IommuDevice): void {
  const vdevice = viommu!.findVdevice(device)
  if (vdevice === undefined) throw ENOENT
  const mock = mockOf(device)
  mock.viommu = viommu
  mock.virtIdHi = vdevice.virtIdHi
  mock.virtIdLo = vdevice.virtIdLo
}

function togglePasid(domain: Domain, device: IommuDevice): void {
  const mock = mockOf(device)
  const refused = domain.type !== DOMAIN_BLOCKED && mock.oddPasid
  mock.oddPasid = domain.type !== DOMAIN_BLOCKED && !mock.oddPasid
  if (refused) throw ENOMEM
}

/** Counted: the first attachment with a handler puts the device on the queue. ENOMEM. */
function enableFaults(queue: IopfQueue, device: IommuDevice): void {
  const mock = mockOf(device)
  if (mock.iopfCount === 0) queue.addDevice(device)
  mock.iopfCount++
}

function disableFaults(queue: IopfQueue, device: IommuDevice): void {
  const mock = mockOf(device)
  mock.iopfCount--
  if (mock.iopfCount === 0) queue.removeDevice(device)
}
