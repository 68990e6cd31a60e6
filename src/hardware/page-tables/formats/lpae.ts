// SPDX-License-Identifier: MIT
import { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE } from '../../pci/messages.ts'
import type { PageTableFormat, PermissionBits } from '../format.ts'

// Arm ARM D8.3, VMSAv8-64 descriptors of the 4 KiB granule.
const VALID = 0x001
/** Above the lowest level: a table follows; at it: the entry is a page. */
const TABLE_OR_PAGE = 0x002
/** Stage 1: EL0 may access. */
const AP1 = 0x040
/** Stage 1: read-only; where DBM is set and the dirty state is kept: not written yet. */
const AP2 = 0x080
/** Stage 2. */
const S2AP_READ = 0x040
/** Stage 2: writable; where DBM is set and the dirty state is kept: written. */
const S2AP_WRITE = 0x080
/** Inner shareable. */
const SH_INNER = 0x300
const AF = 0x400
/** Stage 1: not global. */
const NG = 0x800
/** Stage 2: normal memory, write-back. */
const MEMATTR_WB = 0x03c
/** Bits of an invalid entry are free for software: one that valid entries of the stage leave clear. */
const PARKED_STAGE1 = 0x020
const PARKED_STAGE2 = 0x800

// High word.
const DBM = 0x00080000
const PXN = 0x00200000
/** Stage 2: XN[1], nobody may execute. */
const UXN = 0x00400000
const TABLE_LIMIT_SHIFT = 27
/** PXNTable, UXNTable, APTable. */
const TABLE_LIMIT_MASK = 15

/** Bits 29:12: a block's address ends above them. */
const BELOW_BLOCK = 0x3ffff000

const ALL_ACCESS = Array.from({ length: 16 }, (_, access) => access)
const ALL_BITS = Array.from({ length: 64 }, (_, bits) => bits)

// Permission bits as they are gathered: AP or S2AP, DBM, PXN, UXN.
const BIT_AP1 = 1
const BIT_AP2 = 2
const BIT_DBM = 4
const BIT_PXN = 16
const BIT_UXN = 32

const GATHER = { shiftLo: 6, maskLo: 3, shiftHi: 17, maskHi: BIT_DBM | BIT_PXN | BIT_UXN } as const

export interface LpaeOptions {
  readonly stage: 1 | 2
  /** 2 serves walkers of small address spaces only. */
  readonly levels: 2 | 3 | 4
  /** Output addresses have 32 … 43 bits; more is an address size fault, here reserved bits. */
  readonly addressBits: number
  /** The access flag is set by walks (HA), refused where it is clear, or ignored (AFFD). */
  readonly accessFlag: 'set' | 'refused' | 'ignored'
  /** DBM counts, and walks keep the dirty state (HD). Goes with `accessFlag` 'set'. */
  readonly dirtyState: boolean
}

/** Tables of stage 1 or 2 with 2, 3 or 4 levels: 4 KiB pages, blocks of 2 MiB and 1 GiB. */
export function lpae(options: LpaeOptions): PageTableFormat {
  const { stage, levels, addressBits, accessFlag, dirtyState } = options
  const attributes = stage === 1 ? SH_INNER | NG : SH_INNER | MEMATTR_WB
  const leaf = VALID | attributes | (accessFlag === 'set' ? 0 : AF)
  const addressHi = 2 ** (addressBits - 32) - 1
  const dirtyLo = stage === 1 ? AP2 : S2AP_WRITE
  return {
    name: `LPAE stage ${stage}, ${levels} levels, ${addressBits} bits, AF ${accessFlag}${dirtyState ? ', dirty state' : ''}`,
    granuleShift: 12,
    levels,
    virtualBits: Math.max(33, 12 + 9 * levels),
    signExtended: false,
    leafLevelMax: 2,
    presentLo: VALID,
    parkedLo: stage === 1 ? PARKED_STAGE1 : PARKED_STAGE2,
    leafMaskLo: TABLE_OR_PAGE,
    leafValueLo: 0,
    granuleLo: leaf | TABLE_OR_PAGE,
    largeLo: leaf,
    tableLo: VALID | TABLE_OR_PAGE,
    tableHi: 0,
    addressLo: 0xfffff000 | 0,
    addressHi,
    reservedTableLo: 0,
    reservedTableHi: 0xffff & ~addressHi,
    reservedLeafLo: 0,
    reservedLeafHi: 0xffff & ~addressHi,
    ignoredLargeLo: BELOW_BLOCK,
    accessedLo: accessFlag === 'set' ? AF : 0,
    dirtyLo: dirtyState ? dirtyLo : 0,
    tableAccessedLo: 0,
    dirtyClearedLo: dirtyState && stage === 1 ? AP2 : 0,
    granuleRequiredLo: TABLE_OR_PAGE,
    accessFlagLo: accessFlag === 'refused' ? AF : 0,
    misplacedLeafAbsent: true,
    tableLimits: stage === 1 ? STAGE1_LIMITS : NO_LIMITS,
    permission: stage === 1 ? stage1(dirtyState) : stage2(dirtyState),
  }
}

