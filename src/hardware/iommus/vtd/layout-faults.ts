// SPDX-License-Identifier: MIT
/**
 * Fault reasons of scalable mode (VT-d 7.1.3; `spec/04` §1.7), in the manual's names: SRTA root table address, SRT root
 * entry, SCT context entry, SPD PASID directory, SPT PASID table, SFS first stage, SSS second stage, SGN any.
 *
 * @spec VT-d 7.1.3 partly: no legacy mode, no translated requests, no snooping
 */

/** RTADDR.TTM is not scalable mode; the same for a request with PASID, and for a page request, in legacy mode. */
export const SRTA_1 = 0x30
export const SRTA_2 = 0x31
export const SRTA_3 = 0x32
/** Root entry: not in memory, not present, reserved bits. */
export const SRT_1 = 0x38
export const SRT_2 = 0x39
export const SRT_3 = 0x3a
/** Context entry: not in memory, not present, reserved bits, what the unit cannot do. */
export const SCT_1 = 0x40
export const SCT_2 = 0x41
export const SCT_3 = 0x42
export const SCT_4 = 0x43
/** DTE clear (translation request); PASIDE clear; PASID beyond the directory; PRE clear; RID_PASID beyond it. */
export const SCT_5 = 0x44
export const SCT_6 = 0x45
export const SCT_7 = 0x46
export const SCT_8 = 0x47
export const SCT_9 = 0x48
/** PASID directory entry. */
export const SPD_1 = 0x50
export const SPD_2 = 0x51
export const SPD_3 = 0x52
/** PASID table entry; ERE clear, SRE clear. */
export const SPT_1 = 0x58
export const SPT_2 = 0x59
export const SPT_3 = 0x5a
export const SPT_4 = 0x5b
export const SPT_5 = 0x5c
export const SPT_6 = 0x5d
/** First-stage entry: not in memory, not present, reserved bits; the topmost one not in memory. */
export const SFS_1 = 0x70
export const SFS_2 = 0x71
export const SFS_3 = 0x72
export const SFS_4 = 0x73
/** Nested: a first-stage table beyond the second stage's addresses; no permission to read the topmost entry, another one, or to set a bit in it. */
export const SFS_5 = 0x74
export const SFS_6 = 0x75
export const SFS_7 = 0x76
export const SFS_8 = 0x77
/** Second-stage entry: not in memory, neither read nor write, reserved bits; the topmost one not in memory. */
export const SSS_1 = 0x78
export const SSS_2 = 0x79
export const SSS_3 = 0x7a
export const SSS_4 = 0x7b
/** Not canonical (first stage); user request for a supervisor page; execute disabled. */
export const SGN_1 = 0x80
export const SGN_2 = 0x81
export const SGN_3 = 0x82
/** Beyond what the unit translates; beyond the second stage; no write; no read; interrupt range. */
export const SGN_4 = 0x83
export const SGN_5 = 0x84
export const SGN_6 = 0x85
export const SGN_7 = 0x86
export const SGN_8 = 0x87
