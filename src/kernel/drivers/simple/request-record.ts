// SPDX-License-Identifier: MIT
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
const EXEC = REQUEST_EXEC
const PRIV = REQUEST_PRIV
const READ = REQUEST_READ
const WRITE = REQUEST_WRITE
const LAST = REQUEST_LAST
const PRGI_SHIFT = REQUEST_PRGI_SHIFT
const PRGI_MASK = REQUEST_PRGI_MASK
const ADDRESS_MASK = REQUEST_ADDRESS_MASK
const LAST_PAGE = FAULT_LAST_PAGE
const PASID_FLAGS = FAULT_PASID_VALID | FAULT_NEEDS_PASID
const PERM_READ = FAULT_PERM_READ
const PERM_WRITE = FAULT_PERM_WRITE
const PERM_EXEC = FAULT_PERM_EXEC
const PERM_PRIV = FAULT_PERM_PRIV

/** Decodes the page-request record at a word into `fault`; private data only when wanted. Returns the requester id. */
export function decodeRequest(words: Int32Array, at: number, fault: Fault, privateData: boolean): number {
  const word0 = words[at + WORD0]!
  const word1 = words[at + WORD1]!
  const word2 = words[at + WORD2]!
  const hasPasid = (word0 & PASID_PRESENT) !== 0
  fault.flags = ((word2 & LAST) !== 0 ? LAST_PAGE : 0) | (hasPasid ? PASID_FLAGS : 0)
  fault.pasid = hasPasid ? word1 & PASID_MASK : 0
  fault.grpid = (word2 >>> PRGI_SHIFT) & PRGI_MASK
  fault.perm =
    ((word2 & READ) !== 0 ? PERM_READ : 0) |
    ((word2 & WRITE) !== 0 ? PERM_WRITE : 0) |
    ((word1 & EXEC) !== 0 ? PERM_EXEC : 0) |
    ((word1 & PRIV) !== 0 ? PERM_PRIV : 0)
  fault.addrHi = words[at + ADDRESS_HIGH]!
  fault.addrLo = word2 & ADDRESS_MASK
  fault.private0 = privateData ? words[at + PRIVATE0]! : 0
  fault.private1 = privateData ? words[at + PRIVATE1]! : 0
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
