// SPDX-License-Identifier: MIT
/** Descriptors of the page request queue and of the invalidation queue: 32 bytes, as double words (`spec/04` §1.2, §1.4). */

export const DESCRIPTOR_BYTES = 32
export const DESCRIPTOR_SHIFT = 5
export const DESCRIPTOR_WORDS = 8
/** A queue of 2^n pages has 2^(n + 7) of them. */
export const DESCRIPTORS_PER_PAGE_SHIFT = 7

/** 7.4.1.1: page request. Word 0: type 7:0, bits below, requester id 31:16. @spec VT-d 7.4.1 done */
export const PRQ_TYPE_MASK = 0xff
export const PRQ_TYPE_PAGE = 0x01
export const PRQ_PP: number = 1 << 8
/** Private data present. */
export const PRQ_PDP: number = 1 << 9
export const PRQ_RID_SHIFT = 16
/** Word 1: PASID 19:0, execute (52), privileged (53). */
export const PRQ_PASID_MASK = 0xfffff
export const PRQ_EXR: number = 1 << 20
export const PRQ_PR: number = 1 << 21
/** Word 2: read, write, last in group, group index 11:3, address 31:12. Word 3: address 63:32. Words 4, 5: private data. */
export const PRQ_RD: number = 1 << 0
export const PRQ_WR: number = 1 << 1
export const PRQ_LPIG: number = 1 << 2
export const PRQ_PRGI_SHIFT = 3
export const PRQ_PRGI_MASK = 0x1ff
export const PRQ_ADDRESS_MASK: number = ~0xfff

/** 6.5.2: word 0: type 3:0 and, above, 11:9. */
export const QI_TYPE_MASK = 0xe0f
export const QI_CONTEXT = 0x1
export const QI_IOTLB = 0x2
export const QI_DEVICE_TLB = 0x3
export const QI_WAIT = 0x5
export const QI_PASID_IOTLB = 0x6
export const QI_PASID_CACHE = 0x7
export const QI_PASID_DEVICE_TLB = 0x8
export const QI_PAGE_GROUP_RESPONSE = 0x9

/** Bits 5:4 of word 0: granularity. */
export const QI_G_SHIFT = 4
export const QI_G_MASK: number = 3 << 4
/** Bits 31:16 of word 0: domain id; source id of DEVICE_TLB types and of PAGE_GROUP_RESPONSE, as below. */
export const QI_DID_SHIFT = 16

/** 6.5.2.1: all, those of a domain (scalable mode: all), one device; word 1: source id 15:0, function mask 17:16. @spec VT-d 6.5.2.1 done */
export const QI_CONTEXT_GLOBAL: number = 1 << 4
export const QI_CONTEXT_DOMAIN: number = 2 << 4
export const QI_CONTEXT_DEVICE: number = 3 << 4
export const QI_CONTEXT_SID_MASK = 0xffff
export const QI_CONTEXT_FM_SHIFT = 16
export const QI_CONTEXT_RESERVED0 = 0xf1c0
export const QI_CONTEXT_RESERVED1: number = ~0x3ffff

/** 6.5.2.2: those of a domain, of a domain and PASID, all; word 1: PASID 19:0. @spec VT-d 6.5.2.2 done */
export const QI_PASID_CACHE_DOMAIN: number = 0 << 4
export const QI_PASID_CACHE_PASID: number = 1 << 4
export const QI_PASID_CACHE_GLOBAL: number = 3 << 4
export const QI_PASID_RESERVED0 = 0xf1c0
export const QI_PASID_RESERVED1: number = ~0xfffff
export const QI_PASID_MASK = 0xfffff

/** 6.5.2.3: all, a domain, pages of a domain; drain flags; word 2: address mask 5:0, hint 6, address. @spec VT-d 6.5.2.3 done */
export const QI_IOTLB_GLOBAL: number = 1 << 4
export const QI_IOTLB_DOMAIN: number = 2 << 4
export const QI_IOTLB_PAGE: number = 3 << 4
export const QI_IOTLB_DW: number = 1 << 6
export const QI_IOTLB_DR: number = 1 << 7
export const QI_IOTLB_RESERVED0 = 0xf100
/** Word 2: 2^AM pages, naturally aligned; IH: only leaves changed. */
export const QI_AM_MASK = 0x3f
export const QI_IH: number = 1 << 6
export const QI_ADDRESS_RESERVED = 0xf80

/** 6.5.2.4: everything of a (domain, PASID), or pages of it; word 1: PASID 19:0; word 2 as above. @spec VT-d 6.5.2.4 done */
export const QI_PASID_IOTLB_ALL: number = 2 << 4
export const QI_PASID_IOTLB_PAGE: number = 3 << 4

/** 6.5.2.5: word 1: source id 15:0, PFSID 31:20; word 0: PFSID 15:12, MIP 20:16; word 2: S 0, address. @spec VT-d 6.5.2.5 done */
export const QI_DEVICE_TLB_RESERVED0: number = 0xffe001f0 | 0
export const QI_DEVICE_TLB_RESERVED1 = 0xf0000
export const QI_DEVICE_TLB_S: number = 1 << 0
export const QI_DEVICE_TLB_RESERVED2 = 0xffe

/** 6.5.2.6: word 0: MIP 8:4, PFSID 15:12, source id 31:16; word 1: PASID 19:0, PFSID 31:20; word 2: G 0, S 11, address. @spec VT-d 6.5.2.6 done */
export const QI_PASID_DEVICE_TLB_SID_SHIFT = 16
export const QI_PASID_DEVICE_TLB_G: number = 1 << 0
export const QI_PASID_DEVICE_TLB_S: number = 1 << 11
export const QI_PASID_DEVICE_TLB_RESERVED2 = 0x7fe

/** 6.5.2.8: interrupt, status write, fence, page-request drain; word 1: status data; words 2, 3: its address 63:2. @spec VT-d 6.5.2.8 done */
export const QI_WAIT_IF: number = 1 << 4
export const QI_WAIT_SW: number = 1 << 5
export const QI_WAIT_FN: number = 1 << 6
export const QI_WAIT_PD: number = 1 << 7
export const QI_WAIT_RESERVED0: number = ~0xeff

/** 7.6.1: word 0: PASID present, private data present, code 15:12, requester id 31:16; word 1: PASID; word 2: LPIG 2, group index 11:3; words 4, 5: private data. @spec VT-d 7.6.1 done */
export const QI_RESPONSE_PP: number = 1 << 4
export const QI_RESPONSE_PDP: number = 1 << 5
export const QI_RESPONSE_CODE_SHIFT = 12
export const QI_RESPONSE_CODE_MASK = 15
export const QI_RESPONSE_RID_SHIFT = 16
export const QI_RESPONSE_RESERVED0 = 0x1c0
export const QI_RESPONSE_LPIG: number = 1 << 2
export const QI_RESPONSE_PRGI_SHIFT = 3
export const QI_RESPONSE_PRGI_MASK = 0x1ff
export const QI_RESPONSE_RESERVED2: number = ~0xffc
