// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { ENOMEM } from '../../base/errno.ts'
import { PAGE_BYTES, pageOf } from '../../base/u64.ts'
import type { Caller } from '../files.ts'
import type { AddressSpace } from '../user-memory.ts'

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
    assert(!this.pinned, 'pages object is closed while pinned')
    this.process!.mm.drop()
    this.process = undefined
    if (this.frames.length > FRAMES_KEPT) this.frames = new Int32Array(1)
  }

  /** Pins every page and charges them. EFAULT, ENOMEM; undone on failure. */
  pin(): void {
    const { process, count } = this
    const { mm } = process!
    let done = 0
    try {
      if (count === 1) {
        this.frames[0] = mm.pin(this.hi, this.lo, this.writable)
        done = 1
      } else for (; done < count; done++) this.#pinAt(mm, done)
      this.#charge()
    } catch (thrown) {
      this.#unpinFirst(mm, done)
      throw thrown
    }
    this.pinned = true
  }

  unpin(): void {
    const { process, count } = this
    const { mm, user } = process!
    this.pinned = false
    this.#unpinFirst(mm, count)
    mm.pinnedVm -= count
    if (this.accountMode === ACCOUNT_USER) user.lockedPages -= count
    else if (this.accountMode === ACCOUNT_MM) mm.lockedVm -= count
  }

  /** ENOMEM: RLIMIT_MEMLOCK of the process that mapped. */
  #charge(): void {
    const { process, count } = this
    const { mm, user, memlockBytes } = process!
    if (this.accountMode === ACCOUNT_USER) {
      if ((user.lockedPages + count) * PAGE_BYTES > memlockBytes) throw ENOMEM
      user.lockedPages += count
    } else if (this.accountMode === ACCOUNT_MM) {
      if ((mm.lockedVm + count) * PAGE_BYTES > memlockBytes) throw ENOMEM
      mm.lockedVm += count
    }
    mm.pinnedVm += count
  }

  /** The list grows with what is really there, not with what a caller claims. */
  #pinAt(mm: AddressSpace, index: number): void {
    const lo = (this.lo >>> 0) + index * PAGE_BYTES
    const hi = (this.hi + Math.floor(lo / 4294967296)) | 0
    const frame = mm.pin(hi, lo | 0, this.writable)
    if (index === this.frames.length) {
      const grown = new Int32Array(Math.min(index * 2, this.count))
      grown.set(this.frames)
      this.frames = grown
    }
    this.frames[index] = frame
  }

  #unpinFirst(mm: AddressSpace, count: number): void {
    for (let i = 0; i < count; i++) mm.unpinPage(this.frames[i]!, this.writable)
  }
}

/** Pages that the bytes from the one address to the other lie in, as a small integer. */
export function pagesBetween(hi: number, lo: number, lastHi: number, lastLo: number): number {
  if (hi === lastHi) return ((lastLo >>> 12) - (lo >>> 12) + 1) | 0
  const pages = pageOf(lastHi, lastLo) - pageOf(hi, lo) + 1
  return pages < PAGES_MAX ? pages | 0 : PAGES_MAX
}
