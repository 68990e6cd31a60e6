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
 * area in a domain or an access holds, each charged once. One area that shows the whole object pins it as a whole
 * (`pin`); everybody else holds pages one by one (`hold`).
 */
export class Pages implements PinSource {
  /** Whose limit counts; `undefined` in the pool. */
  process: Caller | undefined = undefined
  /** What is charged: the address space and the user that the process had when it mapped. */
  mm: AddressSpace | undefined = undefined
  user: UserAccount | undefined = undefined
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
  /** Pinned as a whole. */
  pinned = false
  /** The pinned page when it is the only one. */
  frame = 0
  /** Frames of the pinned pages, in order, when there are several. May be longer than `count`. */
  frames: Int32Array = NO_FRAMES
  /** Pages held one by one. */
  counts: PinCounts | undefined = undefined
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
    mm.grab()
  }

  /** No area shows it any more. */
  close(): void {
    if (this.pinned || this.counts !== undefined) broken('pages object is closed while pinned')
    this.mm!.drop()
    this.process = undefined
    this.mm = undefined
    this.user = undefined
    if (this.frames.length > FRAMES_KEPT) this.frames = NO_FRAMES
    if (this.file !== undefined || this.buffer !== undefined) this.#closeSource()
  }

  /** Pages pinned and charged. */
  get pinnedCount(): number {
    return this.pinned ? this.count : (this.counts?.size ?? 0)
  }

  /** Frame of a page that is pinned, or a dma-buf's. */
  frameAt(index: number): number {
    if (!this.pinned) return this.#frameNotWhole(index)
    return this.count === 1 ? this.frame : this.frames[index]!
  }

  /** Frame of a page if it is pinned. */
  findFrame(index: number): number | undefined {
    return this.pinned ? this.frameAt(index) : this.counts?.frameAt(index)
  }

  /** Pages from `index` on, `max` at most, whose frames are consecutive. */
  runLength(index: number, max: number): number {
    const { frames } = this
    const whole = this.pinned && this.count > 1
    const first = whole ? frames[index]! : this.frameAt(index)
    let length = 1
    if (whole) while (length < max && frames[index + length] === first + length) length++
    else while (length < max && this.frameAt(index + length) === first + length) length++
    return length
  }

  /** Pins every page and charges them. EFAULT, EINVAL (of a file), ENOMEM; undone on failure. */
  pin(): void {
    const mm = this.mm!
    if (this.count === 1 && this.file === undefined) this.frame = mm.pin(this.hi, this.lo, this.writable)
    else this.#pinAll()
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

  /** One more holder of some pages; as `pin`. */
  hold(first: number, last: number): void {
    if (this.buffer !== undefined) return
    this.share()
    const counts = this.counts!
    const before = counts.size
    try {
      counts.hold(first, last)
      if (!this.charge(counts.size - before)) {
        counts.release(first, last)
        throw ENOMEM
      }
    } catch (thrown) {
      this.#forgetCounts()
      throw thrown
    }
  }

  release(first: number, last: number): void {
    const { counts } = this
    if (counts === undefined) return
    const before = counts.size
    counts.release(first, last)
    this.uncharge(before - counts.size)
    this.#forgetCounts()
  }

  /** From now on pages are held one by one. */
  share(): void {
    if (this.counts !== undefined) return
    const counts = new PinCounts(this)
    if (this.pinned) for (let i = 0; i < this.count; i++) counts.adopt(i, this.frameAt(i))
    this.pinned = false
    this.counts = counts
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

  /** `false`, and nothing happens: over RLIMIT_MEMLOCK of the process that mapped. */
  charge(pages: number): boolean {
    return charge(this.accountMode, this.process!, this.mm!, this.user!, pages)
  }

  uncharge(pages: number): void {
    uncharge(this.accountMode, this.mm!, this.user!, pages)
  }

  /** Charges the pinned pages to another process. `false`, and nothing happens: over its limit. */
  chargeTo(process: Caller): boolean {
    return charge(this.accountMode, process, process.mm, process.user, this.pinnedCount)
  }

  unchargeFrom(process: Caller): void {
    uncharge(this.accountMode, process.mm, process.user, this.pinnedCount)
  }

  /** From now on the memory, a file's, is that of another process. What is charged stays as it is. */
  changeProcess(process: Caller): void {
    process.mm.grab()
    this.mm!.drop()
    this.process = process
    this.mm = process.mm
    this.user = process.user
  }

  #pinAll(): void {
    let done = 0
    try {
      for (; done < this.count; done++) this.#pinAt(done)
    } catch (thrown) {
      for (let i = 0; i < done; i++) this.unpinFrame(this.frames[i]!)
      throw thrown
    }
    if (this.count === 1) this.frame = this.frames[0]!
  }

  /** The list grows with what is really there, not with what a caller claims. */
  #pinAt(index: number): void {
    const frame = this.pinPage(index)
    if (index === this.frames.length) {
      const grown = new Int32Array(Math.min(Math.max(index * 2, FRAMES_FIRST), this.count))
      grown.set(this.frames)
      this.frames = grown
    }
    this.frames[index] = frame
  }

  #unpinAll(mm: AddressSpace): void {
    if (this.count === 1 && this.file === undefined) return mm.unpinPage(this.frame, this.writable)
    for (let i = 0; i < this.count; i++) this.unpinFrame(this.frames[i]!)
  }

  #frameNotWhole(index: number): number {
    const frame = this.buffer === undefined ? this.counts?.frameAt(index) : this.buffer.frameAt(index)
    if (frame === undefined) broken('frame of a page that is not pinned')
    return frame
  }

  /** The object can be pinned as a whole again. */
  #forgetCounts(): void {
    if (this.counts!.size === 0) this.counts = undefined
  }

  #closeSource(): void {
    const { file, buffer } = this
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
