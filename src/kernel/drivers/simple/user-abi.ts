// SPDX-License-Identifier: MIT
/** What user space says to the simple unit through iommufd. All little-endian. */

/** The `data_type` of nested page tables, of their invalidations and of hardware information. */
export const SIMPLE_DATA = 0x51

/** HWPT_ALLOC on a nesting parent: u64 address of the root table in the parent's IOAS, u32 FORMAT_, u32 0. */
export const NESTED_DATA_SIMPLE: number = SIMPLE_DATA
export const NESTED_DATA_BYTES = 16

/** HWPT_INVALIDATE: u64 first address, u64 number of 4 KiB pages (all ones: everything), u32 flags 0, u32 0. */
export const INVALIDATE_DATA_SIMPLE: number = SIMPLE_DATA
export const INVALIDATE_BYTES = 24

/** GET_HW_INFO: u32 flags 0, u32 the unit's REG_CAPABILITY. */
export const HW_INFO_SIMPLE: number = SIMPLE_DATA
export const HW_INFO_BYTES = 8
