// SPDX-License-Identifier: MIT
/** What user space says to the SMMUv3 through iommufd (`spec/03` §4, §5). All little-endian. */

/** IOMMU_HW_INFO_TYPE_ARM_SMMUV3: u32 flags, u32 0, u32 idr[6], u32 iidr, u32 aidr. */
export const HW_INFO_ARM_SMMUV3 = 2
export const HW_INFO_BYTES = 40

/** IOMMU_HWPT_DATA_ARM_SMMUV3: le64 ste[2], the guest's. */
export const HWPT_DATA_ARM_SMMUV3 = 2
export const HWPT_DATA_BYTES = 16

export const VIOMMU_TYPE_ARM_SMMUV3 = 1

/** IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3: le64 cmd[2], one of the guest's commands. */
export const INVALIDATE_DATA_ARM_SMMUV3 = 1
export const INVALIDATE_BYTES = 16

/** IOMMU_VEVENTQ_TYPE_ARM_SMMUV3: le64 evt[4], an event record with the guest's StreamID. */
export const VEVENTQ_TYPE_ARM_SMMUV3 = 1
