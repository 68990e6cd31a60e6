// SPDX-License-Identifier: MIT
import { NO_PASID } from '../../pci/messages.ts'
import {
  REASON_SPACE_INVALID,
  SPACE_BLOCKED,
  SPACE_FAULT_DISABLE,
  SPACE_FORMAT_MASK,
  SPACE_FORMAT_SHIFT,
  SPACE_NESTED,
  SPACE_RESERVED_MASK,
  SPACE_STAGE2_FORMAT_MASK,
  SPACE_STAGE2_FORMAT_SHIFT,
  SPACE_TYPE_MASK,
  SPACE_TYPE_SHIFT,
} from './layout.ts'

/** Requester id of no function. */
export const NO_RID = -1

/** A device entry as the unit last read it. */
export class DeviceContext {
  /** NO_RID: nothing was read. */
  rid: number = NO_RID
  flags = 0
  /** PASIDs that the device may use are below this; 0: none. */
  pasidEnd = 0
  pasidDirectory = 0
  frame = 0
  offset = 0
}

/** An address space (of a device's requests without PASID, or of one of its PASIDs) as the unit last read it. */
export class Space {
  /** NO_RID: nothing was read, or it cannot be used. */
  rid: number = NO_RID
  pasid: number = NO_PASID
  /** Copied from the device entry. */
  deviceFlags = 0
  faultDisable = false
  type: number = SPACE_BLOCKED
  domain = 0
  format = 0
  root = 0
  stage2Format = 0
  stage2Root = 0

  /** Fills in the words of a VALID entry; 0, or the REASON_ why it cannot be used. */
  decode(flags: number, domain: number, root: number, rootHigh: number, stage2Root: number): number {
    this.type = (flags & SPACE_TYPE_MASK) >>> SPACE_TYPE_SHIFT
    this.faultDisable ||= (flags & SPACE_FAULT_DISABLE) !== 0
    this.domain = domain
    this.format = (flags & SPACE_FORMAT_MASK) >>> SPACE_FORMAT_SHIFT
    this.root = root
    this.stage2Format = (flags & SPACE_STAGE2_FORMAT_MASK) >>> SPACE_STAGE2_FORMAT_SHIFT
    this.stage2Root = stage2Root
    const reserved = (flags & SPACE_RESERVED_MASK) | (domain & ~0xffff) | rootHigh
    return reserved !== 0 || this.type > SPACE_NESTED ? REASON_SPACE_INVALID : 0
  }
}
