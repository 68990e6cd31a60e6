// SPDX-License-Identifier: MIT
import { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE } from '../../pci/messages.ts'
import type { PageTableFormat } from '../format.ts'

// Sizes of `spec/03` §5.2; the bits are ours, odd on purpose: nothing stands where x86-64 has it.
const PRESENT = 0x008
const PARKED = 0x010
/** Set where a table follows: the inverse of x86-64's PS. */
const NEXT_TABLE = 0x002
const DIRTY = 0x400
const MUST_BE_ZERO = 0x104
/** Bit 11 of the address: meaningless in a pointer to a table. */
const HALF_FRAME = 0x800
/** High word: forbids reading when set. */
const NO_READ = 0x20000000
/** High word: allows writing when set. */
const WRITABLE = 0x40000000

const ALL_ACCESS = Array.from({ length: 16 }, (_, access) => access)

/** `bits`: 1 = readable, 2 = writable. No difference between users; what can be read can be executed. */
function grants(bits: number): number {
  return (bits & 1 ? ACCESS_READ | ACCESS_EXEC : 0) | (bits & 2 ? ACCESS_WRITE : 0)
}

/** 2 KiB granules, 512 entries a table, 3 levels, addresses of 38 bits without a sign; a dirty bit, no accessed bit. */
export const MOCK: PageTableFormat = {
  name: 'mock',
  granuleShift: 11,
  levels: 3,
  virtualBits: 38,
  signExtended: false,
  leafLevelMax: 2,
  presentLo: PRESENT,
  parkedLo: PARKED,
  leafMaskLo: NEXT_TABLE,
  leafValueLo: 0,
  granuleLo: PRESENT,
  largeLo: PRESENT,
  tableLo: PRESENT | NEXT_TABLE,
  tableHi: 0,
  addressLo: 0xfffff800 | 0,
  addressHi: 0x000007ff,
  reservedTableLo: MUST_BE_ZERO | HALF_FRAME,
  reservedTableHi: 0x000ff800,
  reservedLeafLo: MUST_BE_ZERO,
  reservedLeafHi: 0x000ff800,
  ignoredLargeLo: 0,
  accessedLo: 0,
  dirtyLo: DIRTY,
  tableAccessedLo: 0,
  permission: {
    shiftLo: 0,
    maskLo: 0,
    shiftHi: 29,
    maskHi: 3,
    invertLo: 0,
    invertHi: NO_READ,
    hierarchical: false,
    grants: [
      ...ALL_ACCESS.map(grants),
      ...ALL_ACCESS.map((bits) => (bits & 3 ? grants(bits) | ACCESS_PRIV : 0)),
    ],
    encodeLo: ALL_ACCESS.map(() => 0),
    encodeHi: ALL_ACCESS.map(
      (access) =>
        (access & (ACCESS_READ | ACCESS_EXEC) ? 0 : NO_READ) | (access & ACCESS_WRITE ? WRITABLE : 0),
    ),
  },
}
