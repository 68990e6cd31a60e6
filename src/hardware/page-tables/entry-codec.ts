// SPDX-License-Identifier: MIT
import { INDEX_BITS, Levels, type PageTableFormat, type PermissionBits } from './format.ts'

/** Software's reading and writing of single entries of one format. A word index names the entry's low word. */
export class EntryCodec {
  readonly format: PageTableFormat
  readonly levels: Levels
  readonly entries: number
  readonly #words: Int32Array
  readonly #encodeLo: Int32Array
  readonly #encodeHi: Int32Array
  readonly #occupied: number
  readonly #granulesPerHi: number
  /** Bits of a leaf that hold neither an address nor its kind. */
  readonly #attributesLo: number
  /** Permission bits and the parked mark. */
  readonly #changedLo: number
  readonly #permissionHi: number
  readonly #presentLo: number
  /** What makes an entry present beside its permissions. */
  readonly #kindLo: number
  readonly #addressHi: number
  readonly #permission: PermissionBits
  /** What a leaf with each set of permission bits grants by itself. */
  readonly #granted: Uint8Array

  constructor(words: Int32Array, format: PageTableFormat) {
    const { permission } = format
    this.format = format
    this.levels = new Levels(format)
    this.entries = 1 << INDEX_BITS
    this.#words = words
    this.#encodeLo = Int32Array.from(permission.encodeLo)
    this.#encodeHi = Int32Array.from(permission.encodeHi)
    this.#occupied = format.presentLo | format.parkedLo
    this.#granulesPerHi = 2 ** (32 - format.granuleShift)
    this.#attributesLo = ~(format.addressLo | format.leafMaskLo)
    this.#changedLo = (permission.maskLo << permission.shiftLo) | format.parkedLo
    this.#permissionHi = permission.maskHi << permission.shiftHi
    this.#presentLo = format.presentLo
    this.#kindLo = format.presentLo & format.granuleLo
    this.#addressHi = format.addressHi
    this.#permission = permission
    this.#granted = grantedByLeaves(permission)
  }

  isEmpty(word: number): boolean {
    return (this.#words[word]! & this.#occupied) === 0
  }

  isPresent(word: number): boolean {
    return (this.#words[word]! & this.#presentLo) !== 0
  }

  /** Whether a present entry above level 0 points to a table. */
  isTable(word: number, level: number): boolean {
    const lo = this.#words[word]!
    if (level === 0 || (lo & this.format.presentLo) === 0) return false
    return (lo & this.format.leafMaskLo) !== this.format.leafValueLo
  }

  clear(word: number): void {
    this.#words[word] = 0
    this.#words[word + 1] = 0
  }

  writeTable(word: number, frame: number): void {
    this.#words[word + 1] = (frame >>> 20) | this.format.tableHi
    this.#words[word] = (frame << 12) | this.format.tableLo
  }

  /** `granule`: physical address in granules; access 0 parks the entry. */
  writeLeaf(word: number, level: number, granule: number, access: number): void {
    const kind = level === 0 ? this.format.granuleLo : this.format.largeLo
    this.#write(word, granule, kind | this.#encodeLo[access]!, this.#encodeHi[access]!)
    if (access === 0) this.#park(word)
  }

  /** Physical address of a leaf, in granules. */
  granuleOf(word: number): number {
    const lo = this.#words[word]! & this.format.addressLo
    const hi = this.#words[word + 1]! & this.format.addressHi
    return hi * this.#granulesPerHi + (lo >>> this.format.granuleShift)
  }

  /** 4 KiB frame that an entry names: a table's, or the first of a leaf. */
  frameOf(word: number): number {
    return ((this.#words[word + 1]! & this.#addressHi) << 20) | (this.#words[word]! >>> 12)
  }

  /** What a leaf grants by itself; a page for privileged requests only has ACCESS_PRIV too. Parked: 0. */
  accessOf(word: number): number {
    return this.accessIn(this.#words[word]!, this.#words[word + 1]!)
  }

  /** `accessOf` of an entry's two words. */
  accessIn(entryLo: number, entryHi: number): number {
    if ((entryLo & this.#presentLo) === 0) return 0
    const bits = this.#permission
    const lo = ((entryLo ^ bits.invertLo) >>> bits.shiftLo) & bits.maskLo
    const hi = ((entryHi ^ bits.invertHi) >>> bits.shiftHi) & bits.maskHi
    return this.#granted[lo | hi]!
  }

  /** Replaces what a leaf grants; address, accessed and dirty bits stay. Access 0 parks it. */
  setAccess(word: number, access: number): void {
    const words = this.#words
    words[word + 1] = (words[word + 1]! & ~this.#permissionHi) | this.#encodeHi[access]!
    words[word] = (words[word]! & ~this.#changedLo) | this.#encodeLo[access]! | this.#kindLo
    if (access === 0) this.#park(word)
  }

  /** Fills the fresh table `frame` with what the leaf at `word` of `level` maps; the leaf itself stays. */
  copySplit(word: number, level: number, frame: number): void {
    const kind = level === 1 ? this.format.granuleLo : this.format.largeLo
    const absent = this.isPresent(word) ? 0 : this.format.presentLo
    const lo = (this.#words[word]! & this.#attributesLo) | (kind & ~absent)
    const hi = this.#words[word + 1]! & ~this.format.addressHi
    const first = this.granuleOf(word)
    const span = this.levels.span[level - 1]!
    for (let i = 0; i < this.entries; i++) this.#write((frame << 10) + 2 * i, first + i * span, lo, hi)
  }

  #write(word: number, granule: number, lo: number, hi: number): void {
    // A power of two, and `&` takes the granule modulo 2^32: `%` on doubles is slow.
    const low = granule & (this.#granulesPerHi - 1)
    this.#words[word + 1] = ((granule - low) / this.#granulesPerHi) | hi
    this.#words[word] = (low << this.format.granuleShift) | lo
  }

  #park(word: number): void {
    this.#words[word] = (this.#words[word]! & ~this.format.presentLo) | this.format.parkedLo
  }
}

function grantedByLeaves({ grants }: PermissionBits): Uint8Array {
  const half = grants.length / 2
  return Uint8Array.from({ length: half }, (_, bits) =>
    grants[bits] === 0 ? grants[bits + half]! : grants[bits]!,
  )
}
