// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { ENOMEM } from '../../base/errno.ts'
import { pageOf } from '../../base/u64.ts'
import type { Caller } from '../files.ts'
import type { AddressSpace } from '../user-memory.ts'

/** What pinned pages are charged to (`spec/02` §3.8). */
export const ACCOUNT_NONE = 0
export const ACCOUNT_USER = 1
export const ACCOUNT_MM = 2
export type AccountMode = typeof ACCOUNT_NONE | typeof ACCOUNT_USER | typeof ACCOUNT_MM

/** Frame lists longer than this are given back when their pages object goes into the pool. */
const FRAMES_KEPT = 512

/**
 * The memory behind one or more areas: pages of a process. Lazy: nothing is looked at until a domain needs it
 * (`spec/02` §3.1). Ownership: an mm reference while in use, a pin on every page in `frames` while pinned.
 */
export class Pages {
  /** Whose memory; `undefined` in the pool. */
  process: Caller | undefined = undefined
  /** 4 KiB page of the source at which the list starts. */
  firstPage = 0
  count = 0
  writable = false
  accountMode: AccountMode = ACCOUNT_NONE
  pinned = false
  /** Frames of the pinned pages, in order. May be longer than `count`. */
  frames: Int32Array = new Int32Array(1)
  /** Areas that show it. */
  users = 0

  /** `hi, lo`: address of the first byte; `lastHi, lastLo`: of the last. */
  open(
    process: Caller,
    hi: number,
    lo: number,
    lastHi: number,
    lastLo: number,
    writable: boolean,
    mode: AccountMode,
  ): void {
    this.process = process
    this.firstPage = pageOf(hi, lo)
    this.count = pageOf(lastHi, lastLo) - this.firstPage + 1
    this.writable = writable
    this.accountMode = mode
    this.users = 1
    process.mm.grab()
  }

  /** No area shows it any more. */
  close(): void {
    assert(!this.pinned, 'pages object is closed while pinned')
    this.process!.mm.drop()
    this.process = undefined
    if (this.frames.length > FRAMES_KEPT) this.frames = new Int32Array(1)
  }

  /** Pins every page and charges them. EFAULT, ENOMEM; undone on failure. */
  pin(): void {
    const { mm } = this.process!
    if (this.frames.length < this.count) this.frames = new Int32Array(this.count)
    let done = 0
    try {
      for (; done < this.count; done++) this.frames[done] = mm.pinPage(this.firstPage + done, this.writable)
      this.#charge()
    } catch (thrown) {
      this.#unpinFirst(mm, done)
      throw thrown
    }
    this.pinned = true
  }

  unpin(): void {
    const { mm } = this.process!
    this.pinned = false
    this.#unpinFirst(mm, this.count)
    mm.pinnedVm -= this.count
    if (this.accountMode === ACCOUNT_USER) this.process!.user.lockedPages -= this.count
    else if (this.accountMode === ACCOUNT_MM) mm.lockedVm -= this.count
  }

  /** ENOMEM: RLIMIT_MEMLOCK of the process that mapped. */
  #charge(): void {
    const { mm, user, memlockBytes } = this.process!
    if (this.accountMode === ACCOUNT_USER) {
      if ((user.lockedPages + this.count) * 4096 > memlockBytes) throw ENOMEM
      user.lockedPages += this.count
    } else if (this.accountMode === ACCOUNT_MM) {
      if ((mm.lockedVm + this.count) * 4096 > memlockBytes) throw ENOMEM
      mm.lockedVm += this.count
    }
    mm.pinnedVm += this.count
  }

  #unpinFirst(mm: AddressSpace, count: number): void {
    for (let i = 0; i < count; i++) mm.unpinPage(this.frames[i]!, this.writable)
  }
}
