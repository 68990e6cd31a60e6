// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../memory.ts'
import { ACCESS_PRIV, ACCESS_WRITE, type Translation } from '../pci/messages.ts'
import { Levels, type PageTableFormat } from './format.ts'

export const WALK_OK = 0
export const WALK_NOT_PRESENT = 1
export const WALK_NO_PERMISSION = 2
export const WALK_RESERVED_BITS = 3
export const WALK_NOT_CANONICAL = 4
/** A table lies outside RAM. */
export const WALK_TABLE_ACCESS = 5
/** The second stage refused a table or the page. */
export const WALK_SECOND_STAGE = 6

export type WalkStatus =
  | typeof WALK_OK
  | typeof WALK_NOT_PRESENT
  | typeof WALK_NO_PERMISSION
  | typeof WALK_RESERVED_BITS
  | typeof WALK_NOT_CANONICAL
  | typeof WALK_TABLE_ACCESS
  | typeof WALK_SECOND_STAGE

/** The second stage of a nested walk. Frames of the tables and of the page are then guest frames. */
export interface TableTranslator {
  /** Host frame of a table that is read (`write`: whose accessed or dirty bit is set), or -1. */
  tableFrame(guestFrame: number, write: boolean): number
  /** Translates `out.frame`, narrows `out.shift` and `out.access`. `false`: refused. */
  page(access: number, out: Translation): boolean
}

/**
 * Page walk as hardware does it: reads tables in physical memory, sets accessed and dirty bits, caches nothing.
 * One walker serves any number of roots of one format.
 */
export class Walker {
  readonly format: PageTableFormat
  /** Level at which the last failed walk stopped; `format.levels` when it never read a table. */
  failedLevel = 0
  /** Byte offset of the granule in `out.frame`: not 0 only for granules smaller than a frame. */
  frameOffset = 0
  /** Set: every table and the page go through a second stage. */
  secondStage: TableTranslator | undefined = undefined
  readonly #words: Int32Array
  readonly #frames: number
  readonly #levels: Levels
  readonly #shifts: Int32Array
  readonly #frameMasks: Int32Array
  readonly #leafReservedLo: Int32Array
  readonly #leafReservedHi: number
  readonly #grants: Uint8Array
  readonly #top: number
  readonly #leafLevelMax: number
  readonly #canonicalBias: number
  readonly #canonicalShift: number
  readonly #present: number
  readonly #leafMask: number
  readonly #leafValue: number
  readonly #addressHi: number
  readonly #offsetMask: number
  readonly #reservedLo: number
  readonly #reservedHi: number
  readonly #tableAccessed: number
  readonly #accessed: number
  readonly #accessedAndDirty: number
  readonly #invertLo: number
  readonly #invertHi: number
  readonly #permissionShiftLo: number
  readonly #permissionMaskLo: number
  readonly #permissionShiftHi: number
  readonly #permissionMaskHi: number
  /** All ones where table entries do not restrict. */
  readonly #tablePermission: number

  constructor(memory: PhysicalMemory, format: PageTableFormat) {
    const levels = new Levels(format)
    const { permission } = format
    this.format = format
    this.#words = memory.words
    this.#frames = memory.frames
    this.#levels = levels
    this.#shifts = levels.shift
    this.#frameMasks = levels.frameMask
    this.#leafReservedLo = levels.leafReservedLo
    this.#leafReservedHi = format.reservedLeafHi
    this.#grants = Uint8Array.from(permission.grants)
    this.#top = levels.top
    this.#leafLevelMax = format.leafLevelMax
    this.#canonicalBias = levels.canonicalBias
    this.#canonicalShift = levels.canonicalShift
    this.#present = format.presentLo
    this.#leafMask = format.leafMaskLo
    this.#leafValue = format.leafValueLo
    this.#addressHi = format.addressHi
    this.#offsetMask = format.addressLo & 0xfff
    this.#reservedLo = format.reservedTableLo
    this.#reservedHi = format.reservedTableHi
    this.#tableAccessed = format.tableAccessedLo
    this.#accessed = format.accessedLo
    this.#accessedAndDirty = format.accessedLo | format.dirtyLo
    this.#invertLo = permission.invertLo
    this.#invertHi = permission.invertHi
    this.#permissionShiftLo = permission.shiftLo
    this.#permissionMaskLo = permission.maskLo
    this.#permissionShiftHi = permission.shiftHi
    this.#permissionMaskHi = permission.maskHi
    this.#tablePermission = permission.hierarchical ? 0 : -1
  }

