// SPDX-License-Identifier: MIT
/**
 * Queues of the SMMUv3 and what stands in them (IHI 0070 chapters 4, 7 and 8). Entries are counted in int32 words: the
 * manual's 64-bit word n is words 2n and 2n + 1.
 */

// -------------------------------------------------------------------------------------------- registers of all queues
/** In the low word of a BASE register. @spec SMMUv3 3.5 done */
export const Q_BASE_LOG2SIZE_MASK = 0x1f
export const Q_BASE_ADDR_MASK: number = ~0x1f
/** High word: hints for allocation in caches. */
export const Q_BASE_RWA: number = 1 << 30
/** PROD of output queues: OVFLG; CONS: OVACKFLG. Events were lost while they differ. */
export const Q_OVERFLOW: number = 1 << 31
/** SMMU_CMDQ_CONS bits 30:24. @spec SMMUv3 7.1 done */
export const CMDQ_CONS_ERR_SHIFT = 24
export const CMDQ_CONS_ERR_MASK: number = 0x7f << 24
export const CERROR_NONE = 0
/** Unknown command, or a field with a reserved value. */
export const CERROR_ILL = 1
/** The command could not be fetched. */
export const CERROR_ABT = 2
/** CMD_SYNC: a function did not complete an invalidation. */
export const CERROR_ATC_INV_SYNC = 3

/** log2 of the int32 words of an entry. */
export const CMDQ_ENTRY_SHIFT = 2
export const PRIQ_ENTRY_SHIFT = 2
export const EVENTQ_ENTRY_SHIFT = 3

// -------------------------------------------------------------------------------------------------- commands (chapter 4)
export const CMD_OPCODE_MASK = 0xff
/** Word 0: SubstreamID present. */
export const CMD_SSV: number = 1 << 11
/** Word 0: SubstreamID, bits 31:12. Word 1: StreamID. */
export const CMD_SSID_SHIFT = 12

/** Hints, which this unit does not take. @spec SMMUv3 4.2 done */
export const CMD_PREFETCH_CONFIG = 0x01
export const CMD_PREFETCH_ADDR = 0x02
/** @spec SMMUv3 4.3 done */
export const CMD_CFGI_STE = 0x03
export const CMD_CFGI_STE_RANGE = 0x04
export const CMD_CFGI_CD = 0x05
export const CMD_CFGI_CD_ALL = 0x06
/** CMD_CFGI_STE_RANGE word 2: 2^(Range + 1) streams. */
export const CFGI_RANGE_MASK = 0x1f
export const CFGI_RANGE_ALL = 31
/** CMD_CFGI_STE, CMD_CFGI_CD and TLBI by address, word 2. */
export const CMD_LEAF: number = 1 << 0

/** @spec SMMUv3 4.4 partly: no EL2 and EL3 stream worlds, their commands are CERROR_ILL as IDR0.Hyp is 0 */
export const CMD_TLBI_NH_ALL = 0x10
export const CMD_TLBI_NH_ASID = 0x11
export const CMD_TLBI_NH_VA = 0x12
export const CMD_TLBI_NH_VAA = 0x13
export const CMD_TLBI_S12_VMALL = 0x28
export const CMD_TLBI_S2_IPA = 0x2a
export const CMD_TLBI_NSNH_ALL = 0x30
/** Word 0: a range of (NUM + 1) × 2^SCALE granules where TG (word 2) is not 0. */
export const TLBI_NUM_SHIFT = 12
export const TLBI_SCALE_SHIFT = 20
export const TLBI_RANGE_FIELD_MASK = 0x1f
/** Word 1: VMID 15:0, ASID 31:16. */
export const TLBI_VMID_MASK = 0xffff
export const TLBI_ASID_SHIFT = 16
export const TLBI_TTL_SHIFT = 8
export const TLBI_TG_SHIFT = 10
export const TLBI_TG_MASK = 3
export const TLBI_TG_4K = 1
/** Word 2: bits 31:12 of the address; word 3: 63:32. */
export const TLBI_ADDRESS_MASK: number = ~0xfff

