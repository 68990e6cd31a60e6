// SPDX-License-Identifier: MIT
import { assert, broken } from '../../base/assert.ts'
import { EFAULT, ENOMEM, EOVERFLOW } from '../../base/errno.ts'
import { hiOf, loOf, pageHi, pageLo, toBigint } from '../../base/u64.ts'
import type { PhysicalMemory } from '../../hardware/memory.ts'
import type { PageTableFormat } from '../../hardware/page-tables/format.ts'
import { X86_64_4_LEVEL } from '../../hardware/page-tables/formats/x86-64.ts'
import { PageTable } from '../../hardware/page-tables/page-table.ts'
import type { Failpoints } from '../../sim/failpoint.ts'
import { Areas, USER_END_PAGE } from './areas.ts'
import { PageFaults } from './fault.ts'
import {
  FAULT_FLAG_INSTRUCTION,
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_USER,
  FAULT_FLAG_WRITE,
  VM_FAULT_ERROR,
  VM_FAULT_OOM,
  VM_FAULT_SIGSEGV,
} from './fault-flags.ts'
import { PageSharing } from './fork.ts'
import type { FrameAllocator } from './frame-allocator.ts'
import type { MmapOptions } from './mmap-options.ts'
import { type MmNotifier, Notifiers } from './notifiers.ts'
import { accessOfProt, PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE } from './prot.ts'
import { UserCopy } from './user-copy.ts'
import type { Vma } from './vma.ts'
import { Zapper } from './zap.ts'

export type { MmapOptions } from './mmap-options.ts'
export type { MmNotifier } from './notifiers.ts'

// An imported constant is a load at each use, one of the module itself is part of the code.
const READ = PROT_READ
const READ_WRITE: number = PROT_READ | PROT_WRITE

const LAST_PAGE_LO = 0xfffff000

export interface MmOptions {
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  readonly failpoints: Failpoints
  /** Where mappings without an address go. Default top-down, as Linux does. */
  readonly placement?: 'top-down' | 'bottom-up'
  /** Of the processor's page tables: at least 47 bits, 4 KiB pages. Default x86-64, 4 levels. */
  readonly format?: PageTableFormat
}

/**
 * A process's address space (Linux's mm_struct). Users keep the mappings alive, struct references the object and its
 * root table: an SVA domain or an iommufd area holds only the latter and asks `getNotZero` before it touches pages.
 */
export class Mm {
  /** What the processor walks; SVA shares it. */
  readonly table: PageTable
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  readonly failpoints: Failpoints
  /** Process-wide PASID of SVA; -1 until the first bind. */
  pasid = -1
  /** Counters that iommufd charges (VmPin, VmLck), in pages. */
  pinnedVm = 0
  lockedVm = 0
  /** Bytes that the last `copyIn` or `copyOut` copied before it failed. */
  copied = 0
  readonly #options: MmOptions
  readonly #areas: Areas
  readonly #notifiers: Notifiers = new Notifiers()
  readonly #faults: PageFaults
  readonly #copies: UserCopy
  #users = 1
  #references = 1
  #freed: (() => void)[] = []

