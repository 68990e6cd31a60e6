// SPDX-License-Identifier: MIT
/** Names that a case may use for the value of a field or an argument (`spec/03` §4, §5.1). */

type Names = Readonly<Record<string, number>>

const MAP: Names = { FIXED_IOVA: 1, WRITEABLE: 2, READABLE: 4, SYZ: 0x10000 }
const MOCK_TYPE = { SELFTEST: 0xdeadbeef }

/** By field: `structure.field` first, then the field alone. */
const FIELDS: Readonly<Record<string, Names>> = {
  'iommu_ioas_map.flags': MAP,
  'iommu_ioas_map_file.flags': MAP,
  'iommu_ioas_copy.flags': MAP,
  'iommu_option.option_id': { RLIMIT_MODE: 0, HUGE_PAGES: 1 },
  'iommu_option.op': { SET: 0, GET: 1 },
  'iommu_vfio_ioas.op': { GET: 0, SET: 1, CLEAR: 2 },
  'iommu_hwpt_alloc.flags': { NEST_PARENT: 1, DIRTY_TRACKING: 2, FAULT_ID_VALID: 4, PASID: 8 },
  'iommu_hwpt_alloc.data_type': { NONE: 0, VTD_S1: 1, ARM_SMMUV3: 2, AMD_GUEST: 3, SELFTEST: 0xdead },
  'iommu_hwpt_selftest.pagetable_type': { DEFAULT: 0, HUGE: 1 },
  'iommu_hw_info.flags': { INPUT_TYPE: 1 },
  'iommu_hw_info.in_data_type': { DEFAULT: 0, SELFTEST: 0xfeedbeef },
  'iommu_hwpt_set_dirty_tracking.flags': { ENABLE: 1 },
  'iommu_hwpt_get_dirty_bitmap.flags': { NO_CLEAR: 1 },
  'iommu_hwpt_invalidate.data_type': { ...MOCK_TYPE, SELFTEST_INVALID: 0xdadbeef },
  'iommu_hwpt_invalidate_selftest.flags': { ALL: 1 },
  'iommu_viommu_invalidate_selftest.flags': { ALL: 1 },
  'iommu_viommu_alloc.type': { DEFAULT: 0, ...MOCK_TYPE },
  'iommu_veventq_alloc.type': { DEFAULT: 0, SELFTEST: 0xbeefbeef },
  'iommu_hw_queue_alloc.type': { DEFAULT: 0, ...MOCK_TYPE },
  'iommu_hwpt_page_response.code': { SUCCESS: 0, INVALID: 1 },
  'MOCK_DOMAIN_FLAGS.dev_flags': { NO_DIRTY: 1, PASID: 4 },
  'CREATE_ACCESS.flags': { NEEDS_PIN_PAGES: 1 },
  'ACCESS_PAGES.flags': { WRITE: 1, SYZ: 0x10000 },
  'ACCESS_RW.flags': { WRITE: 1, SLOW_PATH: 4, SYZ: 0x10000 },
  'X_FAULT.type': { DMA_UNRECOV: 0, PAGE_REQ: 1 },
  'X_FAULT.flags': { PASID_VALID: 1, LAST_PAGE: 2, NEEDS_PASID: 4 },
  'X_QUEUE.sub': { DISCARD_PARTIAL: 0, FLUSH: 1, COUNTS: 2 },
  perm: { READ: 1, WRITE: 2, EXEC: 4, PRIV: 8 },
  'vfio_iommu_type1_dma_map.flags': { READ: 1, WRITE: 2 },
  'vfio_iommu_type1_dma_unmap.flags': { GET_DIRTY: 1, ALL: 2, VADDR: 4 },
  argument: { TYPE1: 1, TYPE1v2: 3, DMA_CC: 4, NOIOMMU: 8, UNMAP_ALL: 9 },
}

/** By argument of a system call. */
export const ARGUMENT_NAMES = {
  openFlags: { RDONLY: 0, WRONLY: 1, RDWR: 2, NONBLOCK: 0o4000, CLOEXEC: 0o2000000 },
  prot: { NONE: 0, READ: 1, WRITE: 2, EXEC: 4 },
  mmapFlags: {
    SHARED: 1,
    PRIVATE: 2,
    FIXED: 0x10,
    ANONYMOUS: 0x20,
    POPULATE: 0x8000,
    HUGETLB: 0x40000,
  },
  advice: { DONTNEED: 4, REMOVE: 9, HUGEPAGE: 14, NOHUGEPAGE: 15 },
  memfdFlags: { CLOEXEC: 1, ALLOW_SEALING: 2, HUGETLB: 4 },
  fcntlCommand: { F_DUPFD: 0, F_GETFD: 1, F_SETFD: 2, F_GETFL: 3, F_DUPFD_CLOEXEC: 1030 },
  fcntlArgument: { FD_CLOEXEC: 1 },
  whence: { SET: 0, CUR: 1, END: 2 },
  pollEvents: { IN: 1, PRI: 2, OUT: 4, RDNORM: 0x40, WRNORM: 0x100, ALL: 0x7ff },
} as const satisfies Readonly<Record<string, Names>>

export function namesOfField(structure: string, field: string): Names {
  return FIELDS[`${structure}.${field}`] ?? FIELDS[field] ?? {}
}
