// SPDX-License-Identifier: MIT
import * as walks from '../../page-tables/walker.ts'
import type { TableTranslator, WalkStatus } from '../../page-tables/walker.ts'
import * as messages from '../../pci/messages.ts'
import { Translation } from '../../pci/messages.ts'
import * as queues from './layout-queues.ts'
import type { TableBase } from './tables.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { WALK_NOT_CANONICAL, WALK_OK } = walks
const { ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE } = messages
const { CLASS_IN, CLASS_TT } = queues

/** Stage 2 of a nested walk: guest frames to physical ones, for the stage-1 tables and for the page itself. */
export class SecondStage implements TableTranslator {
  /** Of the last walk, what it was for (CLASS_), and its IPA. */
  status: WalkStatus = WALK_OK
  class: number = CLASS_IN
  ipaHi = 0
  ipaLo = 0
  #table: TableBase | undefined = undefined
  readonly #result: Translation = new Translation()

  /** The next walk goes through this table. */
  enter(table: TableBase): void {
    this.#table = table
  }

  tableFrame(guestFrame: number, write: boolean): number {
    this.class = CLASS_TT
    const access = write ? ACCESS_READ | ACCESS_WRITE : ACCESS_READ
    return this.walk(guestFrame >>> 20, guestFrame << 12, access, this.#result) ? this.#result.frame : -1
  }

  page(access: number, out: Translation): boolean {
    this.class = CLASS_IN
    if (!this.walk(out.frame >>> 20, out.frame << 12, access & ~ACCESS_PRIV, this.#result)) return false
    out.frame = this.#result.frame
    out.shift = Math.min(out.shift, this.#result.shift)
    out.access &= this.#result.access | ACCESS_PRIV
    return true
  }

  /** Translates one IPA. */
  walk(hi: number, lo: number, access: number, out: Translation): boolean {
    const table = this.#table!
    const walker = table.walker!
    this.ipaHi = hi
    this.ipaLo = lo
    if (!table.covers(hi, lo)) {
      this.status = WALK_NOT_CANONICAL
    } else if (table.plain) {
      this.status = walker.walk(table.root, hi, lo, access, out)
    } else {
      table.locate(hi, lo)
      this.status = walker.walk(table.rootOf, table.hiOf, table.loOf, access, out)
    }
    return this.status === WALK_OK
  }
}
