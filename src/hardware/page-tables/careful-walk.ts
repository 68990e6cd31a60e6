// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../memory.ts'
import { ACCESS_PRIV, ACCESS_WRITE, type Translation } from '../pci/messages.ts'
import { grantsTable, Levels, type PageTableFormat, type PermissionBits } from './format.ts'
import {
  type TableTranslator,
  WALK_ACCESS_FLAG,
  WALK_NO_PERMISSION,
  WALK_NOT_CANONICAL,
  WALK_NOT_PRESENT,
  WALK_OK,
  WALK_RESERVED_BITS,
  WALK_SECOND_STAGE,
  WALK_TABLE_ACCESS,
  type WalkStatus,
} from './walk-status.ts'

/** The walk with every check, level by level: large pages, restricting tables, first use, two stages, faults. */
export class CarefulWalk {
  readonly format: PageTableFormat
  /** Level at which the last failed walk stopped; `format.levels` when it never read a table. */
  failedLevel = 0
  /** Byte offset of the granule in `out.frame`. */
  frameOffset = 0
  readonly #words: Int32Array
  readonly #frames: number
  readonly #permission: PermissionBits
  readonly #levels: Levels
  readonly #grants: Uint8Array
  /** All ones where table entries do not restrict. */
  readonly #tablePermission: number
  readonly #limits: Uint8Array
  readonly #limitShift: number
  readonly #limitMask: number
  readonly #granuleRequired: number
  readonly #accessFlag: number
  readonly #dirtyCleared: number
  readonly #misplacedLeaf: WalkStatus
  // State of the walk under way.
  #stage: TableTranslator | undefined = undefined
  #guestTable = 0
  #word = 0
  #level = 0
  #permissionLo = 0
  #permissionHi = 0
  #limit = 0

  constructor(memory: PhysicalMemory, format: PageTableFormat) {
    this.#words = memory.words
    this.#frames = memory.frames
    this.format = format
    this.#permission = format.permission
    this.#levels = new Levels(format)
    this.#grants = grantsTable(format.permission.grants)
    this.#tablePermission = format.permission.hierarchical ? 0 : -1
    const { tableLimits } = format
    this.#limits = grantsTable(tableLimits?.limits ?? [15, 15])
    this.#limitShift = tableLimits?.shiftHi ?? 0
    this.#limitMask = tableLimits?.maskHi ?? 0
    this.#granuleRequired = format.granuleRequiredLo ?? 0
    this.#accessFlag = format.accessFlagLo ?? 0
    this.#dirtyCleared = format.dirtyClearedLo ?? 0
    this.#misplacedLeaf = format.misplacedLeafAbsent === true ? WALK_NOT_PRESENT : WALK_RESERVED_BITS
  }

  walk(
    rootFrame: number,
    hi: number,
    lo: number,
    access: number,
    stage: TableTranslator | undefined,
    out: Translation,
  ): WalkStatus {
    this.#stage = stage
    this.#level = this.#levels.top + 1
    this.#permissionLo = -1
    this.#permissionHi = -1
    this.#limit = 0
    let status: WalkStatus = WALK_NOT_CANONICAL
    if (this.#levels.isCanonical(hi)) status = this.#descend(rootFrame, hi, lo)
    if (status === WALK_OK) status = this.#finish(hi, lo, access, out)
    if (status !== WALK_OK) this.failedLevel = this.#level
    return status
  }

  /** Goes down to the entry that maps memory. */
  #descend(rootFrame: number, hi: number, lo: number): WalkStatus {
    const { format } = this
    this.#guestTable = rootFrame
    for (;;) {
      this.#level--
      const table = this.#tableFrame(false)
      if (table < 0 && this.#stage !== undefined) return WALK_SECOND_STAGE
      if (table < 0 || table >= this.#frames) return WALK_TABLE_ACCESS
      this.#word = (table << 10) | (this.#levels.index(hi, lo, this.#level) << 1)
      const entryLo = this.#words[this.#word]!
      const entryHi = this.#words[this.#word + 1]!
      if ((entryLo & format.presentLo) === 0) return WALK_NOT_PRESENT
      if (this.#level === 0 && (~entryLo & this.#granuleRequired) !== 0) return WALK_NOT_PRESENT
      if (this.#level === 0 || (entryLo & format.leafMaskLo) === format.leafValueLo) return WALK_OK
      if (((entryLo & format.reservedTableLo) | (entryHi & format.reservedTableHi)) !== 0)
        return WALK_RESERVED_BITS
      if (!this.#mark(format.tableAccessedLo)) return WALK_SECOND_STAGE
      this.#restrict(entryLo, entryHi, this.#tablePermission)
      this.#limit |= (entryHi >>> this.#limitShift) & this.#limitMask
      this.#guestTable = ((entryHi & format.addressHi) << 20) | (entryLo >>> 12)
    }
  }

  /** Checks the entry that maps memory, marks it used and fills `out`. */
  #finish(hi: number, lo: number, access: number, out: Translation): WalkStatus {
    const { format } = this
    const entryLo = this.#words[this.#word]!
    const entryHi = this.#words[this.#word + 1]!
    const reservedLo = this.#levels.leafReservedLo[this.#level]!
    if (this.#level > format.leafLevelMax) return this.#misplacedLeaf
    if (((entryLo & reservedLo) | (entryHi & format.reservedLeafHi)) !== 0) return WALK_RESERVED_BITS
    if ((~entryLo & this.#accessFlag) !== 0) return WALK_ACCESS_FLAG
    this.#restrict(entryLo, entryHi, 0)
    const granted = this.#granted(access)
    if (granted === 0 || (access & ~granted) !== 0) return WALK_NO_PERMISSION
    const dirty = access & ACCESS_WRITE ? format.dirtyLo : 0
    if (!this.#mark(format.accessedLo | dirty)) return WALK_SECOND_STAGE
    const mask = this.#levels.frameMask[this.#level]!
    const frame = ((entryHi & format.addressHi) << 20) | (entryLo >>> 12)
    out.frame = (frame & ~mask) | (((lo >>> 12) | (hi << 20)) & mask)
    out.shift = this.#levels.shift[this.#level]!
    out.access = granted
    this.frameOffset = entryLo & format.addressLo & 0xfff
    return this.#stage === undefined || this.#stage.page(access, out) ? WALK_OK : WALK_SECOND_STAGE
  }

  #tableFrame(write: boolean): number {
    return this.#stage === undefined ? this.#guestTable : this.#stage.tableFrame(this.#guestTable, write)
  }

  #restrict(entryLo: number, entryHi: number, ignored: number): void {
    this.#permissionLo &= (entryLo ^ this.#permission.invertLo) | ignored
    this.#permissionHi &= (entryHi ^ this.#permission.invertHi) | ignored
  }

  #granted(access: number): number {
    const { shiftLo, maskLo, shiftHi, maskHi } = this.#permission
    const bits = ((this.#permissionLo >>> shiftLo) & maskLo) | ((this.#permissionHi >>> shiftHi) & maskHi)
    const privilege = (access & ACCESS_PRIV) << 3
    return this.#grants[bits | privilege]! & this.#limits[this.#limit | privilege]!
  }

  /** Marks the current entry where it is not marked yet. `false`: the second stage forbids writing its table. */
  #mark(bits: number): boolean {
    const lo = this.#words[this.#word]!
    const missing = ~(lo ^ this.#dirtyCleared) & bits
    if (missing === 0) return true
    if (this.#stage !== undefined && this.#tableFrame(true) < 0) return false
    this.#words[this.#word] = lo ^ missing
    return true
  }
}
