// SPDX-License-Identifier: MIT
import { broken } from '../../../base/assert.ts'
import { ENOMEM } from '../../../base/errno.ts'
import { PAGE_BYTES, pageOf } from '../../../base/u64.ts'
import type { Caller } from '../../files.ts'
import type { AddressSpace } from '../../user-memory.ts'

/** What pinned pages are charged to (`spec/02` §3.8). */
export const ACCOUNT_NONE = 0
export const ACCOUNT_USER = 1
export const ACCOUNT_MM = 2
export type AccountMode = typeof ACCOUNT_NONE | typeof ACCOUNT_USER | typeof ACCOUNT_MM

/** Frame lists longer than this are given back when their pages object goes into the pool. */
const FRAMES_KEPT = 512

/** More pages than can ever be pinned (4 TiB): a longer mapping is possible as long as nobody looks at its memory. */
const PAGES_MAX = 2 ** 30

const PAGE_MASK = PAGE_BYTES - 1

const NO_FRAMES = new Int32Array(0)
const FRAMES_FIRST = 16

// An imported constant is a load at each use, one of the module itself is part of the code.
const BYTES = PAGE_BYTES

/**
 * The memory behind one or more areas: pages of a process. Lazy: nothing is looked at until a domain needs it
 * (`spec/02` §3.1). Ownership: an mm reference while in use, a pin on every page in `frames` while pinned.
 */
export class Pages {
  /** Whose memory; `undefined` in the pool. */
  process: Caller | undefined = undefined
  /** Address of the first page. */
  hi = 0
  lo = 0
  /** Pages, PAGES_MAX at most. */
  count = 0
  writable = false
  accountMode: AccountMode = ACCOUNT_NONE
  pinned = false
  /** The pinned page when it is the only one. */
  frame = 0
  /** Frames of the pinned pages, in order, when there are several. May be longer than `count`. */
  frames: Int32Array = NO_FRAMES
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
    this.hi = hi
    this.lo = lo & ~PAGE_MASK
    this.count = pagesBetween(hi, lo, lastHi, lastLo)
    this.writable = writable
    this.accountMode = mode
    this.users = 1
    process.mm.grab()
  }

  /** No area shows it any more. */
  close(): void {
    if (this.pinned) broken('pages object is closed while pinned')
    this.process!.mm.drop()
    this.process = undefined
    if (this.frames.length > FRAMES_KEPT) this.frames = NO_FRAMES
  }

  /** Frame of a pinned page. */
  frameAt(index: number): number {
    return this.count === 1 ? this.frame : this.frames[index]!
  }

  /** Pins every page and charges them. EFAULT, ENOMEM; undone on failure. */
  pin(): void {
    const process = this.process!
    const { mm } = process
    if (this.count === 1) this.frame = mm.pin(this.hi, this.lo, this.writable)
    else this.#pinAll(mm)
    if (!this.#charge(process, mm)) {
      this.#unpinAll(mm)
      throw ENOMEM
    }
    this.pinned = true
  }

  unpin(): void {
    const { process, count } = this
    const { mm, user } = process!
    this.pinned = false
    this.#unpinAll(mm)
    mm.pinnedVm -= count
    if (this.accountMode === ACCOUNT_USER) user.lockedPages -= count
    else if (this.accountMode === ACCOUNT_MM) mm.lockedVm -= count
  }

  /** `false`: over RLIMIT_MEMLOCK of the process that mapped. */
  #charge(process: Caller, mm: AddressSpace): boolean {
    const { count } = this
    if (this.accountMode === ACCOUNT_USER) {
      const locked = process.user.lockedPages + count
      if (locked * BYTES > process.memlockBytes) return false
      process.user.lockedPages = locked
    } else if (this.accountMode === ACCOUNT_MM) {
      const locked = mm.lockedVm + count
      if (locked * BYTES > process.memlockBytes) return false
      mm.lockedVm = locked
    }
    mm.pinnedVm += count
    return true
  }

  #pinAll(mm: AddressSpace): void {
    let done = 0
    try {
      for (; done < this.count; done++) this.#pinAt(mm, done)
    } catch (thrown) {
      for (let i = 0; i < done; i++) mm.unpinPage(this.frames[i]!, this.writable)
      throw thrown
    }
  }

  /** The list grows with what is really there, not with what a caller claims. */
  #pinAt(mm: AddressSpace, index: number): void {
    const lo = (this.lo >>> 0) + index * BYTES
    const hi = (this.hi + Math.floor(lo / 4294967296)) | 0
    const frame = mm.pin(hi, lo | 0, this.writable)
    if (index === this.frames.length) {
      const grown = new Int32Array(Math.min(Math.max(index * 2, FRAMES_FIRST), this.count))
      grown.set(this.frames)
      this.frames = grown
    }
    this.frames[index] = frame
  }

  #unpinAll(mm: AddressSpace): void {
    if (this.count === 1) return mm.unpinPage(this.frame, this.writable)
    for (let i = 0; i < this.count; i++) mm.unpinPage(this.frames[i]!, this.writable)
  }
}

/** Pages that the bytes from the one address to the other lie in, as a small integer. */
export function pagesBetween(hi: number, lo: number, lastHi: number, lastLo: number): number {
  if (hi === lastHi) return ((lastLo >>> 12) - (lo >>> 12) + 1) | 0
  const pages = pageOf(lastHi, lastLo) - pageOf(hi, lo) + 1
  return pages < PAGES_MAX ? pages | 0 : PAGES_MAX
}
