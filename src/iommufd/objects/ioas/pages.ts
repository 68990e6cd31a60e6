// SPDX-License-Identifier: MIT
import { broken } from '../../../base/assert.ts'
import { ENOMEM } from '../../../base/errno.ts'
import { PAGE_BYTES, pageOf } from '../../../base/u64.ts'
import type { Caller, UserAccount } from '../../files.ts'
import type { AddressSpace } from '../../user-memory.ts'
import { ACCOUNT_NONE, type AccountMode, charge, uncharge } from './accounting.ts'
import type { BufferSource, FileSource } from './page-source.ts'
import { PinCounts, type PinSource } from './pin-counts.ts'

/** Frame lists longer than this are given back when their pages object goes into the pool. */
const FRAMES_KEPT = 512

/** More pages than can ever be pinned (4 TiB): a longer mapping is possible as long as nobody looks at its memory. */
const PAGES_MAX = 2 ** 30

const PAGE_MASK = PAGE_BYTES - 1

export { ACCOUNT_MM, ACCOUNT_NONE, ACCOUNT_USER, type AccountMode } from './accounting.ts'

const NO_FRAMES = new Int32Array(0)
const FRAMES_FIRST = 16

// An imported constant is a load at each use, one of the module itself is part of the code.
const BYTES = PAGE_BYTES

/**
 * The memory behind one or more areas: pages of a process, of a file, or a dma-buf. Lazy: nothing is looked at until a
 * domain or an access needs it (`spec/02` §3.1). Ownership: an mm reference while in use, a pin on every page that an
 * area in a domain or an access holds, each charged once. A plain one is pinned as a whole (`pin`); of every other one
 * pages are held one by one (`hold`).
 */
