// SPDX-License-Identifier: MIT
/** Translation structures of scalable mode in memory, as double words (VT-d 9; `spec/04` §1.6). Addresses: bits 63:12. */

/** 9.2: 256 entries of 16 bytes, by bus; devices 0 … 15 in the low quad word, 16 … 31 in the high. @spec VT-d 9.2 done */
export const ROOT_ENTRY_WORDS = 4
/** Words of an entry in which the upper half stands. */
export const ROOT_UPPER = 2
export const ROOT_P: number = 1 << 0
export const ROOT_RESERVED = 0xffe

/** 9.4: 128 entries of 32 bytes, by the low 7 bits of device and function. @spec VT-d 9.4 done */
export const CONTEXT_ENTRY_WORDS = 8
/** Word 0, and the PASID directory's address in it and in word 1. */
export const CONTEXT_P: number = 1 << 0
/** Fault processing disable: unrecoverable faults are not recorded. */
export const CONTEXT_FPD: number = 1 << 1
/** Device-TLB enable; PASID enable; page request enable. */
export const CONTEXT_DTE: number = 1 << 2
export const CONTEXT_PASIDE: number = 1 << 3
export const CONTEXT_PRE: number = 1 << 4
/** Bits 11:9: 2^(n + 7) entries in the PASID directory. */
export const CONTEXT_PDTS_SHIFT = 9
export const CONTEXT_PDTS_MASK: number = 7 << 9
export const CONTEXT_RESERVED = 0x1e0
/** Word 2: PASID of requests without one, and whether they are privileged. Words 3 … 7 are reserved. */
export const CONTEXT_WORD2 = 2
export const CONTEXT_RID_PASID_MASK = 0xfffff
export const CONTEXT_RID_PRIV: number = 1 << 20
export const CONTEXT_WORD2_RESERVED: number = ~0x1fffff

/** 9.5: entries of 8 bytes, by PASID 19:6. @spec VT-d 9.5 done */
export const PDIR_ENTRY_WORDS = 2
export const PDIR_SHIFT = 6
export const PDIR_P: number = 1 << 0
export const PDIR_FPD: number = 1 << 1
export const PDIR_RESERVED = 0xffc

/** 9.6: 64 entries of 64 bytes, by PASID 5:0. @spec VT-d 9.6 partly: no memory types, no snooping */
export const PASID_ENTRY_WORDS = 16
export const PASID_INDEX_MASK = 63
/** Word 0, and the second-stage table's address in it and in word 1. */
export const PASID_P: number = 1 << 0
export const PASID_FPD: number = 1 << 1
/** Bits 4:2: address width of the second stage, as CAP.SAGAW counts. */
export const PASID_AW_SHIFT = 2
export const PASID_AW_MASK: number = 7 << 2
export const AW_39 = 1
export const AW_48 = 2
export const AW_57 = 3
/** Bits 8:6. */
export const PASID_PGTT_SHIFT = 6
export const PASID_PGTT_MASK: number = 7 << 6
export const PGTT_FIRST_STAGE = 1
export const PGTT_SECOND_STAGE = 2
export const PGTT_NESTED = 3
export const PGTT_PASS_THROUGH = 4
/** Accessed and dirty bits in the second stage. */
export const PASID_SSADE: number = 1 << 9
export const PASID_RESERVED = 0xc20
/** Word 2: domain id 15:0, page walks snoop (87), page snoop (88), memory types above. */
export const PASID_WORD2 = 2
export const PASID_DID_MASK = 0xffff
export const PASID_PWSNP: number = 1 << 23
export const PASID_WORD2_RESERVED = 0x7f0000
/** Word 4 (bits 159:128), and the first-stage table's address in it and in word 5. */
export const PASID_WORD4 = 4
/** Supervisor and execute requests are let through. */
export const PASID_SRE: number = 1 << 0
export const PASID_ERE: number = 1 << 1
/** Bits 131:130: 0 = 4 levels, 1 = 5. */
export const PASID_FSPM_SHIFT = 2
export const PASID_FSPM_MASK: number = 3 << 2
export const FSPM_4_LEVEL = 0
export const FSPM_5_LEVEL = 1
/** Write protection holds for supervisor requests; no-execute is on; no execution of user pages by supervisors; extended accessed flag. */
export const PASID_WPE: number = 1 << 4
export const PASID_NXE: number = 1 << 5
export const PASID_SMEP: number = 1 << 6
export const PASID_EAFE: number = 1 << 7
export const PASID_WORD4_RESERVED = 0xf00
/** Words from here on are reserved. */
export const PASID_WORD6 = 6

/** Of every address: bits 63:12, of which 42:12 exist here. */
export const ADDRESS_LO_MASK: number = ~0xfff
