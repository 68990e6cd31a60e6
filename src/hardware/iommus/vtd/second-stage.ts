// SPDX-License-Identifier: MIT
import { type TableTranslator, WALK_OK, type WalkStatus, type Walker } from '../../page-tables/walker.ts'
import { ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE, Translation } from '../../pci/messages.ts'

/** What a nested walk wanted of the second stage last. */
export const STAGE_TOP_TABLE = 0
export const STAGE_TABLE = 1
/** To set accessed or dirty bits in a first-stage entry. */
export const STAGE_MARK = 2
export const STAGE_PAGE = 3

/** The second stage of a nested walk (VT-d 3.8): every first-stage table, and the page. @spec VT-d 3.8 done */
export class SecondStage implements TableTranslator {
  /** Of the last walk. */
  status: WalkStatus
  /** STAGE_. */
  phase: number
  #walker: Walker | undefined
  #root: number
  #tables: number
  readonly #result: Translation

  constructor() {
    this.status = WALK_OK
    this.phase = STAGE_TOP_TABLE
    this.#walker = undefined
    this.#root = 0
    this.#tables = 0
    this.#result = new Translation()
  }

  /** Level at which the last walk stopped was the topmost. */
  get stoppedAtTop(): boolean {
    const walker = this.#walker!
    return walker.failedLevel === walker.format.levels - 1
  }

  /** The next walk goes through this table. */
  enter(walker: Walker, root: number): void {
    this.#walker = walker
    this.#root = root
    this.#tables = 0
  }

  tableFrame(guestFrame: number, write: boolean): number {
    this.phase = write ? STAGE_MARK : this.#tables++ === 0 ? STAGE_TOP_TABLE : STAGE_TABLE
    return this.#walk(guestFrame, write ? ACCESS_READ | ACCESS_WRITE : ACCESS_READ) ? this.#result.frame : -1
  }

  page(access: number, out: Translation): boolean {
    this.phase = STAGE_PAGE
    if (!this.#walk(out.frame, access & ~ACCESS_PRIV)) return false
    out.frame = this.#result.frame
    out.shift = Math.min(out.shift, this.#result.shift)
    out.access &= this.#result.access | ACCESS_PRIV
    return true
  }

  #walk(guestFrame: number, access: number): boolean {
    this.status = this.#walker!.walk(this.#root, guestFrame >>> 20, guestFrame << 12, access, this.#result)
    return this.status === WALK_OK
  }
}