export class Pages implements PinSource {
  /** Whose limit counts; `undefined` in the pool. */
  process: Caller | undefined = undefined
  /** What is charged: the address space and the user that the process had when it mapped. Stale in the pool. */
  mm: AddressSpace | undefined = undefined
  user: UserAccount | undefined = undefined
  /** Memory of a process that one area shows, all of it, and that no access has ever held. */
  plain = true
  /** A file's memory; `undefined`: that of `mm`. */
  file: FileSource | undefined = undefined
  /** A dma-buf: never pinned and never charged. */
  buffer: BufferSource | undefined = undefined
  /** Address of the first page, or its place in the file. */
  hi = 0
  lo = 0
  /** Pages, PAGES_MAX at most. */
  count = 0
  writable = false
  accountMode: AccountMode = ACCOUNT_NONE
  /** Pinned as a whole, when plain. */
  pinned = false
  /** The pinned page when it is the only one. */
  frame = 0
  /** Frames of the pinned pages, in order, when there are several. May be longer than `count`. */
  frames: Int32Array = NO_FRAMES
  /** Pages held one by one, when not plain. */
  counts: PinCounts | undefined = undefined
  /** Areas that show it. */
  users = 0
  /** Pages charged that are not pinned; below 0: pinned and not charged. Not 0 only once giving back has failed. */
  #excess = 0

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
    const { mm } = process
    this.process = process
    this.mm = mm
    this.user = process.user
    this.hi = hi
    this.lo = lo & ~PAGE_MASK
    this.count = pagesBetween(hi, lo, lastHi, lastLo)
    this.writable = writable
    this.accountMode = mode
    this.users = 1
    this.#excess = 0
    mm.grab()
  }

  /** The memory is a file's, or a dma-buf. */
  setSource(file: FileSource | undefined, buffer: BufferSource | undefined): void {
    this.plain = false
    this.file = file
    this.buffer = buffer
  }

  /** No area shows it any more. */
  close(): void {
    if (this.pinned) broken('pages object is closed while pinned')
    this.mm!.drop()
    this.process = undefined
    if (this.frames.length > FRAMES_KEPT) this.frames = NO_FRAMES
    if (!this.plain) this.#closeShared()
  }

  /** Pages pinned and charged. */
  get pinnedCount(): number {
    return this.pinned ? this.count : (this.counts?.size ?? 0)
  }

  /** Frame of a page that is pinned, or a dma-buf's. */
  frameAt(index: number): number {
    if (!this.plain) return this.#sharedFrame(index)
    return this.count === 1 ? this.frame : this.frames[index]!
  }

  /** Frame of a page if it is pinned. */
  findFrame(index: number): number | undefined {
    return this.pinned ? this.frameAt(index) : this.counts?.frameAt(index)
  }

  /** Pages from `index`, which is in `first`, on whose frames are consecutive; `max` at most. */
  runLength(index: number, first: number, max: number): number {
    let length = 1
    if (this.plain) {
      const { frames } = this
      while (length < max && frames[index + length] === first + length) length++
    } else while (length < max && this.#sharedFrame(index + length) === first + length) length++
    return length
  }

  /** Pins every page of a plain object and charges them. EFAULT, ENOMEM; undone on failure. */
  pin(): void {
    const mm = this.mm!
    if (this.count === 1) this.frame = mm.pin(this.hi, this.lo, this.writable)
    else this.#pinAll(mm)
    if (!this.charge(this.count)) {
      this.#unpinAll(mm)
      throw ENOMEM
    }
    this.pinned = true
  }

  unpin(): void {
    this.pinned = false
    this.#unpinAll(this.mm!)
    this.uncharge(this.count)
  }

  /** One more holder of some pages. EFAULT, EINVAL (a file's), ENOMEM; undone on failure. */
  hold(first: number, last: number): void {
    if (this.buffer !== undefined) return
    this.share()
    const counts = (this.counts ??= new PinCounts(this))
    const before = counts.size
    counts.hold(first, last)
    if (this.charge(counts.size - before)) return
    counts.release(first, last)
    throw ENOMEM
  }

  release(first: number, last: number): void {
    const { counts } = this
    if (counts === undefined) return
    const before = counts.size
    counts.release(first, last)
    this.uncharge(before - counts.size)
  }

  /** From now on pages are held one by one: what is pinned is held once. */
  share(): void {
    if (!this.plain) return
    if (this.pinned) {
      const counts = new PinCounts(this)
      for (let i = 0; i < this.count; i++) counts.adopt(i, this.frameAt(i))
      this.counts = counts
    }
    this.plain = false
    this.pinned = false
  }

  /** Pins one page, charging nothing. EFAULT, EINVAL, ENOMEM. */
  pinPage(index: number): number {
    if (this.file !== undefined) return this.file.pin(pageOf(this.hi, this.lo) + index)
    const lo = (this.lo >>> 0) + index * BYTES
    const hi = (this.hi + Math.floor(lo / 4294967296)) | 0
    return this.mm!.pin(hi, lo | 0, this.writable)
  }

  unpinFrame(frame: number): void {
    if (this.file === undefined) this.mm!.unpinPage(frame, this.writable)
    else this.file.unpin(frame, this.writable)
  }

  /** `pages` more are pinned. `false`, and nothing happens: over RLIMIT_MEMLOCK of the process that mapped. */
  charge(pages: number): boolean {
    if (this.#excess !== 0) return this.#settle(pages - this.#excess, pages)
    return charge(this.accountMode, this.process!, this.mm!, this.user!, pages)
  }

  /** `pages` fewer are pinned. */
  uncharge(pages: number): void {
    if (this.#excess !== 0) this.#settle(-pages - this.#excess, -pages)
    else if (!uncharge(this.accountMode, this.mm!, this.user!, pages)) this.#excess = pages
  }

  /** Charges another process. `false`, and nothing happens: over its limit. */
  chargeTo(process: Caller): boolean {
    return charge(this.accountMode, process, process.mm, process.user, this.pinnedCount + this.#excess)
  }

  unchargeFrom(process: Caller): void {
    uncharge(this.accountMode, process.mm, process.user, this.pinnedCount + this.#excess)
  }

  /** What is pinned was charged to another process. `false`: this one has ended, and has it still. */
  uncharged(): boolean {
    const { pinnedCount } = this
    const done = uncharge(this.accountMode, this.mm!, this.user!, pinnedCount)
    this.#excess = done ? 0 : -pinnedCount
    return done
  }

  /** From now on the memory, a file's, is that of another process. What is charged stays as it is. */
  changeProcess(process: Caller): void {
    process.mm.grab()
    this.mm!.drop()
    this.process = process
    this.mm = process.mm
    this.user = process.user
  }

  /** Charges the difference, up or down, now that `pinned` more are pinned. */
  #settle(difference: number, pinned: number): boolean {
    const { accountMode, mm, user } = this
    const done =
      difference < 0
        ? uncharge(accountMode, mm!, user!, -difference)
        : charge(accountMode, this.process!, mm!, user!, difference)
    if (done) this.#excess = 0
    else if (difference < 0) this.#excess -= pinned
    return done || difference < 0
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

  #sharedFrame(index: number): number {
    const frame = this.buffer === undefined ? this.counts?.frameAt(index) : this.buffer.frameAt(index)
    if (frame === undefined) broken('frame of a page that is not pinned')
    return frame
  }

  #closeShared(): void {
    const { file, buffer, counts } = this
    if (counts !== undefined && counts.size > 0) broken('pages object is closed while pages are held')
    this.plain = true
    this.counts = undefined
    this.file = undefined
    this.buffer = undefined
    file?.close()
    buffer?.close()
  }
}

/** Pages that the bytes from the one address to the other lie in, as a small integer. */
export function pagesBetween(hi: number, lo: number, lastHi: number, lastLo: number): number {
  if (hi === lastHi) return ((lastLo >>> 12) - (lo >>> 12) + 1) | 0
  const pages = pageOf(lastHi, lastLo) - pageOf(hi, lo) + 1
  return pages < PAGES_MAX ? pages | 0 : PAGES_MAX
}
