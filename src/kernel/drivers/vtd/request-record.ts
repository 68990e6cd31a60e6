// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import * as queues from '../../../hardware/iommus/vtd/layout-queues.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import * as faults from '../../iommu/fault.ts'
import type { Fault } from '../../iommu/fault.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const {
  PRQ_ADDRESS_MASK,
  PRQ_EXR,
  PRQ_LPIG,
  PRQ_PASID_MASK,
  PRQ_PP,
  PRQ_PR,
  PRQ_PRGI_MASK,
  PRQ_PRGI_SHIFT,
  PRQ_RD,
  PRQ_RID_SHIFT,
  PRQ_WR,
} = queues
const {
  FAULT_LAST_PAGE,
  FAULT_NEEDS_PASID,
  FAULT_PASID_VALID,
  FAULT_PERM_EXEC,
  FAULT_PERM_PRIV,
  FAULT_PERM_READ,
  FAULT_PERM_WRITE,
} = faults
const PASID_FLAGS = FAULT_PASID_VALID | FAULT_NEEDS_PASID
// RD and WR stand in word 2 where faults have them, EXR and PR in word 1 so many bits higher.
const READ_WRITE = FAULT_PERM_READ | FAULT_PERM_WRITE
const EXEC_PRIV = FAULT_PERM_EXEC | FAULT_PERM_PRIV
const EXEC_PRIV_SHIFT: number = Math.log2(PRQ_EXR / FAULT_PERM_EXEC)
assert(
  (PRQ_RD | PRQ_WR) === READ_WRITE && (PRQ_EXR | PRQ_PR) === EXEC_PRIV << EXEC_PRIV_SHIFT,
  'permission bits of page request descriptors lie as those of faults',
)

/** Decodes the descriptor at a word into `fault`; its private data only when wanted. Returns the requester id. */
export function decodeRequest(words: Int32Array, at: number, fault: Fault, privateData: boolean): number {
  const word0 = words[at]!
  const word1 = words[at + 1]!
  const word2 = words[at + 2]!
  const hasPasid = (word0 & PRQ_PP) !== 0
  fault.flags = ((word2 & PRQ_LPIG) !== 0 ? FAULT_LAST_PAGE : 0) | (hasPasid ? PASID_FLAGS : 0)
  fault.pasid = hasPasid ? word1 & PRQ_PASID_MASK : 0
  fault.grpid = (word2 >>> PRQ_PRGI_SHIFT) & PRQ_PRGI_MASK
  fault.perm = (word2 & READ_WRITE) | ((word1 >>> EXEC_PRIV_SHIFT) & EXEC_PRIV)
  fault.addrHi = words[at + 3]!
  fault.addrLo = word2 & PRQ_ADDRESS_MASK
  if (privateData) {
    fault.private0 = words[at + 4]!
    fault.private1 = words[at + 5]!
  }
  return word0 >>> PRQ_RID_SHIFT
}

/** Requester id of the descriptor at a word. */
export function ridOfRequest(words: Int32Array, at: number): number {
  return words[at]! >>> PRQ_RID_SHIFT
}

/** PASID of the descriptor at a word, or NO_PASID. */
export function pasidOfRequest(words: Int32Array, at: number): number {
  return (words[at]! & PRQ_PP) !== 0 ? words[at + 1]! & PRQ_PASID_MASK : NO_PASID
}
