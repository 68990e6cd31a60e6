// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import {
  REQUEST_ADDRESS_HIGH,
  REQUEST_ADDRESS_MASK,
  REQUEST_EXEC,
  REQUEST_LAST,
  REQUEST_PASID_MASK,
  REQUEST_PASID_PRESENT,
  REQUEST_PRGI_MASK,
  REQUEST_PRGI_SHIFT,
  REQUEST_PRIV,
  REQUEST_PRIVATE0,
  REQUEST_PRIVATE1,
  REQUEST_READ,
  REQUEST_RID_SHIFT,
  REQUEST_WORD0,
  REQUEST_WORD1,
  REQUEST_WORD2,
  REQUEST_WRITE,
} from '../../../hardware/iommus/simple/layout.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import {
  FAULT_LAST_PAGE,
  FAULT_NEEDS_PASID,
  FAULT_PASID_VALID,
  FAULT_PERM_EXEC,
  FAULT_PERM_PRIV,
  FAULT_PERM_READ,
  FAULT_PERM_WRITE,
  type Fault,
} from '../../iommu/fault.ts'

// An imported constant is a load and a type check at each use, one of the module itself is part of the code.
const WORD0 = REQUEST_WORD0 >> 2
const WORD1 = REQUEST_WORD1 >> 2
const WORD2 = REQUEST_WORD2 >> 2
const ADDRESS_HIGH = REQUEST_ADDRESS_HIGH >> 2
const PRIVATE0 = REQUEST_PRIVATE0 >> 2
const PRIVATE1 = REQUEST_PRIVATE1 >> 2
const RID_SHIFT = REQUEST_RID_SHIFT
const PASID_PRESENT = REQUEST_PASID_PRESENT
const PASID_MASK = REQUEST_PASID_MASK
const LAST = REQUEST_LAST
const PRGI_SHIFT = REQUEST_PRGI_SHIFT
const PRGI_MASK = REQUEST_PRGI_MASK
const ADDRESS_MASK = REQUEST_ADDRESS_MASK
const LAST_PAGE = FAULT_LAST_PAGE
const PASID_FLAGS = FAULT_PASID_VALID | FAULT_NEEDS_PASID
// READ and WRITE stand in word 2 where faults have them, EXEC and PRIV in word 1 so many bits higher.
const READ_WRITE = FAULT_PERM_READ | FAULT_PERM_WRITE
const EXEC_PRIV = FAULT_PERM_EXEC | FAULT_PERM_PRIV
const EXEC_PRIV_SHIFT: number = Math.log2(REQUEST_EXEC / FAULT_PERM_EXEC)
assert(
  (REQUEST_READ | REQUEST_WRITE) === READ_WRITE &&
    (REQUEST_EXEC | REQUEST_PRIV) === EXEC_PRIV << EXEC_PRIV_SHIFT,
  'permission bits of page-request records lie as those of faults',
)

/** Decodes the page-request record at a word into `fault`; its private data only when wanted. Returns the requester id. */
export function decodeRequest(words: Int32Array, at: number, fault: Fault, privateData: boolean): number {
  const word0 = words[at + WORD0]!
  const word1 = words[at + WORD1]!
  const word2 = words[at + WORD2]!
  const hasPasid = (word0 & PASID_PRESENT) !== 0
  fault.flags = ((word2 & LAST) !== 0 ? LAST_PAGE : 0) | (hasPasid ? PASID_FLAGS : 0)
  fault.pasid = hasPasid ? word1 & PASID_MASK : 0
  fault.grpid = (word2 >>> PRGI_SHIFT) & PRGI_MASK
  fault.perm = (word2 & READ_WRITE) | ((word1 >>> EXEC_PRIV_SHIFT) & EXEC_PRIV)
  fault.addrHi = words[at + ADDRESS_HIGH]!
  fault.addrLo = word2 & ADDRESS_MASK
  if (privateData) {
    fault.private0 = words[at + PRIVATE0]!
    fault.private1 = words[at + PRIVATE1]!
  }
  return word0 >>> RID_SHIFT
}

/** Requester id of the record at a word. */
export function ridOfRequest(words: Int32Array, at: number): number {
  return words[at + WORD0]! >>> RID_SHIFT
}

/** PASID of the record at a word, or NO_PASID. */
export function pasidOfRequest(words: Int32Array, at: number): number {
  return (words[at + WORD0]! & PASID_PRESENT) !== 0 ? words[at + WORD1]! & PASID_MASK : NO_PASID
}
