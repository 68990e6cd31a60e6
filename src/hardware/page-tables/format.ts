// SPDX-License-Identifier: MIT
/** A table has 2^INDEX_BITS entries: a 4 KiB frame. */
export const INDEX_BITS = 9
const ENTRY_MASK = 2 ** INDEX_BITS - 1

/** Permission bits of an entry, gathered into a small number that indexes `grants`. */
export interface PermissionBits {
  /** Gathered as `((lo ^ invertLo) >>> shiftLo & maskLo) | ((hi ^ invertHi) >>> shiftHi & maskHi)`, 0 ... 63. */
  readonly shiftLo: number
  readonly maskLo: number
  readonly shiftHi: number
  readonly maskHi: number
  /** Bits that forbid when set. */
  readonly invertLo: number
  readonly invertHi: number
  /** Whether table entries restrict what is below them. */
  readonly hierarchical: boolean
  /** ACCESS_ bits granted: the first half for an unprivileged request, the other for a privileged one; 32 or 128. */
  readonly grants: readonly number[]
  /** Entry bits of each of the 16 sets of ACCESS_ bits; PRIV means that only privileged requests may pass. */
  readonly encodeLo: readonly number[]
  readonly encodeHi: readonly number[]
}

/** What a table entry takes away from all that is below it, where it says so in bits of its own. */
export interface TableLimits {
  /** Bits of the high word, all zero in a table that takes nothing away. */
  readonly shiftHi: number
  readonly maskHi: number
  /** ACCESS_ bits left: the first half for an unprivileged request, the other for a privileged one. */
  readonly limits: readonly number[]
}

/**
 * Bit facts of one page-table format. Entries are 64 bits little-endian, a table is one 4 KiB frame, physical
 * addresses stand at their natural place in the entry, level 0 holds granules. Flags that a walk tests stand in the
 * low word.
 */
export interface PageTableFormat {
  readonly name: string
  /** A granule is 2^granuleShift bytes: 11 or 12. */
  readonly granuleShift: number
  readonly levels: number
  /** Width of an input address: 33 ... 63. */
  readonly virtualBits: number
  /** Bits above must equal the highest address bit (else: must be zero). */
  readonly signExtended: boolean
  /** Highest level whose entries may map memory themselves. */
  readonly leafLevelMax: number
  /** Any of these set: the entry is present. */
  readonly presentLo: number
  /** Set in an entry that is not present but whose frame software remembers. */
  readonly parkedLo: number
  /** Above level 0 an entry maps memory when `(lo & leafMaskLo) === leafValueLo`. */
  readonly leafMaskLo: number
  readonly leafValueLo: number
  /** Bits of every entry that maps a granule, of every one that maps more, and of every one that points to a table. */
  readonly granuleLo: number
  readonly largeLo: number
  readonly tableLo: number
  readonly tableHi: number
  /** Where the physical address stands. */
  readonly addressLo: number
  readonly addressHi: number
  /** Must be zero. */
  readonly reservedTableLo: number
  readonly reservedTableHi: number
  readonly reservedLeafLo: number
  readonly reservedLeafHi: number
  /** Address bits below a large page's address that need not be zero. */
  readonly ignoredLargeLo: number
  /** Set by a walk; 0: the format has no such bit. */
  readonly accessedLo: number
  readonly dirtyLo: number
  readonly tableAccessedLo: number
  /** Bits of `dirtyLo` that are cleared, rather than set, when a page becomes dirty. */
  readonly dirtyClearedLo?: number
  /** A granule's entry without these is not present. */
  readonly granuleRequiredLo?: number
  /** A page without these is refused: WALK_ACCESS_FLAG. */
  readonly accessFlagLo?: number
  /** An entry that maps memory above `leafLevelMax` is not present, rather than wrong. */
  readonly misplacedLeafAbsent?: boolean
  readonly tableLimits?: TableLimits
  readonly permission: PermissionBits
}

/** `grants` (or `limits`) as walks index them: 64 for an unprivileged request, then 64 for a privileged one. */
export function grantsTable(grants: readonly number[]): Uint8Array {
  const half = grants.length / 2
  return Uint8Array.from({ length: 128 }, (_, i) => grants[(i < 64 ? 0 : half) + ((i & 63) % half)]!)
}

/** A format's facts by level, worked out once. */
export class Levels {
  /** Number of the topmost level. */
  readonly top: number
  /** An entry of the level covers 2^shift bytes. */
  readonly shift: Int32Array
  /** Granules that an entry of the level covers. */
  readonly span: Float64Array
  /** Bits of a 4 KiB frame number that come from the input address. */
  readonly frameMask: Int32Array
  /** Low bits that must be zero in a leaf of the level. */
  readonly leafReservedLo: Int32Array
  /** An address is canonical when `((hi + canonicalBias) | 0) >>> canonicalShift` is 0. */
  readonly canonicalBias: number
  readonly canonicalShift: number

  constructor(format: PageTableFormat) {
    const { levels, granuleShift } = format
    this.top = levels - 1
    this.shift = new Int32Array(levels)
    this.span = new Float64Array(levels)
    this.frameMask = new Int32Array(levels)
    this.leafReservedLo = new Int32Array(levels)
    this.canonicalBias = format.signExtended ? 2 ** (format.virtualBits - 33) : 0
    this.canonicalShift = format.virtualBits - 32
    for (let level = 0; level < levels; level++) {
      const shift = granuleShift + INDEX_BITS * level
      this.shift[level] = shift
      this.span[level] = 2 ** (INDEX_BITS * level)
      this.frameMask[level] = shift > 12 ? (shift < 44 ? 2 ** (shift - 12) - 1 : -1) : 0
      this.leafReservedLo[level] = format.reservedLeafLo | largeAddressLo(format, shift, level)
    }
  }

  isCanonical(hi: number): boolean {
    return ((hi + this.canonicalBias) | 0) >>> this.canonicalShift === 0
  }

  /** Which entry of its table of `level` translates the address. */
  index(hi: number, lo: number, level: number): number {
    const shift = this.shift[level]!
    const bits = shift < 32 ? (lo >>> shift) | (hi << (32 - shift)) : hi >>> (shift - 32)
    return bits & ENTRY_MASK
  }
}

/** Address bits of the low word that a large page leaves unused. */
function largeAddressLo(format: PageTableFormat, shift: number, level: number): number {
  if (level === 0) return 0
  const below = shift < 32 ? 2 ** shift - 1 : -1
  return format.addressLo & below & ~format.ignoredLargeLo
}
