// SPDX-License-Identifier: MIT
/**
 * Registers of a VT-d remapping unit, in the manual's names. Section numbers are those of the VT-d architecture
 * specification, revision 4.1; `spec/04` §1.1 has the same facts. Registers of 64 bits are accessed as two aligned
 * double words (11.2), the high one 4 bytes up; `_HI` constants are bits of that one.
 *
 * Legacy mode, interrupt remapping, advanced fault logging, protected memory regions and the register-based
 * invalidation interface are not modelled: their capabilities are clear, their registers do not exist.
 *
 * @spec VT-d 3.4.2 missing
 * @spec VT-d 5 missing
 * @spec VT-d 6.5.1 missing
 * @spec VT-d 7.2.2 missing
 */

/** 11.4.1: RO. @spec VT-d 11.4.1 done */
export const VER_REG = 0x00
export const VER_MAJOR_6 = 0x60

/** 11.4.2: RO, 64 bits. @spec VT-d 11.4.2 done */
export const CAP_REG = 0x08
/** Bits 2:0: 2^(4 + 2n) domain ids. */
export const CAP_ND_MASK = 7
/** Bits 12:8: page-table depths of the second stage, 1 = 39 bits (3 levels), 2 = 48, 3 = 57. */
export const CAP_SAGAW_SHIFT = 8
export const CAP_SAGAW_MASK = 0x1f
/** Bits 21:16: maximum guest address width - 1. */
export const CAP_MGAW_SHIFT = 16
export const CAP_MGAW_MASK = 0x3f
/** Bits 33:24: where the fault recording registers are, in 16 bytes; low 8 bits here, 2 in the high word. */
export const CAP_FRO_SHIFT = 24
/** Bits 37:34: large pages of the second stage, 2 MiB and 1 GiB. */
export const CAP_SSLPS_2M_HI: number = 1 << 2
export const CAP_SSLPS_1G_HI: number = 1 << 3
/** Bit 39: page-selective invalidation. */
export const CAP_PSI_HI: number = 1 << 7
/** Bits 47:40: fault recording registers - 1. */
export const CAP_NFR_SHIFT_HI = 8
export const CAP_NFR_MASK = 0xff
/** Bits 53:48: largest address mask of an invalidation. */
export const CAP_MAMV_SHIFT_HI = 16
export const CAP_MAMV_MASK = 0x3f
/** Bits 54, 55: writes and reads are drained by invalidations. */
export const CAP_DWD_HI: number = 1 << 22
export const CAP_DRD_HI: number = 1 << 23
/** Bits 56, 60: first stage with 1 GiB pages, with 5 levels. */
export const CAP_FS1GP_HI: number = 1 << 24
export const CAP_FS5LP_HI: number = 1 << 28

/** 11.4.3: RO, 64 bits. @spec VT-d 11.4.3 done */
export const ECAP_REG = 0x10
/** Page walks are coherent; queued invalidation; device TLBs; pass-through; snoop control. */
export const ECAP_C: number = 1 << 0
export const ECAP_QI: number = 1 << 1
export const ECAP_DT: number = 1 << 2
export const ECAP_PT: number = 1 << 6
export const ECAP_SC: number = 1 << 7
export const ECAP_NEST: number = 1 << 26
/** Page requests; execute requests; supervisor requests. */
export const ECAP_PRS: number = 1 << 29
export const ECAP_ERS: number = 1 << 30
export const ECAP_SRS: number = 1 << 31
/** Bits 34, 39:35 (PASIDs of n + 1 bits), 40, 42, 43, 45 … 49. */
export const ECAP_EAFS_HI: number = 1 << 2
export const ECAP_PSS_SHIFT_HI = 3
export const ECAP_PSS_MASK = 0x1f
export const ECAP_PASID_HI: number = 1 << 8
/** Private data of page requests. */
export const ECAP_PDS_HI: number = 1 << 10
/** Scalable mode; accessed and dirty bits of the second stage; second stage; first stage. */
export const ECAP_SMTS_HI: number = 1 << 11
export const ECAP_SSADS_HI: number = 1 << 13
export const ECAP_SSTS_HI: number = 1 << 14
export const ECAP_FSTS_HI: number = 1 << 15
/** Page walks can snoop in scalable mode; RID_PASID of the context entry is used. */
export const ECAP_SMPWCS_HI: number = 1 << 16
export const ECAP_RPS_HI: number = 1 << 17

/** 11.4.4.1: WO. Written with the status of all that stays and one change. @spec VT-d 11.4.4.1 done */
export const GCMD_REG = 0x18
/** 11.4.4.2: RO. */
export const GSTS_REG = 0x1c
/** Translation enable, set root table pointer, queued invalidation enable: the same bits in both. */
export const GCMD_TE: number = 1 << 31
export const GCMD_SRTP: number = 1 << 30
export const GCMD_QIE: number = 1 << 26

/** 11.4.5: RW, 64 bits; takes effect with GCMD.SRTP. @spec VT-d 11.4.5 done */
export const RTADDR_REG = 0x20
/** Bits 11:10: translation table mode. */
export const RTADDR_TTM_MASK: number = 3 << 10
export const RTADDR_TTM_SCALABLE: number = 1 << 10
export const RTADDR_TTM_ABORT: number = 3 << 10