/** Whatever is readable can be read by EL1; what EL0 may write EL1 does not execute. */
function stage1Grants(bits: number, privileged: boolean, dirtyState: boolean): number {
  if (!privileged && (bits & BIT_AP1) === 0) return 0
  const writable = (bits & BIT_AP2) === 0 || (dirtyState && (bits & BIT_DBM) !== 0)
  const never = privileged
    ? (bits & BIT_PXN) !== 0 || ((bits & BIT_AP1) !== 0 && writable)
    : (bits & BIT_UXN) !== 0
  return (
    ACCESS_READ | (writable ? ACCESS_WRITE : 0) | (never ? 0 : ACCESS_EXEC) | (privileged ? ACCESS_PRIV : 0)
  )
}

function stage1(dirtyState: boolean): PermissionBits {
  return {
    ...GATHER,
    invertLo: 0,
    invertHi: 0,
    hierarchical: false,
    grants: [
      ...ALL_BITS.map((bits) => stage1Grants(bits, false, dirtyState)),
      ...ALL_BITS.map((bits) => stage1Grants(bits, true, dirtyState)),
    ],
    encodeLo: ALL_ACCESS.map(
      (access) => (access & ACCESS_PRIV ? 0 : AP1) | (access & ACCESS_WRITE && !dirtyState ? 0 : AP2),
    ),
    encodeHi: ALL_ACCESS.map(
      (access) =>
        (access & ACCESS_WRITE && dirtyState ? DBM : 0) |
        (access & ACCESS_EXEC && access & ACCESS_PRIV ? 0 : PXN) |
        (access & ACCESS_EXEC && !(access & ACCESS_PRIV) ? 0 : UXN),
    ),
  }
}

function stage2Grants(bits: number, dirtyState: boolean): number {
  const readable = (bits & BIT_AP1) !== 0
  const writable = (bits & BIT_AP2) !== 0 || (dirtyState && (bits & BIT_DBM) !== 0)
  const executable = readable && (bits & BIT_UXN) === 0
  return (readable ? ACCESS_READ : 0) | (writable ? ACCESS_WRITE : 0) | (executable ? ACCESS_EXEC : 0)
}

function stage2(dirtyState: boolean): PermissionBits {
  const grants = ALL_BITS.map((bits) => stage2Grants(bits, dirtyState))
  return {
    ...GATHER,
    invertLo: 0,
    invertHi: 0,
    hierarchical: false,
    grants: [...grants, ...grants.map((granted) => (granted === 0 ? 0 : granted | ACCESS_PRIV))],
    encodeLo: ALL_ACCESS.map(
      (access) =>
        (access & (ACCESS_READ | ACCESS_EXEC) ? S2AP_READ : 0) |
        (access & ACCESS_WRITE && !dirtyState ? S2AP_WRITE : 0),
    ),
    encodeHi: ALL_ACCESS.map(
      (access) => (access & ACCESS_WRITE && dirtyState ? DBM : 0) | (access & ACCESS_EXEC ? 0 : UXN),
    ),
  }
}

/** `bits`: 1 PXNTable, 2 UXNTable, 4 APTable[0] (not for EL0), 8 APTable[1] (not written). */
function limits(bits: number, privileged: boolean): number {
  if (!privileged && (bits & 4) !== 0) return 0
  const exec = (bits & (privileged ? 1 : 2)) === 0 ? ACCESS_EXEC : 0
  return ACCESS_READ | ACCESS_PRIV | exec | ((bits & 8) === 0 ? ACCESS_WRITE : 0)
}

const STAGE1_LIMITS = {
  shiftHi: TABLE_LIMIT_SHIFT,
  maskHi: TABLE_LIMIT_MASK,
  limits: [...ALL_ACCESS.map((bits) => limits(bits, false)), ...ALL_ACCESS.map((bits) => limits(bits, true))],
}

const NO_LIMITS = { shiftHi: 0, maskHi: 0, limits: [15, 15] }

function software(stage: 1 | 2, dirtyState: boolean): PageTableFormat {
  const accessFlag = dirtyState ? 'set' : 'refused'
  return lpae({ stage, levels: 4, addressBits: 43, accessFlag, dirtyState })
}

/** 48-bit addresses with hardware management of access flag and dirty state (HTTU). */
export const LPAE_STAGE1: PageTableFormat = software(1, true)
export const LPAE_STAGE2: PageTableFormat = software(2, true)
/** Software sets the access flag; there is no dirty state. */
export const LPAE_STAGE1_PLAIN: PageTableFormat = software(1, false)
export const LPAE_STAGE2_PLAIN: PageTableFormat = software(2, false)
