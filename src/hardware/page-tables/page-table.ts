// SPDX-License-Identifier: MIT
import { assert, broken } from '../../base/assert.ts'
import { EADDRINUSE, EINVAL, ERANGE } from '../../base/errno.ts'
import { FRAME_LIMIT, type PhysicalMemory } from '../memory.ts'
import type { Translation } from '../pci/messages.ts'
import { EntryCodec } from './entry-codec.ts'
import type { PageTableFormat } from './format.ts'
import { ChangeLeaf, HarvestLeaf, type LeafSink, UnmapLeaf, VisitLeaf } from './leaf-operations.ts'
import { type TableFrames, TableTree } from './tree.ts'

export type { LeafSink } from './leaf-operations.ts'
export type { TableFrames } from './tree.ts'

export interface PageTableOptions {
  readonly memory: PhysicalMemory
  readonly format: PageTableFormat
  readonly frames: TableFrames
}

/**
 * Level-0 tables that are remembered, by bits 24:21 of their first address: SEEN_WORDS words each, which are the high word
 * of the addresses covered, bits 31:21 of the low one (-1: none), and the word index of the table.
 */
const SEEN_TABLES = 16
const SEEN_WORDS = 4
const SEEN_MASK = (SEEN_TABLES - 1) * SEEN_WORDS
const NO_TABLE = -1
const TABLE_PAGES = 512
/** Frames are below it. */
const FRAMES = FRAME_LIMIT
/** No limit on the size of leaves. */
const SHIFT_ANY = 63

/**
 * Software's side of a page table: the tables stand in physical memory, where a `Walker` reads them. Whoever caches
 * translations (IOTLB, ATC, page-walk cache) must drop them after `unmap`, `changeAccess`, `clear` and `destroy`, before
 * a frame is used anew.
 *
 * Addresses are (hi, lo) pairs and must be aligned to 4 KiB (EINVAL), or to a granule in the granule variants; outside
 * the format's addresses is ERANGE.
 */
export class PageTable {
  readonly format: PageTableFormat
  readonly #words: Int32Array
  readonly #codec: EntryCodec
  readonly #tree: TableTree
  readonly #unmapLeaf: UnmapLeaf
  readonly #changeLeaf: ChangeLeaf
  readonly #harvestLeaf: HarvestLeaf
  readonly #visitLeaf: VisitLeaf
  readonly #encodeLo: Int32Array
  readonly #encodeHi: Int32Array
  readonly #occupied: number
  readonly #addressHi: number
  readonly #granulesPerPage: number
  readonly #granulesPerHi: number
  readonly #hiMask: number
  /** Granules of the address space. */
  readonly #size: number
  /** For 4 KiB granules only. Emptied before a table may be freed. */
  readonly #seen: Int32Array
  /** Level of the entry that `#leafWord` found. */
  #foundLevel = 0

  constructor({ memory, format, frames }: PageTableOptions) {
    assert(format.granuleShift <= 12, `page-table format ${format.name}`)
    this.format = format
    this.#words = memory.words
    this.#codec = new EntryCodec(memory.words, format)
    this.#tree = new TableTree(memory, this.#codec, frames)
    this.#unmapLeaf = new UnmapLeaf(this.#codec)
    this.#changeLeaf = new ChangeLeaf(this.#codec)
    this.#harvestLeaf = new HarvestLeaf(memory.words, this.#codec)
    this.#visitLeaf = new VisitLeaf(this.#codec)
    this.#encodeLo = Int32Array.from(format.permission.encodeLo, (bits) => bits | format.granuleLo)
    this.#encodeHi = Int32Array.from(format.permission.encodeHi)
    this.#occupied = format.presentLo | format.parkedLo
    this.#addressHi = format.addressHi
    this.#granulesPerPage = 2 ** (12 - format.granuleShift)
    this.#granulesPerHi = 2 ** (32 - format.granuleShift)
    this.#hiMask = 2 ** (format.virtualBits - 32) - 1
    this.#size = 2 ** (format.virtualBits - format.granuleShift)
    this.#seen = new Int32Array(SEEN_TABLES * SEEN_WORDS).fill(NO_TABLE)
  }

  /** Frame of the topmost table. */
  get root(): number {
    return this.#tree.root
  }

  /** Tables in use, the root included. */
  get tables(): number {
    return this.#tree.tables
  }

  /**
   * Maps `pages` 4 KiB pages to consecutive frames for `access` (ACCESS_ bits, not 0). Uses the largest pages that
   * alignment and length allow, of at most 2^shiftMax bytes. EINVAL, ERANGE, EADDRINUSE (something is mapped there),
   * ENOMEM (no table): then nothing has changed.
   */
  map(
    hi: number,
    lo: number,
    frame: number,
    pages: number,
    access: number,
    shiftMax: number = SHIFT_ANY,
  ): void {
    const word = this.#runOf(hi, lo, pages)
    if (word >= 0) return this.#mapRun(word, frame, pages, access)
    const scale = this.#granulesPerPage
    this.mapGranules(hi, lo, frame * scale, pages * scale, access, shiftMax)
  }