  /**
   * Translates the address (hi, lo) for `access` (ACCESS_ bits; none: only presence counts). `out` is written on
   * WALK_OK (and by a second stage that refuses); its `access` says all that the page grants at this privilege.
   */
  walk(rootFrame: number, hi: number, lo: number, access: number, out: Translation): WalkStatus {
    if (((hi + this.#canonicalBias) | 0) >>> this.#canonicalShift !== 0) return this.#notCanonical()
    const words = this.#words
    const levels = this.#levels
    const stage = this.secondStage
    let level = this.#top
    let guest = rootFrame
    let permissionLo = -1
    let permissionHi = -1
    let word = 0
    let entryLo = 0
    let entryHi = 0
    for (;;) {
      const table = stage === undefined ? guest : stage.tableFrame(guest, false)
      if (table < 0 || table >= this.#frames) return this.#outside(table, level)
      word = (table << 10) | (levels.index(hi, lo, level) << 1)
      entryLo = words[word]!
      entryHi = words[word + 1]!
      if ((entryLo & this.#present) === 0) return this.#fail(WALK_NOT_PRESENT, level)
      if (level === 0 || (entryLo & this.#leafMask) === this.#leafValue) break
      if (((entryLo & this.#reservedLo) | (entryHi & this.#reservedHi)) !== 0) {
        return this.#fail(WALK_RESERVED_BITS, level)
      }
      if ((entryLo & this.#tableAccessed) !== this.#tableAccessed) {
        if (!this.#mark(word, this.#tableAccessed, guest)) return this.#fail(WALK_SECOND_STAGE, level)
      }
      permissionLo &= (entryLo ^ this.#invertLo) | this.#tablePermission
      permissionHi &= (entryHi ^ this.#invertHi) | this.#tablePermission
      guest = ((entryHi & this.#addressHi) << 20) | (entryLo >>> 12)
      level--
    }
    if (level > this.#leafLevelMax || this.#leafReserved(entryLo, entryHi, level)) {
      return this.#fail(WALK_RESERVED_BITS, level)
    }
    permissionLo &= entryLo ^ this.#invertLo
    permissionHi &= entryHi ^ this.#invertHi
    const granted = this.#grants[this.#gather(permissionLo, permissionHi) | ((access & ACCESS_PRIV) << 1)]!
    if ((access & ~granted) !== 0 || granted === 0) return this.#fail(WALK_NO_PERMISSION, level)
    const used = access & ACCESS_WRITE ? this.#accessedAndDirty : this.#accessed
    if ((entryLo & used) !== used && !this.#mark(word, used, guest))
      return this.#fail(WALK_SECOND_STAGE, level)
    const mask = this.#frameMasks[level]!
    const frame = ((entryHi & this.#addressHi) << 20) | (entryLo >>> 12)
    out.frame = (frame & ~mask) | (((lo >>> 12) | (hi << 20)) & mask)
    out.shift = this.#shifts[level]!
    out.access = granted
    this.frameOffset = entryLo & this.#offsetMask
    if (stage !== undefined && !stage.page(access, out)) return this.#fail(WALK_SECOND_STAGE, level)
    return WALK_OK
  }

  #gather(permissionLo: number, permissionHi: number): number {
    return (
      ((permissionLo >>> this.#permissionShiftLo) & this.#permissionMaskLo) |
      ((permissionHi >>> this.#permissionShiftHi) & this.#permissionMaskHi)
    )
  }

  #leafReserved(entryLo: number, entryHi: number, level: number): boolean {
    return ((entryLo & this.#leafReservedLo[level]!) | (entryHi & this.#leafReservedHi)) !== 0
  }

  /** Sets bits of the entry at `word`, whose table's guest frame is `guest`. `false`: the second stage forbids it. */
  #mark(word: number, bits: number, guest: number): boolean {
    if (this.secondStage !== undefined && this.secondStage.tableFrame(guest, true) < 0) return false
    this.#words[word] = this.#words[word]! | bits
    return true
  }

  #outside(table: number, level: number): WalkStatus {
    return this.#fail(
      table < 0 && this.secondStage !== undefined ? WALK_SECOND_STAGE : WALK_TABLE_ACCESS,
      level,
    )
  }

  #notCanonical(): WalkStatus {
    return this.#fail(WALK_NOT_CANONICAL, this.#top + 1)
  }

  #fail(status: WalkStatus, level: number): WalkStatus {
    this.failedLevel = level
    return status
  }
}
