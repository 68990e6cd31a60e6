// SPDX-License-Identifier: MIT
/** What a fault wants (Linux's enum fault_flag). */
export const FAULT_FLAG_WRITE = 1
export const FAULT_FLAG_USER = 2
export const FAULT_FLAG_REMOTE = 4
export const FAULT_FLAG_INSTRUCTION = 8
/** Break sharing without granting a write: what a long-term read pin needs. */
export const FAULT_FLAG_UNSHARE = 16

/** How a fault ended (Linux's enum vm_fault_reason): bits, 0 means done. */
export const VM_FAULT_OOM = 0x0001
export const VM_FAULT_SIGBUS = 0x0002
export const VM_FAULT_MAJOR = 0x0004
export const VM_FAULT_HWPOISON = 0x0010
export const VM_FAULT_HWPOISON_LARGE = 0x0020
export const VM_FAULT_SIGSEGV = 0x0040
export const VM_FAULT_NOPAGE = 0x0100
export const VM_FAULT_RETRY = 0x0400
export const VM_FAULT_FALLBACK = 0x0800
export const VM_FAULT_COMPLETED = 0x4000

/** The bits that mean that the fault was not resolved (`spec/01` §4.2). */
export const VM_FAULT_ERROR: number =
  VM_FAULT_OOM |
  VM_FAULT_SIGBUS |
  VM_FAULT_SIGSEGV |
  VM_FAULT_HWPOISON |
  VM_FAULT_HWPOISON_LARGE |
  VM_FAULT_FALLBACK
