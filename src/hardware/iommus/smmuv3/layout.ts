// SPDX-License-Identifier: MIT
/**
 * Registers and configuration structures of Arm's SMMUv3, as unit and driver share them; queues and their records stand
 * in `layout-queues.ts`. Names and sections are those of the architecture specification (IHI 0070). Registers are
 * accessed 32 bits at a time; structures are counted in int32 words: the manual's 64-bit word n is words 2n and 2n + 1.
 */

// --------------------------------------------------------------------------------- registers, page 0 (section 6.3)
/** @spec SMMUv3 6.3.1 done */
export const SMMU_IDR0 = 0x000
export const SMMU_IDR1 = 0x004
export const SMMU_IDR2 = 0x008
export const SMMU_IDR3 = 0x00c
export const SMMU_IDR4 = 0x010
export const SMMU_IDR5 = 0x014
export const SMMU_IIDR = 0x018
export const SMMU_AIDR = 0x01c
/** @spec SMMUv3 6.3.9 done */
export const SMMU_CR0 = 0x020
export const SMMU_CR0ACK = 0x024
/** @spec SMMUv3 6.3.11 partly: memory attributes of tables and queues are kept, nothing depends on them */
export const SMMU_CR1 = 0x028
/** @spec SMMUv3 6.3.12 partly: RECINVSID; there is no E2H, and no broadcast invalidation to leave out */
export const SMMU_CR2 = 0x02c
/** @spec SMMUv3 6.3.14 partly: ABORT; attributes are not modelled */
export const SMMU_GBPA = 0x044
/** @spec SMMUv3 6.3.16 done */
export const SMMU_IRQ_CTRL = 0x050
export const SMMU_IRQ_CTRLACK = 0x054
/** @spec SMMUv3 6.3.18 done */
export const SMMU_GERROR = 0x060
export const SMMU_GERRORN = 0x064
/** 64 bits, as the other BASE registers: low word here, high word 4 further. @spec SMMUv3 6.3.24 done */
export const SMMU_STRTAB_BASE = 0x080
export const SMMU_STRTAB_BASE_CFG = 0x088
/** @spec SMMUv3 6.3.26 done */
export const SMMU_CMDQ_BASE = 0x090
export const SMMU_CMDQ_PROD = 0x098
export const SMMU_CMDQ_CONS = 0x09c
export const SMMU_EVENTQ_BASE = 0x0a0
export const SMMU_PRIQ_BASE = 0x0c0
// Page 1.
export const SMMU_EVENTQ_PROD = 0x100a8
export const SMMU_EVENTQ_CONS = 0x100ac
export const SMMU_PRIQ_PROD = 0x100c8
export const SMMU_PRIQ_CONS = 0x100cc

// SMMU_IDR0
export const IDR0_S2P: number = 1 << 0
export const IDR0_S1P: number = 1 << 1
/** AArch64 tables only. */
export const IDR0_TTF_AARCH64: number = 2 << 2
export const IDR0_COHACC: number = 1 << 4
export const IDR0_HTTU_SHIFT = 6
export const IDR0_HTTU_MASK: number = 3 << 6
/** Access flag. */
export const IDR0_HTTU_AF = 1
/** Access flag and dirty state. */
export const IDR0_HTTU_AF_DIRTY = 2
export const IDR0_ATS: number = 1 << 10
export const IDR0_ASID16: number = 1 << 12
export const IDR0_PRI: number = 1 << 16
export const IDR0_CD2L: number = 1 << 19
export const IDR0_TTENDIAN_LITTLE: number = 2 << 21
export const IDR0_STALL_MODEL_SHIFT = 24
export const IDR0_STALL_MODEL_MASK: number = 3 << 24
/** Stall and terminate. */
export const STALL_MODEL_BOTH = 0
/** Terminate only. */
export const STALL_MODEL_NONE = 1
/** Stall only. */
export const STALL_MODEL_FORCED = 2
/** Terminated accesses are aborted; they are never read as zero and written to nowhere. */
export const IDR0_TERM_MODEL: number = 1 << 26
/** 2-level stream tables. */
export const IDR0_ST_LEVEL_2LVL: number = 1 << 27

