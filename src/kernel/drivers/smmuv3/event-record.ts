// SPDX-License-Identifier: MIT
import * as queues from '../../../hardware/iommus/smmuv3/layout-queues.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import {
  FAULT_LAST_PAGE,
  FAULT_PASID_VALID,
  FAULT_PERM_EXEC,
  FAULT_PERM_PRIV,
  FAULT_PERM_READ,
  FAULT_PERM_WRITE,
  type Fault,
} from '../../iommu/fault.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { EVT_ADDRESS_WORD, EVT_IND, EVT_PNU, EVT_RNW, EVT_SSID_SHIFT, EVT_SSV, EVT_STAG_MASK } = queues
const NO_PASID_VALUE = NO_PASID
const LAST_PAGE = FAULT_LAST_PAGE
const LAST_PAGE_PASID = FAULT_LAST_PAGE | FAULT_PASID_VALID
const READ = FAULT_PERM_READ
const WRITE = FAULT_PERM_WRITE
const EXEC = FAULT_PERM_EXEC
const PRIV = FAULT_PERM_PRIV

/** FAULT_PERM_ bits of an event: a read or a write, never both; execution and privilege beside it (`spec/04` §2.2). */
export function permOfEvent(word3: number): number {
  const exec = (word3 & EVT_IND) === 0 ? 0 : EXEC
  const priv = (word3 & EVT_PNU) === 0 ? 0 : PRIV
  return ((word3 & EVT_RNW) === 0 ? WRITE : READ) | exec | priv
}

/** SubstreamID of the event at a word, or NO_PASID. */
export function pasidOfEvent(words: Int32Array, at: number): number {
  const word0 = words[at]!
  return (word0 & EVT_SSV) === 0 ? NO_PASID_VALUE : word0 >>> EVT_SSID_SHIFT
}

/** Decodes the stall at a word: always the last of its group, whose index is the STAG; the address keeps its low bits. */
export function decodeStall(words: Int32Array, at: number, fault: Fault): void {
  const word0 = words[at]!
  const hasPasid = (word0 & EVT_SSV) !== 0
  fault.flags = hasPasid ? LAST_PAGE_PASID : LAST_PAGE
  fault.pasid = hasPasid ? word0 >>> EVT_SSID_SHIFT : 0
  fault.grpid = words[at + 2]! & EVT_STAG_MASK
  fault.perm = permOfEvent(words[at + 3]!)
  fault.addrLo = words[at + EVT_ADDRESS_WORD]!
  fault.addrHi = words[at + EVT_ADDRESS_WORD + 1]!
}
