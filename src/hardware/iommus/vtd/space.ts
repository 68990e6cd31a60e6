// SPDX-License-Identifier: MIT
import type { Walker } from '../../page-tables/walker.ts'
import { NO_PASID } from '../../pci/messages.ts'

/** Requester id of no function. */
export const NO_RID = -1

/** A context entry as the unit last read it (context cache, VT-d 6.2.2). */
export class DeviceContext {
  /** NO_RID: nothing was read. */
  rid: number
  flags: number
  /** PASIDs that requests may carry are below this; 0: none. */
  pasidEnd: number
  /** PASID of requests without one, -1 when the directory does not have it. */
  ridPasid: number
  ridPrivileged: boolean
  /** Frame of the PASID directory, -1 beyond all memory. */
  directory: number

  constructor() {
    this.rid = NO_RID
    this.flags = 0
    this.pasidEnd = 0
    this.ridPasid = 0
    this.ridPrivileged = false
    this.directory = 0
  }
}

/**
 * What requests of one (requester id, PASID) translate with: the context's part, and the PASID entry as the unit last
 * read it (PASID cache, VT-d 6.2.3).
 */
export class Space {
  /** NO_RID: may not be used before the context has been looked at. */
  rid: number
  /** Of the requests, NO_PASID without one. */
  pasid: number
  /** Requester id whose PASID entry is cached below; NO_RID: none. */
  cachedRid: number
  /** PASID of the entry: that of the requests, or the context's for those without. */
  entryPasid: number
  contextFlags: number
  /** ACCESS_ bits of requests that count, and those that are added (RID_PRIV). */
  keptAccess: number
  addedAccess: number
  /** FPD of the entry or of what led to it. */
  faultDisable: boolean
  pgtt: number
  did: number
  /** Of its IOTLB entries. */
  tag: number
  /** Word 4 of the entry: SRE, ERE. */
  rules: number
  root: number
  walker: Walker | undefined
  secondRoot: number
  secondWalker: Walker | undefined

  constructor() {
    this.rid = NO_RID
    this.pasid = NO_PASID
    this.cachedRid = NO_RID
    this.entryPasid = NO_PASID
    this.contextFlags = 0
    this.keptAccess = 0
    this.addedAccess = 0
    this.faultDisable = false
    this.pgtt = 0
    this.did = 0
    this.tag = 0
    this.rules = 0
    this.root = 0
    this.walker = undefined
    this.secondRoot = 0
    this.secondWalker = undefined
  }
}
