// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import type { PhysicalMemory } from '../memory.ts'
import * as messages from '../pci/messages.ts'
import type { Translation } from '../pci/messages.ts'
import { CarefulWalk } from './careful-walk.ts'
import * as formats from './format.ts'
import { Levels, type PageTableFormat } from './format.ts'
import * as statuses from './walk-status.ts'
import type { TableTranslator, WalkStatus } from './walk-status.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { ACCESS_PRIV, ACCESS_WRITE } = messages
const { INDEX_BITS, grantsTable } = formats
const { WALK_NOT_PRESENT, WALK_OK } = statuses

export * from './walk-status.ts'

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
  readonly #careful: CarefulWalk
  readonly #words: Int32Array
  readonly #frames: number
  readonly #grants: Uint8Array
  readonly #canonicalBias: number
  readonly #canonicalShift: number
  /** Shift of the topmost index in `hi >>> #upperShift`; negative when three levels are all. */
  readonly #upperTop: number
  readonly #upperShift: number
  readonly #granuleShift: number
  readonly #addressHi: number
  readonly #offsetMask: number
  /** What a pointer to a table looks like once it has been used; and which of its bits count. */
  readonly #tableLo: number
  readonly #tableHi: number
  readonly #tableCheckLo: number
  readonly #tableCheckHi: number
  readonly #granuleReservedLo: number
  readonly #granuleReservedHi: number
  readonly #presentLo: number
  /** Bits of a granule's entry that are set once it has been read, or written. */
  readonly #used: number
  readonly #usedForWrite: number
  /** Those that are cleared instead, and those whose absence a walk cannot mend. */
  readonly #usedInvert: number
  readonly #unmendable: number
  readonly #invertLo: number
  readonly #invertHi: number
  readonly #permissionShiftLo: number
  readonly #permissionMaskLo: number
  readonly #permissionShiftHi: number
  readonly #permissionMaskHi: number

  constructor(memory: PhysicalMemory, format: PageTableFormat) {
    assert(
      format.levels >= 3 && format.levels <= 5,
      `${format.levels} levels in page-table format ${format.name}`,
    )
    const { permission, granuleShift } = format
    const levels = new Levels(format)
    this.format = format
    this.#careful = new CarefulWalk(memory, format)
    this.#words = memory.words
    this.#frames = memory.frames
    this.#grants = grantsTable(permission.grants)
    this.#canonicalBias = levels.canonicalBias | 0
    this.#canonicalShift = levels.canonicalShift
    this.#upperTop = (format.levels - 4) * INDEX_BITS
    this.#upperShift = granuleShift + 3 * INDEX_BITS - 32
    this.#granuleShift = granuleShift
    this.#addressHi = format.addressHi
    this.#offsetMask = format.addressLo & 0xfff
    this.#tableLo = format.tableLo | format.tableAccessedLo
    this.#tableHi = format.tableHi
    this.#tableCheckLo = tableCheckLo(format)
    this.#tableCheckHi =
      format.reservedTableHi |
      (permission.hierarchical ? permission.maskHi << permission.shiftHi : 0) |
      limitBits(format)
    this.#granuleReservedLo = format.reservedLeafLo
    this.#granuleReservedHi = format.reservedLeafHi
    this.#presentLo = format.presentLo
    this.#unmendable = (format.granuleRequiredLo ?? 0) | (format.accessFlagLo ?? 0)
    this.#used = format.accessedLo | this.#unmendable
    this.#usedForWrite = this.#used | format.dirtyLo
    this.#usedInvert = format.dirtyClearedLo ?? 0
    this.#invertLo = permission.invertLo
    this.#invertHi = permission.invertHi
    this.#permissionShiftLo = permission.shiftLo
    this.#permissionMaskLo = permission.maskLo
    this.#permissionShiftHi = permission.shiftHi
    this.#permissionMaskHi = permission.maskHi
  }

  /**
   * Translates the address (hi, lo) for `access` (ACCESS_ bits; none: only that the page grants something counts).
   * `out` is written on WALK_OK; its `access` says all that the page grants at this privilege.
   *
   * The way through tables that were used before to a small page, or to none, takes no branch a level: differences from
   * such entries are collected, and any difference sends the walk the careful way. The three lowest levels are written out: it is faster.
   */
  walk(rootFrame: number, hi: number, lo: number, access: number, out: Translation): WalkStatus {
    if (((hi + this.#canonicalBias) | 0) >>> this.#canonicalShift !== 0) {
      return this.#walkCarefully(rootFrame, hi, lo, access, out)
    }
    const words = this.#words
    const frames = this.#frames
    const addressHi = this.#addressHi
    const tableLo = this.#tableLo
    const tableHi = this.#tableHi
    const upper = hi >>> this.#upperShift
    const lower = (lo >>> this.#granuleShift) | (hi << (32 - this.#granuleShift))
    let table = rootFrame
    let oddLo = 0
    let oddHi = 0
    let entryLo = 0
    let entryHi = 0
    for (let shift = this.#upperTop; shift >= 0; shift -= INDEX_BITS) {
      if (table < 0 || table >= frames) return this.#walkCarefully(rootFrame, hi, lo, access, out)
      const word = (table << 10) | (((upper >>> shift) & 511) << 1)
      entryLo = words[word]!
      entryHi = words[word + 1]!
      oddLo |= entryLo ^ tableLo
      oddHi |= entryHi ^ tableHi
      table = ((entryHi & addressHi) << 20) | (entryLo >>> 12)
    }
    if (table < 0 || table >= frames) return this.#walkCarefully(rootFrame, hi, lo, access, out)
    const word2 = (table << 10) | (((lower >>> (2 * INDEX_BITS)) & 511) << 1)
    entryLo = words[word2]!
    entryHi = words[word2 + 1]!
    oddLo |= entryLo ^ tableLo
    oddHi |= entryHi ^ tableHi
    table = ((entryHi & addressHi) << 20) | (entryLo >>> 12)
    if (table < 0 || table >= frames) return this.#walkCarefully(rootFrame, hi, lo, access, out)
    const word1 = (table << 10) | (((lower >>> INDEX_BITS) & 511) << 1)
    entryLo = words[word1]!
    entryHi = words[word1 + 1]!
    oddLo |= entryLo ^ tableLo
    oddHi |= entryHi ^ tableHi
    table = ((entryHi & addressHi) << 20) | (entryLo >>> 12)
    if (table < 0 || table >= frames) return this.#walkCarefully(rootFrame, hi, lo, access, out)
    const word = (table << 10) | ((lower & 511) << 1)
    entryLo = words[word]!
    entryHi = words[word + 1]!
    const odd =
      (oddLo & this.#tableCheckLo) |
      (oddHi & this.#tableCheckHi) |
      (entryLo & this.#granuleReservedLo) |
      (entryHi & this.#granuleReservedHi)
    if (odd !== 0) return this.#walkCarefully(rootFrame, hi, lo, access, out)
    if ((entryLo & this.#presentLo) === 0) {
      this.failedLevel = 0
      return WALK_NOT_PRESENT
    }
    const granted = this.#granted(entryLo, entryHi, access)
    if ((access & ~granted) !== 0 || granted === 0) return this.#walkCarefully(rootFrame, hi, lo, access, out)
    const used = access & ACCESS_WRITE ? this.#usedForWrite : this.#used
    const missing = ~(entryLo ^ this.#usedInvert) & used
    if (missing !== 0) {
      if ((missing & this.#unmendable) !== 0) return this.#walkCarefully(rootFrame, hi, lo, access, out)
      words[word] = entryLo ^ missing
    }
    out.frame = ((entryHi & addressHi) << 20) | (entryLo >>> 12)
    out.shift = this.#granuleShift
    out.access = granted
    this.frameOffset = entryLo & this.#offsetMask
    return WALK_OK
  }

  /** `walk` through two stages: `stage` translates every table and the page, whose frames are then guest frames. */
  walkNested(
    rootFrame: number,
    hi: number,
    lo: number,
    access: number,
    stage: TableTranslator,
    out: Translation,
  ): WalkStatus {
    return this.#take(this.#careful.walk(rootFrame, hi, lo, access, stage, out))
  }

  #walkCarefully(rootFrame: number, hi: number, lo: number, access: number, out: Translation): WalkStatus {
    return this.#take(this.#careful.walk(rootFrame, hi, lo, access, undefined, out))
  }

  #take(status: WalkStatus): WalkStatus {
    this.failedLevel = this.#careful.failedLevel
    this.frameOffset = this.#careful.frameOffset
    return status
  }

  /** What one entry grants by itself. */
  #granted(entryLo: number, entryHi: number, access: number): number {
    const bits =
      (((entryLo ^ this.#invertLo) >>> this.#permissionShiftLo) & this.#permissionMaskLo) |
      (((entryHi ^ this.#invertHi) >>> this.#permissionShiftHi) & this.#permissionMaskHi)
    return this.#grants[bits | ((access & ACCESS_PRIV) << 3)]!
  }
}

function limitBits({ tableLimits }: PageTableFormat): number {
  return tableLimits === undefined ? 0 : tableLimits.maskHi << tableLimits.shiftHi
}

/** Which bits of an entry distinguish a used pointer to a table that restricts nothing from anything else. */
function tableCheckLo(format: PageTableFormat): number {
  const { permission } = format
  const restricting = permission.hierarchical ? permission.maskLo << permission.shiftLo : 0
  return format.presentLo | format.leafMaskLo | format.reservedTableLo | format.tableAccessedLo | restricting
}
