// SPDX-License-Identifier: MIT
import { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE } from '../../pci/messages.ts'
import type { PageTableFormat, PermissionBits } from '../format.ts'

// VT-d 9.8; `spec/04` §1.6. Bit 2 (execute) is ignored: no unit here has ECAP.SSXS.
const R = 0x001
const W = 0x002
const PS = 0x080
const A = 0x100
const D = 0x200
/** Ignored where neither R nor W is set, and so free for software. */
const PARKED = 0x040
/** Bits 51:43, above the physical address width. */
const RESERVED_HI = 0x000ff800

const ALL_ACCESS = Array.from({ length: 16 }, (_, access) => access)

/** `bits`: 1 = readable, 2 = writable. What can be read can be executed; privilege makes no difference. */
function grants(bits: number): number {
  return (bits & 1 ? ACCESS_READ | ACCESS_EXEC : 0) | (bits & 2 ? ACCESS_WRITE : 0)
}

const PERMISSION: PermissionBits = {
  shiftLo: 0,
  maskLo: 3,
  shiftHi: 0,
  maskHi: 0,
  invertLo: 0,
  invertHi: 0,
  hierarchical: true,
  grants: [
    ...ALL_ACCESS.map(grants),
    ...ALL_ACCESS.map((bits) => (bits & 3 ? grants(bits) | ACCESS_PRIV : 0)),
  ],
  encodeLo: ALL_ACCESS.map(
    (access) => (access & (ACCESS_READ | ACCESS_EXEC) ? R : 0) | (access & ACCESS_WRITE ? W : 0),
  ),
  encodeHi: ALL_ACCESS.map(() => 0),
}

/**
 * VT-d's second stage: 39-, 48- or 57-bit addresses; 4 KiB, 2 MiB and 1 GiB pages. `usage`: accessed and dirty bits are
 * set (SSADE of the PASID entry); without, walks leave them alone.
 */
export function vtdSecondStage(levels: 3 | 4 | 5, usage: boolean): PageTableFormat {
  return {
    name: `VT-d second stage ${levels}-level${usage ? '' : ' without A/D'}`,
    granuleShift: 12,
    levels,
    virtualBits: 12 + 9 * levels,
    signExtended: false,
    leafLevelMax: 2,
    presentLo: R | W,
    parkedLo: PARKED,
    leafMaskLo: PS,
    leafValueLo: PS,
    granuleLo: 0,
    largeLo: PS,
    tableLo: R | W,
    tableHi: 0,
    addressLo: 0xfffff000 | 0,
    addressHi: 0x000007ff,
    reservedTableLo: 0,
    reservedTableHi: RESERVED_HI,
    reservedLeafLo: 0,
    reservedLeafHi: RESERVED_HI,
    ignoredLargeLo: 0,
    accessedLo: usage ? A : 0,
    dirtyLo: usage ? D : 0,
    tableAccessedLo: usage ? A : 0,
    permission: PERMISSION,
  }
}