/** @spec SMMUv3 4.5.1 partly: Global is ignored */
export const CMD_ATC_INV = 0x40
/** Word 2: 2^Size pages; 52: everything. */
export const ATC_INV_SIZE_MASK = 0x3f
export const ATC_INV_SIZE_ALL = 52
/** @spec SMMUv3 4.5.2 done */
export const CMD_PRI_RESP = 0x41
/** Word 2: PRGIndex 8:0, Resp 13:12. */
export const PRI_RESP_PRGI_MASK = 0x1ff
export const PRI_RESP_SHIFT = 12
export const PRI_RESP_MASK = 3
export const PRI_RESP_DENY = 0
export const PRI_RESP_FAIL = 1
export const PRI_RESP_SUCC = 2

/** @spec SMMUv3 4.6 done */
export const CMD_RESUME = 0x44
/** Word 0: Ac (retry) and Ab (abort); neither: terminate. Word 1: StreamID. Word 2: STAG. */
export const RESUME_AC: number = 1 << 12
export const RESUME_AB: number = 1 << 13
export const RESUME_STAG_MASK = 0xffff
export const CMD_STALL_TERM = 0x45
/** @spec SMMUv3 4.7 partly: no message-signalled completion, as IDR0.MSI is 0: SIG_IRQ uses the line */
export const CMD_SYNC = 0x46
export const SYNC_CS_SHIFT = 12
export const SYNC_CS_MASK = 3
export const SYNC_CS_NONE = 0
export const SYNC_CS_IRQ = 1
export const SYNC_CS_SEV = 2

// ---------------------------------------------------------------------------------------------------- events (chapter 7)
// @spec SMMUv3 7.3 partly: no TLB conflicts, no VMS, no E_PAGE_REQUEST; MEV merges nothing
export const EVT_C_BAD_STREAMID = 0x02
export const EVT_F_STE_FETCH = 0x03
export const EVT_C_BAD_STE = 0x04
export const EVT_F_BAD_ATS_TREQ = 0x05
export const EVT_F_STREAM_DISABLED = 0x06
export const EVT_C_BAD_SUBSTREAMID = 0x08
export const EVT_F_CD_FETCH = 0x09
export const EVT_C_BAD_CD = 0x0a
export const EVT_F_WALK_EABT = 0x0b
export const EVT_F_TRANSLATION = 0x10
export const EVT_F_ADDR_SIZE = 0x11
export const EVT_F_ACCESS = 0x12
export const EVT_F_PERMISSION = 0x13

/** Word 0: event 7:0, SSV 11, SubstreamID 31:12. Word 1: StreamID. */
export const EVT_ID_MASK = 0xff
export const EVT_SSV: number = 1 << 11
export const EVT_SSID_SHIFT = 12
/** Word 2: STAG 15:0, Stall 31. */
export const EVT_STAG_MASK = 0xffff
export const EVT_STALL: number = 1 << 31
/** Word 3 (bits 127:96). */
export const EVT_PNU: number = 1 << 1
export const EVT_IND: number = 1 << 2
export const EVT_RNW: number = 1 << 3
export const EVT_S2: number = 1 << 7
export const EVT_CLASS_SHIFT = 8
export const EVT_CLASS_MASK: number = 3 << 8
/** What was being accessed: a CD, a translation table, or the transaction's own page. */
export const CLASS_CD = 0
export const CLASS_TT = 1
export const CLASS_IN = 2
/** Words 4 and 5: input address. Words 6 and 7: IPA 51:12, or the address that could not be fetched 51:3. */
export const EVT_ADDRESS_WORD = 4
export const EVT_IPA_WORD = 6

// --------------------------------------------------------------------------------------------- page requests (chapter 8)
/** Word 0: StreamID. Word 1: SubstreamID and bits. @spec SMMUv3 8.1 done */
export const PRI_SSID_MASK = 0xfffff
export const PRI_PRIV: number = 1 << 26
export const PRI_EXEC: number = 1 << 27
export const PRI_READ: number = 1 << 28
export const PRI_WRITE: number = 1 << 29
export const PRI_LAST: number = 1 << 30
export const PRI_SSV: number = 1 << 31
/** Word 2: PRG index 8:0, address 31:12. Word 3: address 63:32. */
export const PRI_PRGI_MASK = 0x1ff
export const PRI_ADDRESS_MASK: number = ~0xfff