/** 11.4.7.1: fault status; PFO, IQE, ICE, ITE are RW1C, PPF and FRI read only. @spec VT-d 11.4.7.1 done */
export const FSTS_REG = 0x34
export const FSTS_PFO: number = 1 << 0
export const FSTS_PPF: number = 1 << 1
export const FSTS_IQE: number = 1 << 4
export const FSTS_ICE: number = 1 << 5
export const FSTS_ITE: number = 1 << 6
/** Of older revisions: page-request overflow, now PRS_PRO. Never set. */
export const FSTS_PRO: number = 1 << 7
export const FSTS_FRI_SHIFT = 8
export const FSTS_FRI_MASK = 0xff

/** 11.4.7.2 … 11.4.7.5: control, data, address and upper address of the fault event. @spec VT-d 11.4.7.2 done */
export const FECTL_REG = 0x38
export const FEDATA_REG = 0x3c
export const FEADDR_REG = 0x40
export const FEUADDR_REG = 0x44
/** Of every event: mask (set at reset), and RO: a message is held back by it. */
export const EVENT_IM: number = 1 << 31
export const EVENT_IP: number = 1 << 30

/** 11.4.9.1, 11.4.9.2, 11.4.9.3: invalidation queue: head (RO), tail, address. @spec VT-d 11.4.9 done */
export const IQH_REG = 0x80
export const IQT_REG = 0x88
/** Bits 18:5 of head and tail: byte offsets of descriptors of 32 bytes. */
export const IQ_OFFSET_MASK = 0x7ffe0
export const IQ_TAIL_BITS = 0x7fff0
export const IQA_REG = 0x90
/** Bits 2:0: 2^n pages. */
export const IQA_QS_MASK = 7
/** Descriptors of 256 bits; scalable mode knows no others. */
export const IQA_DW: number = 1 << 11
/** 11.4.9.4: RW1C: a wait with IF has completed. */
export const ICS_REG = 0x9c
export const ICS_IWC: number = 1 << 0
export const IECTL_REG = 0xa0
export const IEDATA_REG = 0xa4
export const IEADDR_REG = 0xa8
export const IEUADDR_REG = 0xac
/** 11.4.9.9: RO, 64 bits: why IQE is set (3:0), sources of time-out (47:32) and completion errors (63:48). */
export const IQERCD_REG = 0xb0
export const IQEI_MASK = 15
export const IQEI_TAIL_INVALID = 1
export const IQEI_FETCH_ERROR = 2
export const IQEI_TYPE_INVALID = 3
export const IQEI_RESERVED_FIELD = 4
export const IQEI_WIDTH_INVALID = 5
export const IQEI_TAIL_UNALIGNED = 6

/** 11.4.11.1 … 11.4.11.3: page request queue: head, tail (the unit's), address. @spec VT-d 11.4.11 done */
export const PQH_REG = 0xc0
export const PQT_REG = 0xc8
/** Bits 18:5: byte offsets. Full: tail + 32 = head. */
export const PQ_OFFSET_MASK = 0x7ffe0
export const PQA_REG = 0xd0
/** Bits 2:0: 2^n pages. */
export const PQA_PQS_MASK = 7
/** 11.4.11.4: RW1C: pending requests; overflow. */
export const PRS_REG = 0xdc
export const PRS_PPR: number = 1 << 0
export const PRS_PRO: number = 1 << 1
/** 11.4.11.5 … 11.4.11.8. */
export const PECTL_REG = 0xe0
export const PEDATA_REG = 0xe4
export const PEADDR_REG = 0xe8
export const PEUADDR_REG = 0xec

/** Where this unit has its fault recording registers (CAP.FRO × 16). */
export const FRCD_OFFSET = 0x400
/**
 * 11.4.7.8: 128 bits. Word 0: address 31:12 (11:0 zero); word 1: address 63:32; word 2: source id, and bits below; word
 * 3: reason, PASID, and bits below. @spec VT-d 11.4.7.8 done
 */
export const FRCD_BYTES = 16
/** Word 2. T2 (bit 92) with T1: 00 write, 01 page request, 10 read, 11 atomic. */
export const FRCD_SID_MASK = 0xffff
export const FRCD_T2: number = 1 << 28
export const FRCD_EXE: number = 1 << 29
export const FRCD_PRIV: number = 1 << 30
export const FRCD_PP: number = 1 << 31
/** Word 3. AT: address type of the request, 1 for translation requests. F is RW1C. */
export const FRCD_FR_MASK = 0xff
export const FRCD_PV_SHIFT = 8
export const FRCD_PV_MASK = 0xfffff
export const FRCD_AT_SHIFT = 28
export const FRCD_AT_MASK = 3
export const FRCD_T1: number = 1 << 30
export const FRCD_F: number = 1 << 31

/** Interrupt messages go to FEEx_xxxxh; DMA does not (3.14). @spec VT-d 3.14 partly: no interrupts by DMA writes */
export const INTERRUPT_RANGE = 0xfee
export const INTERRUPT_RANGE_SHIFT = 20
