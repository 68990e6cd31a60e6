// SPDX-License-Identifier: MIT
/** What user space says to the driver through iommufd (`spec/03` §3): numbers and offsets of the VT-d structs. */

/** IOMMU_HWPT_DATA_VTD_S1, IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, IOMMU_HW_INFO_TYPE_INTEL_VTD. */
export const NESTED_DATA_VTD_S1 = 1
export const INVALIDATE_DATA_VTD_S1 = 0
export const HW_INFO_INTEL_VTD = 1

/** iommu_hwpt_vtd_s1: flags u64, pgtbl_addr u64, addr_width u32, __reserved u32. */
export const NESTED_BYTES = 24
export const NESTED_FLAGS = 0
export const NESTED_TABLE = 8
export const NESTED_WIDTH = 16
export const VTD_S1_SRE = 1
export const VTD_S1_EAFE = 2
export const VTD_S1_WPE = 4

/** iommu_hwpt_vtd_s1_invalidate: addr u64, npages u64, flags u32, __reserved u32. */
export const INVALIDATE_BYTES = 24
export const INVALIDATE_ADDRESS = 0
export const INVALIDATE_PAGES = 8
export const INVALIDATE_FLAGS = 16
export const INVALIDATE_RESERVED = 20
export const VTD_INV_FLAGS_LEAF = 1

/** iommu_hw_info_vtd: flags u32, __reserved u32, cap_reg u64, ecap_reg u64. */
export const HW_INFO_BYTES = 24
export const HW_INFO_CAP = 8
export const HW_INFO_ECAP = 16
