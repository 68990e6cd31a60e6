// SPDX-License-Identifier: MIT
import { ENOENT } from '../../base/errno.ts'
import type { AttachHandle } from './attach-handle.ts'
import type { Device } from './device.ts'
import type { Domain } from './domain.ts'
import type { IommuGroup } from './group.ts'

/** Attachment of a PASID (`spec/01` §2.2) and the fault path's lookup (§2.3). */

/** Linux's iommu_attach_device_pasid. `handle` absent: a bare domain. */
export function attachDevicePasid(
  _domain: Domain,
  _device: Device,
  _pasid: number,
  _handle: AttachHandle | undefined,
): void {}
/** Linux's iommu_replace_device_pasid. */
export function replaceDevicePasid(
  _domain: Domain,
  _device: Device,
  _pasid: number,
  _handle: AttachHandle | undefined,
): void {}
/** Linux's iommu_detach_device_pasid. */
export function detachDevicePasid(_domain: Domain, _device: Device, _pasid: number): void {}
/** Linux's iommu_attach_handle_get: throws ENOENT, EBUSY. `type` 0: any. */
export function attachHandleGet(_group: IommuGroup, _pasid: number, _type: number): AttachHandle {
  throw ENOENT
}