  /** ENOMEM: no frame for the root table. */
  constructor(options: MmOptions) {
    const { memory, frames } = options
    this.#options = options
    this.memory = memory
    this.frames = frames
    this.failpoints = options.failpoints
    this.table = new PageTable({ memory, format: options.format ?? X86_64_4_LEVEL, frames })
    this.#faults = new PageFaults(memory, frames, this.table, this.#notifiers)
    this.#areas = new Areas({
      frames,
      failpoints: options.failpoints,
      table: this.table,
      notifiers: this.#notifiers,
      zapper: new Zapper(this.table, frames, this.#notifiers),
      topDown: options.placement !== 'bottom-up',
    })
    this.#copies = new UserCopy(memory, this)
  }

  /** Users (mm_users): the process itself is the first; at 0 the mappings go. */
  get users(): number {
    return this.#users
  }

  get alive(): boolean {
    return this.#users > 0
  }

  /** Number of areas. */
  get areas(): number {
    return this.#areas.list.length
  }

  /** Takes a user unless the mappings are already gone (mmget_not_zero). */
  getNotZero(): boolean {
    if (this.#users === 0) return false
    this.#users++
    return true
  }

  putUser(): void {
    assert(this.#users > 0, 'put of a user of an address space that has none')
    this.#users--
    if (this.#users === 0) this.#teardown()
  }

  /** Takes a struct reference (mmgrab): keeps the object and its root table, not the mappings. */
  grab(): void {
    if (this.#references === 0) broken('reference to a freed address space')
    this.#references++
  }

  drop(): void {
    if (this.#references === 0) broken('drop of a freed address space')
    this.#references--
    if (this.#references > 0) return
    this.table.destroy()
    for (const callback of this.#freed) callback()
  }

  /** `callback` runs when the last struct reference has gone. */
  whenFreed(callback: () => void): void {
    this.#freed.push(callback)
  }

  addNotifier(notifier: MmNotifier): void {
    this.#notifiers.add(notifier)
  }

  removeNotifier(notifier: MmNotifier): void {
    this.#notifiers.remove(notifier)
  }

  /** The process ends: its user goes. */
  exit(): void {
    this.putUser()
  }

  /** Where `mmap` would put it; nothing is changed. The errors of `mmap` that come of the place. */
  findPlace(options: MmapOptions): bigint {
    const start = this.#areas.findPlace(options)
    return toBigint(pageHi(start), pageLo(start))
  }

  /** Maps memory; returns its address. EINVAL, EEXIST, ENOMEM (no room, or past user space). */
  mmap(options: MmapOptions): bigint {
    const { start, end, prot } = this.#areas.map(options)
    if (options.populate === true && prot !== PROT_NONE) this.#populate(start, end, prot)
    return toBigint(pageHi(start), pageLo(start))
  }

  /** Unmaps whatever is in the range. EINVAL, ENOMEM (an area to be cut in two, and no memory). */
  munmap(address: bigint, lengthBytes: number): void {
    this.#areas.unmap(address, lengthBytes)
  }

  /** Changes the protection of a range. EINVAL; ENOMEM at a hole: what lies below it has been changed. */
  mprotect(address: bigint, lengthBytes: number, prot: number): void {
    this.#areas.protect(address, lengthBytes, prot)
  }

  /** Drops the pages of a range and keeps its areas (MADV_DONTNEED). EINVAL; ENOMEM when the range has a hole. */
  discard(address: bigint, lengthBytes: number): void {
    this.#areas.discard(address, lengthBytes)
  }

  /** Children do not get the areas of a range, or get them again (MADV_DONTFORK, MADV_DOFORK). EINVAL, ENOMEM. */
  setDontFork(address: bigint, lengthBytes: number, dontFork: boolean): void {
    this.#areas.setDontFork(address, lengthBytes, dontFork)
  }

  /** EINVAL; ENOMEM: the range has a hole. */
  checkMapped(address: bigint, lengthBytes: number): void {
    this.#areas.check(address, lengthBytes)
  }

  /** An empty address space of the same machine. ENOMEM. */
  fresh(): Mm {
    return new Mm(this.#options)
  }

  /** A child with the same areas; private pages are shared until one side writes. ENOMEM. */
  fork(): Mm {
    const child = new Mm(this.#options)
    const sharing = new PageSharing(this.memory, this.frames, child.table)
    try {
      for (let index = 0; index < this.#areas.list.length; index++) {
        const area = this.#areas.list.at(index)!
        if (area.dontFork) continue
        child.#areas.inherit(area)
        if (!area.shared) sharing.share(area, this.table)
      }
    } catch (error) {
      child.exit()
      throw error
    } finally {
      this.#notifiers.invalidate(0, USER_END_PAGE)
    }
    return child
  }

  /** The area that holds the address: no stack growth. */
  findVma(hi: number, lo: number): Vma | undefined {
    return this.#areas.list.find(hi, lo)
  }

  /**
   * Makes the page at the address present (handle_mm_fault): VM_FAULT_ bits. WRITE and INSTRUCTION need the area's
   * permission (SIGSEGV); reading is not checked, and in an area without any permission nothing happens.
   */
  handleFault(hi: number, lo: number, flags: number): number {
    const area = this.#areas.list.find(hi, lo)
    if (area === undefined) return VM_FAULT_SIGSEGV
    if ((flags & FAULT_FLAG_WRITE) !== 0 && (area.prot & PROT_WRITE) === 0) return VM_FAULT_SIGSEGV
    if ((flags & FAULT_FLAG_INSTRUCTION) !== 0 && (area.prot & PROT_EXEC) === 0) return VM_FAULT_SIGSEGV
    return this.#faults.handle(area, hi, lo, flags)
  }

  /**
   * Pins the page at the address for long: it stays where it is until `unpinPage`, past munmap and exit. A private page
   * is made this address space's own first. Returns its frame. EFAULT (no such page, no permission, no users), ENOMEM.
   */
  pin(hi: number, lo: number, write: boolean): number {
    const frame = this.table.frameAt(hi, lo, write ? READ_WRITE : READ)
    if (frame >= 0 && this.frames.pinExclusive(frame)) return frame
    const own = this.#makePinnable(hi, lo, write ? FAULT_FLAG_WRITE : FAULT_FLAG_UNSHARE)
    this.frames.pin(own)
    return own
  }

  /** `pin` by page number. */
  pinPage(page: number, write: boolean): number {
    return this.pin(pageHi(page), pageLo(page), write)
  }

  /** `dirty`: the device may have written. Works after exit too. */
  unpinPage(frame: number, dirty: boolean): void {
    this.frames.unpin(frame, dirty)
  }

  /** Bytes of a frame that is pinned. */
  readFrame(frame: number, at: number, into: Uint8Array, offset: number, length: number): void {
    assert(this.memory.read(frame, at, into, offset, length), 'a pinned frame cannot be read')
  }

  writeFrame(frame: number, at: number, from: Uint8Array, offset: number, length: number): void {
    assert(this.memory.write(frame, at, from, offset, length), 'a pinned frame cannot be written')
  }

  /** Pins of the page at the address, which is faulted in; `undefined`: a part of a huge page. EFAULT, ENOMEM. */
  pinCountAt(hi: number, lo: number): number | undefined {
    const frame = this.#readable(hi, lo)
    return this.frames.huge.owns(frame) ? undefined : this.frames.pins(frame)
  }

  /** Frame of a page for code that fills it in place; not pinned. EFAULT, ENOMEM. */
  frameForWrite(page: number): number {
    const frame = this.resolve(pageHi(page), pageLo(page), PROT_WRITE)
    if (frame < 0) throw (-frame & VM_FAULT_OOM) === 0 ? EFAULT : ENOMEM
    return frame
  }

  /** Frame of a page, which is faulted in for reading as for a pin; not pinned. EFAULT, ENOMEM. */
  frameForRead(page: number): number {
    return this.#readable(pageHi(page), pageLo(page))
  }

  /** copy_from_user. EFAULT at the first byte that cannot be read: `copied` bytes are in `into` then. */
  copyIn(hi: number, lo: number, into: Uint8Array, offset: number, length: number): void {
    this.copied = 0
    if (this.failpoints.hit('copy_user')) throw EFAULT
    this.copied = this.#copies.load(hi, lo, into, offset, length)
    if (this.copied < length) throw EFAULT
  }

  /** copy_to_user. EFAULT at the first byte that cannot be written: `copied` bytes have been. */
  copyOut(hi: number, lo: number, from: Uint8Array, offset: number, length: number): void {
    this.copied = 0
    if (this.failpoints.hit('copy_user')) throw EFAULT
    this.copied = this.#copies.store(hi, lo, from, offset, length)
    if (this.copied < length) throw EFAULT
  }

  /** The process's own loads. EFAULT. */
  read(address: bigint, into: Uint8Array): void {
    this.copied = this.#copies.load(hiOf(address), loOf(address), into, 0, into.length)
    if (this.copied < into.length) throw EFAULT
  }

  /** The process's own stores. EFAULT. */
  write(address: bigint, from: Uint8Array): void {
    this.copied = this.#copies.store(hiOf(address), loOf(address), from, 0, from.length)
    if (this.copied < from.length) throw EFAULT
  }

  /** For `UserCopy`: the frame of a page that the process may use so, or minus the VM_FAULT_ bits. */
  resolve(hi: number, lo: number, access: number): number {
    const frame = this.table.frameAt(hi, lo, access)
    return frame >= 0 ? frame : this.#resolveFault(hi, lo, access)
  }

  #resolveFault(hi: number, lo: number, access: number): number {
    const write = access === PROT_WRITE
    const area = this.findVma(hi, lo)
    if (area === undefined || (accessOfProt(area.prot) & access) === 0) return -VM_FAULT_SIGSEGV
    const bits = this.handleFault(hi, lo, FAULT_FLAG_USER | (write ? FAULT_FLAG_WRITE : 0))
    return (bits & VM_FAULT_ERROR) === 0 ? this.table.frameAt(hi, lo, access) : -(bits & VM_FAULT_ERROR)
  }

  /** get_user_pages for reading: what is there will do, whatever the area says by now. EFAULT, ENOMEM. */
  #readable(hi: number, lo: number): number {
    const frame = this.table.frameAt(hi, lo, READ)
    const usable = frame >= 0 && this.findVma(hi, lo)?.object?.device !== true
    return usable ? frame : this.#makePinnable(hi, lo, 0)
  }

  /**
   * get_user_pages: the page as `flags` want it. A device's memory has no pages to pin. EFAULT, ENOMEM; EOVERFLOW: the
   * end of the last page of all is no address.
   */
  #makePinnable(hi: number, lo: number, flags: number): number {
    if (hi === -1 && lo >>> 0 >= LAST_PAGE_LO) throw EOVERFLOW
    const area = this.findVma(hi, lo)
    const access = (flags & FAULT_FLAG_WRITE) !== 0 ? PROT_WRITE : PROT_READ
    if (area === undefined || (area.prot & access) === 0 || area.object?.device === true) throw EFAULT
    const bits = this.handleFault(hi, lo, flags)
    if ((bits & VM_FAULT_ERROR) !== 0) throw (bits & VM_FAULT_OOM) === 0 ? EFAULT : ENOMEM
    const frame = this.table.frameAt(hi, lo, access)
    assert(frame >= 0, 'a resolved fault left no page')
    return frame
  }

  #populate(start: number, end: number, prot: number): void {
    const flags = (prot & PROT_WRITE) !== 0 ? FAULT_FLAG_WRITE : 0
    for (let page = start; page < end; page++) {
      if ((this.handleFault(pageHi(page), pageLo(page), flags) & VM_FAULT_ERROR) !== 0) return
    }
  }

  #teardown(): void {
    this.#notifiers.release()
    this.#areas.clear()
    this.table.clear()
    this.drop()
  }
}
