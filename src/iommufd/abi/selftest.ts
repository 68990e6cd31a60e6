// SPDX-License-Identifier: MIT
/** Constants of the mock test ABI (`spec/03` §5.1, §5.3). */

export const IOMMU_TEST_OP_ADD_RESERVED = 1
export const IOMMU_TEST_OP_MOCK_DOMAIN = 2
export const IOMMU_TEST_OP_MD_CHECK_MAP = 3
export const IOMMU_TEST_OP_MD_CHECK_REFS = 4
export const IOMMU_TEST_OP_CREATE_ACCESS = 5
export const IOMMU_TEST_OP_DESTROY_ACCESS_PAGES = 6
export const IOMMU_TEST_OP_ACCESS_PAGES = 7
export const IOMMU_TEST_OP_ACCESS_RW = 8
export const IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT = 9
export const IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE = 10
export const IOMMU_TEST_OP_ACCESS_REPLACE_IOAS = 11
export const IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS = 12
export const IOMMU_TEST_OP_DIRTY = 13
export const IOMMU_TEST_OP_MD_CHECK_IOTLB = 14
export const IOMMU_TEST_OP_TRIGGER_IOPF = 15
export const IOMMU_TEST_OP_DEV_CHECK_CACHE = 16
export const IOMMU_TEST_OP_TRIGGER_VEVENT = 17
export const IOMMU_TEST_OP_PASID_ATTACH = 18
export const IOMMU_TEST_OP_PASID_REPLACE = 19
export const IOMMU_TEST_OP_PASID_DETACH = 20
export const IOMMU_TEST_OP_PASID_CHECK_HWPT = 21
export const IOMMU_TEST_OP_DMABUF_GET = 22
export const IOMMU_TEST_OP_DMABUF_REVOKE = 23

export const MOCK_PAGE_SIZE = 2048
export const MOCK_HUGE_PAGE_SIZE: number = 512 * MOCK_PAGE_SIZE
export const MOCK_APERTURE_START = 0x01000000
export const MOCK_APERTURE_LAST = 0x7fffffff

export const MOCK_IOMMUPT_DEFAULT = 0
export const MOCK_IOMMUPT_HUGE = 1

export const MOCK_FLAGS_ACCESS_WRITE = 1
export const MOCK_FLAGS_ACCESS_SYZ: number = 1 << 16
export const MOCK_ACCESS_RW_WRITE = 1
export const MOCK_ACCESS_RW_SLOW_PATH = 4
export const MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES = 1

export const MOCK_FLAGS_DEVICE_NO_DIRTY = 1
export const MOCK_FLAGS_DEVICE_PASID = 4

export const MOCK_NESTED_DOMAIN_IOTLB_ID_MAX = 3
export const IOMMU_TEST_IOTLB_DEFAULT = 0xbadbeef
export const MOCK_DEV_CACHE_ID_MAX = 3
export const IOMMU_TEST_DEV_CACHE_DEFAULT = 0xbaddad

export const MOCK_PASID_WIDTH = 20
/** Attaching to it fails every other time. */
export const IOMMU_TEST_PASID_RESERVED = 1024

export const IOMMU_HW_INFO_TYPE_SELFTEST = 0xfeedbeef
export const IOMMU_HW_INFO_SELFTEST_REGVAL = 0xdeadbeef
export const IOMMU_HWPT_DATA_SELFTEST = 0xdead
export const IOMMU_HWPT_INVALIDATE_DATA_SELFTEST = 0xdeadbeef
export const IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID = 0xdadbeef
export const IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST = 0xdeadbeef
export const IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST_INVALID = 0xdadbeef
export const IOMMU_TEST_INVALIDATE_FLAG_ALL = 1
export const IOMMU_VIOMMU_TYPE_SELFTEST = 0xdeadbeef
export const IOMMU_VEVENTQ_TYPE_SELFTEST = 0xbeefbeef
export const IOMMU_HW_QUEUE_TYPE_SELFTEST = 0xdeadbeef
export const IOMMU_TEST_HW_QUEUE_MAX = 2
