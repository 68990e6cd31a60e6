// SPDX-License-Identifier: MIT
/** Numbers of the mock IOMMU's ABI (`spec/03` §5.1). Types are int32, as decoded structs hold them. */

/** Mappings are made of granules of 2 KiB. */
export const GRANULE_SHIFT = 11
export const GRANULE_BYTES: number = 2 ** GRANULE_SHIFT

export const MOCK_FLAGS_NO_DIRTY = 1
export const MOCK_FLAGS_PASID = 4

export const MOCK_PASIDS: number = 2 ** 20
/** The PASID whose second attachment in a row fails. */
export const MOCK_PASID_ODD = 1024

export const MOCK_HWPT_DATA = 0xdead
export const MOCK_PAGETABLE_DEFAULT = 0
export const MOCK_PAGETABLE_HUGE = 1

export const MOCK_IOTLBS = 4
export const MOCK_IOTLB_DEFAULT: number = 0xbadbeef
export const MOCK_CACHES = 4
export const MOCK_CACHE_DEFAULT: number = 0xbaddad

export const MOCK_INVALIDATE_DATA: number = 0xdeadbeef | 0
export const MOCK_INVALIDATE_ALL = 1
export const MOCK_VIOMMU_INVALIDATE_DATA: number = 0xdeadbeef | 0

export const MOCK_HW_INFO: number = 0xfeedbeef | 0
export const MOCK_HW_INFO_REGISTER: number = 0xdeadbeef | 0

export const MOCK_VIOMMU: number = 0xdeadbeef | 0
export const MOCK_VIOMMU_MMAP_PAGES = 2
export const MOCK_VEVENTQ: number = 0xbeefbeef | 0
export const MOCK_HW_QUEUE: number = 0xdeadbeef | 0
export const MOCK_HW_QUEUES = 2
