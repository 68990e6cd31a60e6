// SPDX-License-Identifier: MIT
import type { Device } from './device.ts'
import type { IommuGroup } from './group.ts'

/** DMA ownership (`spec/01` §2.4). */

/** Linux's iommu_device_use_default_domain: a kernel driver binds. */
export function useDefaultDomain(_device: Device): void {}
/** Linux's iommu_device_unuse_default_domain. */
export function unuseDefaultDomain(_device: Device): void {}
/** Linux's iommu_group_claim_dma_owner. */
export function groupClaimDmaOwner(_group: IommuGroup, _owner: object): void {}
/** Linux's iommu_group_release_dma_owner. */
export function groupReleaseDmaOwner(_group: IommuGroup): void {}
/** Linux's iommu_device_claim_dma_owner. */
export function deviceClaimDmaOwner(_device: Device, _owner: object): void {}
/** Linux's iommu_device_release_dma_owner. */
export function deviceReleaseDmaOwner(_device: Device): void {}
