// SPDX-License-Identifier: MIT
/** Extended configuration space: capability ids, register offsets within a capability, bits (`spec/01` §6.1). */

export const CONFIG_EXTENDED_START = 0x100
export const CONFIG_BYTES = 0x1000

/** Capability header: id 15:0, version 19:16, offset of the next capability 31:20 (0 = last). */
export const CAPABILITY_ID_MASK = 0xffff
export const CAPABILITY_VERSION_SHIFT = 16
export const CAPABILITY_NEXT_SHIFT = 20

export const CAPABILITY_ATS = 0x0f
export const CAPABILITY_PRI = 0x13
export const CAPABILITY_PASID = 0x1b

// ATS, 16-bit registers
export const ATS_CAPABILITY = 0x04
/** Invalidate queue depth, 0 = 32. */
export const ATS_QDEP_MASK = 0x1f
export const ATS_PAGE_ALIGNED: number = 1 << 5
export const ATS_CONTROL = 0x06
/** Smallest translation unit: 2^(value + 12) bytes. */
export const ATS_STU_MASK = 0x1f
export const ATS_ENABLE: number = 1 << 15

// PRI: control and status 16 bits, the others 32
export const PRI_CONTROL = 0x04
export const PRI_ENABLE: number = 1 << 0
export const PRI_RESET: number = 1 << 1
export const PRI_STATUS = 0x06
export const PRI_RESPONSE_FAILURE: number = 1 << 0
export const PRI_UNEXPECTED_PRGI: number = 1 << 1
export const PRI_STOPPED: number = 1 << 8
export const PRI_RESPONSE_PASID_REQUIRED: number = 1 << 15
/** RO: most page requests that can be outstanding. */
export const PRI_CAPACITY = 0x08
/** RW: most page requests that may be outstanding. */
export const PRI_ALLOCATION = 0x0c

// PASID, 16-bit registers
export const PASID_CAPABILITY = 0x04
export const PASID_CAP_EXEC: number = 1 << 1
export const PASID_CAP_PRIV: number = 1 << 2
export const PASID_WIDTH_SHIFT = 8
export const PASID_WIDTH_MASK = 0x1f
export const PASID_CONTROL = 0x06
export const PASID_ENABLE: number = 1 << 0
export const PASID_EXEC: number = 1 << 1
export const PASID_PRIV: number = 1 << 2

/** What a driver sees of a function's configuration space. Offsets in bytes; unimplemented registers read 0. */
export interface ConfigSpace {
  read16(offset: number): number
  read32(offset: number): number
  write16(offset: number, value: number): void
  write32(offset: number, value: number): void
  /** Offset of the extended capability, 0 when the function has none. */
  findCapability(id: number): number
}