// SMMU_IDR1: widths of StreamID and SubstreamID, log2 of the most entries of each queue.
export const IDR1_SIDSIZE_MASK = 0x3f
export const IDR1_SSIDSIZE_SHIFT = 6
export const IDR1_PRIQS_SHIFT = 11
export const IDR1_EVENTQS_SHIFT = 16
export const IDR1_CMDQS_SHIFT = 21
export const IDR1_SIZE_MASK = 0x1f

// SMMU_IDR3
/** TLBI commands take ranges. */
export const IDR3_RIL: number = 1 << 10

// SMMU_IDR5
export const IDR5_OAS_MASK = 7
export const IDR5_GRAN4K: number = 1 << 4
/** Transactions that may be stalled at a time. */
export const IDR5_STALL_MAX_SHIFT = 16

/** Bits of an output address by its encoding in OAS, CD.IPS and STE.S2PS. */
export const ADDRESS_SIZES: readonly number[] = [32, 36, 40, 42, 44, 48, 52]

// SMMU_CR0 and SMMU_CR0ACK
export const CR0_SMMUEN: number = 1 << 0
export const CR0_PRIQEN: number = 1 << 1
export const CR0_EVENTQEN: number = 1 << 2
export const CR0_CMDQEN: number = 1 << 3
export const CR0_MASK = 0xf

/** SMMU_CR2: C_BAD_STREAMID is recorded. */
export const CR2_RECINVSID: number = 1 << 1

/** SMMU_GBPA: what passes while SMMUEN is clear is aborted. */
export const GBPA_ABORT: number = 1 << 20
export const GBPA_UPDATE: number = 1 << 31

export const IRQ_CTRL_GERROR: number = 1 << 0
export const IRQ_CTRL_PRIQ: number = 1 << 1
export const IRQ_CTRL_EVENTQ: number = 1 << 2

// SMMU_GERROR and SMMU_GERRORN: an error is active while its bits differ.
export const GERROR_CMDQ_ERR: number = 1 << 0
export const GERROR_EVENTQ_ABT_ERR: number = 1 << 2
export const GERROR_PRIQ_ABT_ERR: number = 1 << 3

// SMMU_STRTAB_BASE_CFG
export const STRTAB_BASE_CFG_LOG2SIZE_MASK = 0x3f
export const STRTAB_BASE_CFG_SPLIT_SHIFT = 6
export const STRTAB_BASE_CFG_SPLIT_MASK = 0x1f
export const STRTAB_BASE_CFG_FMT_2LVL: number = 1 << 16
export const STRTAB_BASE_CFG_FMT_MASK: number = 3 << 16

/** Bits 51:32 of an address in a high word. */
export const ADDRESS_HI_MASK = 0xfffff

// ---------------------------------------------------------------------------------- stream table (sections 5.1, 5.2)
/** Level 1 descriptor: 2^(Span - 1) STEs at L2Ptr, 0: none. @spec SMMUv3 5.1 done */
export const L1STD_SPAN_MASK = 0x1f
export const L1STD_L2PTR_MASK: number = ~0x3f

/** Bytes of an STE and of a CD. */
export const STE_SHIFT = 6
export const STE_WORDS = 16

// STE words 0 and 1. @spec SMMUv3 5.2 partly: memory attributes, VMS, PRIVCFG and INSTCFG are not modelled
export const STE_V: number = 1 << 0
export const STE_CONFIG_SHIFT = 1
export const STE_CONFIG_MASK: number = 7 << 1
export const STE_CONFIG_ABORT = 0
export const STE_CONFIG_BYPASS = 4
export const STE_CONFIG_S1_TRANS = 5
export const STE_CONFIG_S2_TRANS = 6
export const STE_CONFIG_NESTED = 7
export const STE_S1FMT_SHIFT = 4
export const STE_S1FMT_MASK: number = 3 << 4
export const S1FMT_LINEAR = 0
/** Two levels, leaves of 64 CDs. */
export const S1FMT_64K_L2_4K = 1
/** Two levels, leaves of 1024 CDs. */
export const S1FMT_64K_L2_64K = 2
export const STE_S1CONTEXTPTR_MASK: number = ~0x3f
/** Word 1: bits 63:59. */
export const STE_S1CDMAX_SHIFT = 27

