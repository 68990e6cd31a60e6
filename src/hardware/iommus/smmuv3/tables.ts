// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../memory.ts'
import { CarefulWalk } from '../../page-tables/careful-walk.ts'
import { lpae, type LpaeOptions } from '../../page-tables/formats/lpae.ts'
import { type TableTranslator, Walker, type WalkStatus } from '../../page-tables/walker.ts'
import type { Translation } from '../../pci/messages.ts'

/** A walk of tables with any number of levels. */
export interface TableWalker {
  walk(root: number, hi: number, lo: number, access: number, out: Translation): WalkStatus
  walkNested(
    root: number,
    hi: number,
    lo: number,
    access: number,
    stage: TableTranslator,
    out: Translation,
  ): WalkStatus
}

/** Two levels: address spaces of 30 bits and less. */
class ShortWalker implements TableWalker {
  readonly #walk: CarefulWalk

  constructor(memory: PhysicalMemory, options: LpaeOptions) {
    this.#walk = new CarefulWalk(memory, lpae(options))
  }

  walk(root: number, hi: number, lo: number, access: number, out: Translation): WalkStatus {
    return this.#walk.walk(root, hi, lo, access, undefined, out)
  }

  walkNested(
    root: number,
    hi: number,
    lo: number,
    access: number,
    stage: TableTranslator,
    out: Translation,
  ): WalkStatus {
    return this.#walk.walk(root, hi, lo, access, stage, out)
  }
}

/** Walkers are made once for each way of reading tables; what tells them apart stands in a few fields of STE and CD. */
export class Walkers {
  readonly #memory: PhysicalMemory
  readonly #walkers = new Map<string, TableWalker>()

  constructor(memory: PhysicalMemory) {
    this.#memory = memory
  }

  get(options: LpaeOptions): TableWalker {
    const { stage, levels, addressBits, accessFlag, dirtyState } = options
    const key = `${stage} ${levels} ${addressBits} ${accessFlag} ${dirtyState}`
    const present = this.#walkers.get(key)
    if (present !== undefined) return present
    const walker =
      levels === 2 ? new ShortWalker(this.#memory, options) : new Walker(this.#memory, lpae(options))
    this.#walkers.set(key, walker)
    return walker
  }
}

/**
 * A translation table as a base register and an input size describe it. The first table may be a part of a frame, or
 * (stage 2) several frames side by side.
 */
export class TableBase {
  /** Absent: walks are disabled. */
  walker: TableWalker | undefined = undefined
  /** Width of an input address, 25 … 48. */
  bits = 48
  /** Frame of the first table, and its first entry there. */
  root = 0
  #index = 0
  /** An entry of the first table covers 2^shift bytes. */
  #shift = 39
  /** The table fills one frame: addresses go to the walker as they are. */
  plain = true
  /** What `locate` found. */
  rootOf = 0
  hiOf = 0
  loOf = 0

  /** `(baseHi, baseLo)`: byte address of the first table. */
  set(walker: TableWalker, levels: number, bits: number, baseHi: number, baseLo: number): void {
    this.walker = walker
    this.bits = bits
    this.root = (baseHi << 20) | (baseLo >>> 12)
    this.#index = (baseLo & 0xfff) >>> 3
    this.#shift = 12 + 9 * (levels - 1)
    this.plain = this.#index === 0 && bits <= this.#shift + 9
  }

  /** Whether the address is within the input size. */
  covers(hi: number, lo: number): boolean {
    const { bits } = this
    return bits >= 32 ? hi >>> (bits - 32) === 0 : hi === 0 && lo >>> bits === 0
  }

  /** For a table that is not plain: the frame to begin in, and the address that leads to the right entry there. */
  locate(hi: number, lo: number): void {
    const shift = this.#shift
    const entry = this.#index + (shift < 32 ? (lo >>> shift) | (hi << (32 - shift)) : hi >>> (shift - 32))
    const index = entry & 511
    this.rootOf = this.root + (entry >> 9)
    if (shift < 32) {
      this.loOf = (lo & ((1 << shift) - 1)) | (index << shift)
      this.hiOf = index >>> (32 - shift)
    } else {
      this.loOf = lo
      this.hiOf = (hi & ((1 << (shift - 32)) - 1)) | (index << (shift - 32))
    }
  }
}

/** Levels of a stage-1 table with that input size. */
export function levelsOf(bits: number): 2 | 3 | 4 {
  if (bits > 39) return 4
  return bits > 30 ? 3 : 2
}
