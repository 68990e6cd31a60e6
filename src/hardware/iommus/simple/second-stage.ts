// SPDX-License-Identifier: MIT
import { WALK_OK, type TableTranslator, type WalkStatus, type Walker } from '../../page-tables/walker.ts'
import { ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE, Translation } from '../../pci/messages.ts'

/** Stage 2 of a nested walk: guest frames to physical ones, for the stage-1 tables and for the page itself. */
export class SecondStage implements TableTranslator {
  /** Of the last walk. */
  status: WalkStatus
  #walker: Walker | undefined
  #root: number
  readonly #result: Translation

  constructor() {
    this.status = WALK_OK
    this.#walker = undefined
    this.#root = 0
    this.#result = new Translation()
  }

  /** The next walk goes through this table. */
  enter(walker: Walker, root: number): void {
    this.#walker = walker
    this.#root = root
  }

  tableFrame(guestFrame: number, write: boolean): number {
    return this.#walk(guestFrame, write ? ACCESS_READ | ACCESS_WRITE : ACCESS_READ) ? this.#result.frame : -1
  }

  page(access: number, out: Translation): boolean {
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