// STE words 2 and 3 (the manual's bits 127:64).
export const STE_S1DSS_MASK = 3
export const S1DSS_TERMINATE = 0
export const S1DSS_BYPASS = 1
export const S1DSS_SSID0 = 2
export const STE_S1CIR_WBRA: number = 1 << 2
export const STE_S1COR_WBRA: number = 1 << 4
export const STE_S1CSH_ISH: number = 3 << 6
export const STE_S1C_MASK = 0xfc
/** PASID in automatic PRG Responses. */
export const STE_PPAR: number = 1 << 18
export const STE_S1STALLD: number = 1 << 27
export const STE_EATS_SHIFT = 28
export const STE_EATS_MASK: number = 3 << 28
export const EATS_ABT = 0
export const EATS_TRANS = 1
export const EATS_S1CHK = 2
export const STE_STRW_MASK: number = 3 << 30

// STE words 4 and 5 (bits 191:128).
export const STE_S2VMID_MASK = 0xffff
/** Word 5: VTCR, bits 50:32. */
export const STE_S2T0SZ_MASK = 0x3f
export const STE_S2SL0_SHIFT = 6
export const STE_S2IR0_WBRA: number = 1 << 8
export const STE_S2OR0_WBRA: number = 1 << 10
export const STE_S2SH0_ISH: number = 3 << 12
export const STE_S2TG_MASK: number = 3 << 14
export const STE_S2PS_SHIFT = 16
export const STE_S2AA64: number = 1 << 19
export const STE_S2ENDI: number = 1 << 20
export const STE_S2AFFD: number = 1 << 21
export const STE_S2HD: number = 1 << 23
export const STE_S2HA: number = 1 << 24
export const STE_S2S: number = 1 << 25
export const STE_S2R: number = 1 << 26

/** STE words 6 and 7: S2TTB. */
export const STE_S2TTB_MASK: number = ~0xf

// --------------------------------------------------------------------------- context descriptors (sections 5.3, 5.4)
/** Level 1 descriptor of the CD table. @spec SMMUv3 5.3 done */
export const L1CD_V: number = 1 << 0
export const L1CD_L2PTR_MASK: number = ~0xfff

// CD word 0. @spec SMMUv3 5.4 partly: memory attributes, WXN, UWXN, PAN, HAFT and broadcast (ASET) are not modelled
export const CD_T0SZ_MASK = 0x3f
export const CD_TG0_MASK: number = 3 << 6
export const CD_IR0_WBRA: number = 1 << 8
export const CD_OR0_WBRA: number = 1 << 10
export const CD_SH0_ISH: number = 3 << 12
export const CD_EPD0: number = 1 << 14
export const CD_ENDI: number = 1 << 15
export const CD_T1SZ_SHIFT = 16
export const CD_TG1_SHIFT = 22
/** TG1 has an encoding of its own. */
export const CD_TG1_4K = 2
export const CD_EPD1: number = 1 << 30
export const CD_V: number = 1 << 31

// CD word 1 (bits 63:32).
export const CD_IPS_MASK = 7
export const CD_AFFD: number = 1 << 3
export const CD_TBI0: number = 1 << 6
export const CD_TBI1: number = 1 << 7
export const CD_AA64: number = 1 << 9
export const CD_HD: number = 1 << 10
export const CD_HA: number = 1 << 11
export const CD_S: number = 1 << 12
export const CD_R: number = 1 << 13
export const CD_A: number = 1 << 14
export const CD_ASET: number = 1 << 15
export const CD_ASID_SHIFT = 16

/** CD words 2 and 3: TTB0; 4 and 5: TTB1; 6: MAIR0; 7: MAIR1. */
export const CD_TTB0_WORD = 2
export const CD_TTB1_WORD = 4
export const CD_MAIR_WORD = 6
export const CD_TTB_MASK: number = ~0xf
/** Attribute 0 of MAIR: normal memory, write-back. */
export const CD_MAIR_WB = 0xff
