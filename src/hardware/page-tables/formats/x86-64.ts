// SPDX-License-Identifier: MIT
import { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE } from '../../pci/messages.ts'
import type { PageTableFormat, PermissionBits } from '../format.ts'

// Intel SDM volume 3, 4-level and 5-level paging; VT-d's first stage is the same (`spec/04` §1.6).
const P = 0x001
const RW = 0x002
const US = 0x004
const A = 0x020
const D = 0x040
const PS = 0x080
/** Global in a present entry; ignored, and so free for software, in one that is not. */
const G = 0x100
/** PAT of an entry that maps more than 4 KiB. */
const PAT_LARGE = 0x1000
/** Bit 63 in the high word. */
const XD = 0x80000000 | 0

const ADDRESS_LO = 0xfffff000 | 0
/** Physical addresses of 43 bits: bits 42:32. */
const ADDRESS_HI = 0x000007ff
/** Bits 51:43, above the physical address width. */
const RESERVED_HI = 0x000ff800

const ALL_ACCESS = Array.from({ length: 16 }, (_, access) => access)

/** `bits`: 1 = writable, 2 = user, 4 = executable. */
function grants(bits: number, privileged: boolean): number {
  if (!privileged && (bits & 2) === 0) return 0
  const write = bits & 1 ? ACCESS_WRITE : 0
  const exec = bits & 4 ? ACCESS_EXEC : 0
  return ACCESS_READ | write | exec | (privileged ? ACCESS_PRIV : 0)
}

const PERMISSION: PermissionBits = {
  shiftLo: 1,
  maskLo: 3,
  shiftHi: 29,
  maskHi: 4,
  invertLo: 0,
  invertHi: XD,
  hierarchical: true,
  grants: [...ALL_ACCESS.map((bits) => grants(bits, false)), ...ALL_ACCESS.map((bits) => grants(bits, true))],
  encodeLo: ALL_ACCESS.map((access) => (access & ACCESS_WRITE ? RW : 0) | (access & ACCESS_PRIV ? 0 : US)),
  encodeHi: ALL_ACCESS.map((access) => (access & ACCESS_EXEC ? 0 : XD)),
}

function x86(levels: 4 | 5): PageTableFormat {
  return {
    name: `x86-64 ${levels}-level`,
    granuleShift: 12,
    levels,
    virtualBits: 12 + 9 * levels,
    signExtended: true,
    leafLevelMax: 2,
    presentLo: P,
    parkedLo: G,
    leafMaskLo: PS,
    leafValueLo: PS,
    granuleLo: P,
    largeLo: P | PS,
    tableLo: P | RW | US,
    tableHi: 0,
    addressLo: ADDRESS_LO,
    addressHi: ADDRESS_HI,
    reservedTableLo: 0,
    reservedTableHi: RESERVED_HI,
    reservedLeafLo: 0,
    reservedLeafHi: RESERVED_HI,
    ignoredLargeLo: PAT_LARGE,
    accessedLo: A,
    dirtyLo: D,
    tableAccessedLo: A,
    permission: PERMISSION,
  }
}

/** 48-bit canonical addresses; 4 KiB, 2 MiB and 1 GiB pages; access without WRITE or EXEC always includes READ. */
export const X86_64_4_LEVEL: PageTableFormat = x86(4)

/** The same with 57-bit canonical addresses. */
export const X86_64_5_LEVEL: PageTableFormat = x86(5)
