// SPDX-License-Identifier: MIT
/** Data whose meaning only the driver knows, in the caller's memory. */
export interface UserData {
  /** IOMMU_HWPT_DATA_ or IOMMU_VIOMMU_TYPE_ number that the caller gave, as an int32. */
  readonly type: number
  readonly lengthBytes: number
  /**
   * The caller's struct, `structBytes` long, zeros where the caller's is shorter (`spec/03` §1.1).
   * EINVAL: another type, shorter than `minBytes`, longer than `structBytes`; EFAULT.
   */
  copyStruct(type: number, minBytes: number, structBytes: number): Uint8Array
  /** Writes the changed struct back, as many bytes as the caller has. EFAULT. */
  copyBack(bytes: Uint8Array): void
}

/** An array of invalidation requests in the caller's memory. */
export interface UserArray {
  readonly type: number
  readonly entryBytes: number
  readonly entryCount: number
  /** Entries that were done: what the caller's `entry_num` becomes, also when the call fails. All unless the driver says so. */
  handled: number
  /** One entry, by the rules of `UserData.copyStruct`; EINVAL also past the last. */
  copyEntry(index: number, type: number, minBytes: number, structBytes: number): Uint8Array
  /**
   * All entries, `structBytes` each: zeros where the caller's are shorter, E2BIG where longer ones do not end in zeros.
   * EINVAL: another type; EFAULT.
   */
  copyAll(type: number, structBytes: number): Uint8Array
}
