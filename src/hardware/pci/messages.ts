// SPDX-License-Identifier: MIT
/**
 * What a function and the root complex say to each other: ATS, PRI and PASID messages (PCI Express Base, ATS and PASID
 * chapters; facts in `spec/01` §6). Addresses are pairs of int32 (`hi`, `lo`), requester ids 16 bits, PASIDs 20 bits.
 */

/** Stands for "no PASID prefix" wherever a PASID is a plain number on the datapath. */
export const NO_PASID = -1

/** Access bits of requests and translations. READ and WRITE are the message's; EXEC and PRIV ride in the PASID prefix. */
export const ACCESS_READ = 1
export const ACCESS_WRITE = 2
export const ACCESS_EXEC = 4
export const ACCESS_PRIV = 8

/** PRG Response codes on the wire. Any other value counts as Response Failure. */
export const PRG_SUCCESS = 0
export const PRG_INVALID_REQUEST = 1
export const PRG_RESPONSE_FAILURE = 15

/** Status of an ATS Translation Completion. */
export const ATS_SUCCESS = 0
export const ATS_UNSUPPORTED_REQUEST = 1
export const ATS_COMPLETER_ABORT = 2

export type AtsStatus = typeof ATS_SUCCESS | typeof ATS_UNSUPPORTED_REQUEST | typeof ATS_COMPLETER_ABORT

/** Filled in by the translation agent; one object is reused by each caller. `access` 0 means: no usable translation. */
export class Translation {
  /** 4 KiB frame number of the translated page (of the page that holds the address, not of the region's start). */
  frame = 0
  /** Size of the region that the translation covers: 2^shift bytes, naturally aligned. At least 11. */
  shift = 12
  /** Granted ACCESS_ bits. */
  access = 0
  /** Where the region's part of `frame` starts, in bytes: not 0 only with a shift below 12. */
  frameOffset = 0
  /**
   * Of an untranslated request that was not let through: the number of the transaction that waits in the unit for
   * `transactionResumed`, 0 when it was aborted.
   */
  stalled = 0
}

/** How a stalled transaction ends: it is to be sent again, or it was aborted. */
export const STALL_RETRY = 0
export const STALL_ABORT = 1

/** A Page Request Message, or a Stop Marker (`last`, access 0, with PASID). One object may be reused by its sender. */
export class PageRequest {
  rid = 0
  pasid: number = NO_PASID
  addressHi = 0
  /** Bits 11:0 are zero. */
  addressLo = 0
  /** Page Request Group index, 9 bits. */
  grpid = 0
  /** ACCESS_ bits. */
  access = 0
  last = false
  /** Two int32 that come back with the response where the machine was asked to (a wish, `spec/00` 3.4); else 0. */
  private0 = 0
  private1 = 0
}

/** The upstream side, as a function sees it: the IOMMU unit. Every call is synchronous and never throws an Errno. */
export interface TranslationAgent {
  /** ATS Translation Request. Never raises a recoverable fault: a missing page is `access` 0 with ATS_SUCCESS. */
  translationRequest(
    rid: number,
    pasid: number,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): AtsStatus
  /** An untranslated memory request. `false`: blocked for good, or it waits (`out.stalled`). */
  untranslatedRequest(
    rid: number,
    pasid: number,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): boolean
  /** A Page Request Message or a Stop Marker. */
  pageRequest(request: PageRequest): void
  /** Invalidate Completion for every ITag whose bit is set. */
  invalidateCompletion(rid: number, itagVector: number): void
}

/** The downstream side, as the unit sees a function. */
export interface PciFunction {
  readonly rid: number
  /** ATS Invalidate Request for 2^shift bytes at the address (shift 64: everything of that PASID); answered by `invalidateCompletion`. */
  invalidateRequest(pasid: number, hi: number, lo: number, shift: number, itag: number): void
  /** PRG Response. `pasid` is NO_PASID unless the function asked for PASIDs in responses. */
  pageGroupResponse(pasid: number, grpid: number, code: number, private0: number, private1: number): void
  /** A transaction that waited in the unit goes on: STALL_. A function without it cannot wait, and is never stalled. */
  transactionResumed?(transaction: number, outcome: number): void
}