  /** `map` in granules of the format: `granule` is the physical address, `count` the length. */
  mapGranules(
    hi: number,
    lo: number,
    granule: number,
    count: number,
    access: number,
    shiftMax: number = SHIFT_ANY,
  ): void {
    assert(access !== 0, 'mapping without any access')
    const first = this.#first(hi, lo, count)
    if (granule < 0 || granule + count > FRAME_LIMIT * this.#granulesPerPage) throw ERANGE
    this.#tree.fill(first, first + count - 1, granule, access, shiftMax)
  }

  /**
   * Unmaps what is mapped of `pages` pages; returns how many pages that were. A large page that sticks out is split
   * first: ENOMEM, with nothing unmapped. Tables wholly inside the range are freed. `sink` hears of each leaf removed.
   */
  unmap(hi: number, lo: number, pages: number, sink?: LeafSink): number {
    const word = sink === undefined ? this.#runOf(hi, lo, pages) : -1
    if (word >= 0) return this.#unmapRun(word, pages)
    return this.unmapGranules(hi, lo, pages * this.#granulesPerPage, sink) / this.#granulesPerPage
  }

  /** `unmap` in granules; returns granules. */
  unmapGranules(hi: number, lo: number, count: number, sink?: LeafSink): number {
    const first = this.#split(hi, lo, count)
    const operation = this.#unmapLeaf
    operation.start(sink)
    this.#forgetTables()
    this.#tree.forEachLeaf(first, first + count - 1, operation)
    return operation.granules
  }

  /**
   * Each page in the range then grants `(what it granted & keep) | add`; accessed and dirty bits stay. A page that
   * grants nothing is parked: absent for walkers, still mapped for software. Large pages are split as in `unmap`. ENOMEM.
   */
  changeAccess(hi: number, lo: number, pages: number, keep: number, add: number): void {
    const count = pages * this.#granulesPerPage
    const first = this.#split(hi, lo, count)
    this.#changeLeaf.start(keep, add)
    this.#tree.forEachLeaf(first, first + count - 1, this.#changeLeaf)
  }

  /** Tells `sink` each leaf with the accessed bit that touches the range, and clears it if asked. Returns how many. */
  harvestAccessed(hi: number, lo: number, pages: number, clear: boolean, sink?: LeafSink): number {
    return this.#harvest(hi, lo, pages, this.format.accessedLo, clear, sink)
  }

  /** The same for the dirty bit. */
  harvestDirty(hi: number, lo: number, pages: number, clear: boolean, sink?: LeafSink): number {
    return this.#harvest(hi, lo, pages, this.format.dirtyLo, clear, sink)
  }

  /** Tells `sink` each leaf that touches the range, parked ones with access 0. */
  visit(hi: number, lo: number, pages: number, sink: LeafSink): void {
    const count = pages * this.#granulesPerPage
    const first = this.#first(hi, lo, count)
    this.#visitLeaf.start(sink)
    this.#tree.forEachLeaf(first, first + count - 1, this.#visitLeaf)
  }

  /** What a present page translates to, in `out`; its `access` is what the page itself grants. */
  lookup(hi: number, lo: number, out: Translation): boolean {
    if (!this.#codec.levels.isCanonical(hi)) return false
    const word = this.#leafWord(hi, lo)
    if (word < 0 || !this.#codec.isPresent(word)) return false
    const level = this.#foundLevel
    const mask = this.#codec.levels.frameMask[level]!
    out.frame = (this.#codec.frameOf(word) & ~mask) | (((lo >>> 12) | (hi << 20)) & mask)
    out.shift = this.#codec.levels.shift[level]!
    out.access = this.#codec.accessOf(word)
    return true
  }

  /**
   * Frame of a mapped 4 KiB page that grants all of `access`, or -1; with access 0 parked pages count too. For formats
   * with 4 KiB granules.
   */
  frameAt(hi: number, lo: number, access: number): number {
    const base = this.#tableOf(hi, lo)
    if (base < 0) return -1
    const words = this.#words
    const word = base + ((lo >>> 11) & 0x3fe)
    const entryLo = words[word]!
    const entryHi = words[word + 1]!
    if ((entryLo & this.#occupied) === 0) return -1
    if ((this.#codec.accessIn(entryLo, entryHi) & access) !== access) return -1
    return ((entryHi & this.#addressHi) << 20) | (entryLo >>> 12)
  }

  /** Sets the dirty bit of the leaf at the address. `false`: nothing is mapped there. */
  setDirty(hi: number, lo: number): boolean {
    if (!this.#codec.levels.isCanonical(hi)) return false
    const word = this.#leafWord(hi, lo)
    if (word < 0 || !this.#codec.isPresent(word)) return false
    const { dirtyLo, dirtyClearedLo = 0 } = this.format
    this.#words[word] = (this.#words[word]! | dirtyLo) & ~dirtyClearedLo
    return true
  }

  /** Forgets every leaf and frees every table but the root. */
  clear(): void {
    this.#forgetTables()
    this.#tree.clear()
  }

  /** The same and frees the root. */
  destroy(): void {
    this.#forgetTables()
    this.#tree.destroy()
  }

  /** Word of the first entry of pages that lie in one level-0 table and do not fill it; -1: they do not, or it is not there. */
  #runOf(hi: number, lo: number, pages: number): number {
    const index = (lo >>> 12) & 0x1ff
    if ((lo & 0xfff) !== 0 || (pages | 0) !== pages || pages < 1) return -1
    if (pages >= TABLE_PAGES || index + pages > TABLE_PAGES) return -1
    const base = this.#tableOf(hi, lo)
    return base < 0 ? -1 : base + 2 * index
  }

  #mapRun(first: number, frame: number, pages: number, access: number): void {
    if (access === 0) broken('mapping without any access')
    if (frame < 0 || frame + pages > FRAMES) throw ERANGE
    const words = this.#words
    const end = first + 2 * pages
    for (let word = first; word < end; word += 2) if ((words[word]! & this.#occupied) !== 0) throw EADDRINUSE
    const encodeLo = this.#encodeLo[access]!
    const encodeHi = this.#encodeHi[access]!
    for (let word = first, at = frame; word < end; word += 2, at++) {
      words[word + 1] = (at >>> 20) | encodeHi
      words[word] = (at << 12) | encodeLo
    }
  }

  /** Tables stay: the run fills none. */
  #unmapRun(first: number, pages: number): number {
    const words = this.#words
    const end = first + 2 * pages
    let unmapped = 0
    for (let word = first; word < end; word += 2) {
      if ((words[word]! & this.#occupied) === 0) continue
      words[word] = 0
      words[word + 1] = 0
      unmapped++
    }
    return unmapped
  }

  /** Word index of the level-0 table of the address; -1 when there is none, or granules are not 4 KiB. */
  #tableOf(hi: number, lo: number): number {
    const seen = this.#seen
    const at = (lo >>> 19) & SEEN_MASK
    return seen[at + 1] === lo >>> 21 && seen[at] === hi ? seen[at + 2]! : this.#findTable(hi, lo)
  }

  #findTable(hi: number, lo: number): number {
    if (this.#granulesPerPage !== 1 || !this.#codec.levels.isCanonical(hi)) return -1
    const word = this.#leafWord(hi, lo)
    if (word < 0 || this.#foundLevel !== 0) return -1
    const at = (lo >>> 19) & SEEN_MASK
    const base = word - ((lo >>> 11) & 0x3fe)
    this.#seen[at] = hi
    this.#seen[at + 1] = lo >>> 21
    this.#seen[at + 2] = base
    return base
  }

  #forgetTables(): void {
    for (let at = 1; at < SEEN_TABLES * SEEN_WORDS; at += SEEN_WORDS) this.#seen[at] = NO_TABLE
  }

  /** Word of the entry where the tables end for the address, or -1 when it is empty above level 0. */
  #leafWord(hi: number, lo: number): number {
    const codec = this.#codec
    let base = this.#tree.root << 10
    let level = codec.levels.top
    for (;;) {
      const word = base + (codec.levels.index(hi, lo, level) << 1)
      if (!codec.isTable(word, level)) {
        this.#foundLevel = level
        return level === 0 || !codec.isEmpty(word) ? word : -1
      }
      base = codec.frameOf(word) << 10
      level--
    }
  }

  /** Number of the address's granule from the start of the address space, once the whole range has been checked. */
  #first(hi: number, lo: number, count: number): number {
    if (!Number.isInteger(count) || count < 1 || (lo & (2 ** this.format.granuleShift - 1)) !== 0)
      throw EINVAL
    if (!this.#codec.levels.isCanonical(hi)) throw ERANGE
    const first = (hi & this.#hiMask) * this.#granulesPerHi + (lo >>> this.format.granuleShift)
    const end = this.format.signExtended && hi >= 0 ? this.#size / 2 : this.#size
    if (first + count > end) throw ERANGE
    return first
  }

  /** The same, and no leaf sticks out of the range any more. */
  #split(hi: number, lo: number, count: number): number {
    const first = this.#first(hi, lo, count)
    this.#tree.splitAt(first)
    if (first + count < this.#size) this.#tree.splitAt(first + count)
    return first
  }

  #harvest(
    hi: number,
    lo: number,
    pages: number,
    bit: number,
    clear: boolean,
    sink: LeafSink | undefined,
  ): number {
    const count = pages * this.#granulesPerPage
    const first = this.#first(hi, lo, count)
    this.#harvestLeaf.start(bit, bit & (this.format.dirtyClearedLo ?? 0), clear, sink)
    this.#tree.forEachLeaf(first, first + count - 1, this.#harvestLeaf)
    return this.#harvestLeaf.found
  }
}
