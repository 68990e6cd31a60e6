// SPDX-License-Identifier: MIT
/** Parts of struct iommu_test_cmd that only the extended test ABI has. */

/** X_FAULT: any fault. */
export class ExtendedFault {
  static readonly SIZE = 72
  dev_id = 0
  type = 0
  flags = 0
  pasid = 0
  grpid = 0
  perm = 0
  addr_lo = 0
  addr_hi = 0
  out_rc = 0

  static decode(view: DataView, offset: number, into: ExtendedFault): ExtendedFault {
    into.dev_id = view.getInt32(offset + 16, true)
    into.type = view.getInt32(offset + 20, true)
    into.flags = view.getInt32(offset + 24, true)
    into.pasid = view.getInt32(offset + 28, true)
    into.grpid = view.getInt32(offset + 32, true)
    into.perm = view.getInt32(offset + 36, true)
    into.addr_lo = view.getInt32(offset + 40, true)
    into.addr_hi = view.getInt32(offset + 44, true)
    into.out_rc = view.getInt32(offset + 48, true)
    return into
  }

  encode(view: DataView, offset: number): void {
    view.setInt32(offset + 48, this.out_rc, true)
  }
}

/** X_RESP_LOG: takes records out of the log. */
export class ExtendedLog {
  static readonly SIZE = 72
  uptr_lo = 0
  uptr_hi = 0
  max = 0
  out_n = 0
  out_lost = 0

  static decode(view: DataView, offset: number, into: ExtendedLog): ExtendedLog {
    into.uptr_lo = view.getInt32(offset + 16, true)
    into.uptr_hi = view.getInt32(offset + 20, true)
    into.max = view.getInt32(offset + 24, true)
    into.out_n = view.getInt32(offset + 28, true)
    into.out_lost = view.getInt32(offset + 32, true)
    return into
  }

  encode(view: DataView, offset: number): void {
    view.setInt32(offset + 28, this.out_n, true)
    view.setInt32(offset + 32, this.out_lost, true)
  }
}

/** X_QUEUE: looks into a device's place in its fault queue. */
export class ExtendedQueue {
  static readonly SIZE = 72
  sub = 0
  dev_id = 0
  out_rc = 0
  out_partial = 0
  out_faults = 0
  out_users = 0

  static decode(view: DataView, offset: number, into: ExtendedQueue): ExtendedQueue {
    into.sub = view.getInt32(offset + 16, true)
    into.dev_id = view.getInt32(offset + 20, true)
    into.out_rc = view.getInt32(offset + 24, true)
    into.out_partial = view.getInt32(offset + 28, true)
    into.out_faults = view.getInt32(offset + 32, true)
    into.out_users = view.getInt32(offset + 36, true)
    return into
  }

  encode(view: DataView, offset: number): void {
    view.setInt32(offset + 24, this.out_rc, true)
    view.setInt32(offset + 28, this.out_partial, true)
    view.setInt32(offset + 32, this.out_faults, true)
    view.setInt32(offset + 36, this.out_users, true)
  }
}
