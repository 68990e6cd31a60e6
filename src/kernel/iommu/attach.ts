// SPDX-License-Identifier: MIT
import type { AttachHandle } from './attach-handle.ts'
import type { Device } from './device.ts'
import type { Domain } from './domain.ts'
import type { IommuGroup } from './group.ts'

/** Attachment of the whole group by RID (`spec/01` §2.1). */

/** Linux's iommu_attach_device. */
export function attachDevice(_domain: Domain, _device: Device): void {}
/** Linux's iommu_detach_device. */
export function detachDevice(_domain: Domain, _device: Device): void {}
/** Linux's iommu_attach_group. */
export function attachGroup(_domain: Domain, _group: IommuGroup): void {}
/** Linux's iommu_detach_group. */
export function detachGroup(_domain: Domain, _group: IommuGroup): void {}
/** Linux's iommu_attach_group_handle. */
export function attachGroupHandle(
  _domain: Domain,
  _group: IommuGroup,
  _handle: AttachHandle | undefined,
): void {}
/** Linux's iommu_detach_group_handle. */
export function detachGroupHandle(_group: IommuGroup, _handle: AttachHandle): void {}
/** Linux's iommu_replace_group_handle. */
export function replaceGroupHandle(
  _group: IommuGroup,
  _domain: Domain,
  _handle: AttachHandle | undefined,
): void {}
