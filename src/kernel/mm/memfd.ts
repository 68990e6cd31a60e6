// SPDX-License-Identifier: MIT
import { EINVAL, ENOMEM } from '../../base/errno.ts'
import { VM_FAULT_ERROR } from './fault-flags.ts'
import type { FrameAllocator } from './frame-allocator.ts'
import { HugeObject } from './huge-object.ts'
import { HUGE_FRAMES } from './huge-pool.ts'
import type { FileObject } from './mapped-object.ts'
import { MemoryObject } from './memory-object.ts'

const PAGE = 4096
const HUGE_PAGE = HUGE_FRAMES * PAGE

export interface MemfdOptions {
  readonly frames: FrameAllocator
  /** Of huge pages (MFD_HUGETLB). */
  readonly huge?: boolean
}

/** The memory of a memfd: a file without a disk. */
export class Memfd {
  /** Its pages, as areas show them. */
  readonly object: FileObject
  readonly frames: FrameAllocator
  #sizeBytes = 0

  constructor({ frames, huge = false }: MemfdOptions) {
    this.object = huge ? new HugeObject(frames, 0) : new MemoryObject({ frames, pages: 0 })
    this.frames = frames
  }

  get huge(): boolean {
    return this.object.huge
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /**
   * New size: pages past the end go, from every address space too, and the rest of the last page becomes zero unless the
   * file grows (observed on 7.2.13). EINVAL: a hugetlb file and not whole huge pages.
   */
  truncate(bytes: number): void {
    if (this.huge && bytes % HUGE_PAGE !== 0) throw EINVAL
    const grows = bytes > this.#sizeBytes
    this.#resize(bytes)
    if (!grows) this.#zeroTail(bytes)
  }

  /** Pins the page for long; returns its frame. EINVAL: not wholly inside the file (observed on 7.2.13); ENOMEM. */
  pin(page: number): number {
    if ((page + 1) * PAGE > this.#sizeBytes) throw EINVAL
    if (this.object instanceof HugeObject && !this.object.canPin(page)) throw ENOMEM
    const frame = this.#frameFor(page)
    this.frames.pin(frame)
    return frame
  }

  /** `dirty`: the device may have written. */
  unpin(frame: number, dirty: boolean): void {
    this.frames.unpin(frame, dirty)
  }

  /** Whether a device holds a page of it. */
  get pinned(): boolean {
    for (let page = this.object.nextPage(0); page !== undefined; page = this.object.nextPage(page + 1)) {
      if (this.frames.pins(this.object.peek(page)) > 0) return true
    }
    return false
  }

  /** Promises an area its huge pages. A writable one makes the file as long as it reaches. ENOMEM. */
  promise(firstPage: number, endPage: number, shared: boolean, writable: boolean): void {
    const { object } = this
    if (!(object instanceof HugeObject)) return
    if (shared) object.reserve(firstPage, endPage)
    if (writable && endPage * PAGE > this.#sizeBytes) this.#resize(endPage * PAGE)
  }

  /** Copies bytes of one page, of the file's inside, to the start of `into`. */
  load(position: number, into: Uint8Array, length: number): void {
    const frame = this.object.peek(Math.floor(position / PAGE))
    if (frame < 0) into.fill(0, 0, length)
    else this.frames.memory.read(frame, position % PAGE, into, 0, length)
  }

  /** Copies the start of `from` into one page; the file grows as needed. ENOMEM: it does not. */
  store(position: number, from: Uint8Array, length: number): void {
    const page = Math.floor(position / PAGE)
    const old = this.#sizeBytes
    if (position + length > old) this.#resize(position + length)
    try {
      this.frames.memory.write(this.#frameFor(page), position % PAGE, from, 0, length)
    } catch (thrown) {
      this.#resize(old)
      throw thrown
    }
  }

  get(): void {
    this.object.get()
  }

  put(): void {
    this.object.put()
  }

  /** Frame of a page, made if it is not there. ENOMEM. */
  #frameFor(page: number): number {
    if ((this.object.fault(page) & VM_FAULT_ERROR) !== 0) throw ENOMEM
    return this.object.found
  }

  #resize(bytes: number): void {
    this.#sizeBytes = bytes
    this.object.resize(Math.ceil(bytes / PAGE))
  }

  #zeroTail(bytes: number): void {
    const offset = bytes % PAGE
    const frame = offset === 0 ? -1 : this.object.peek(Math.floor(bytes / PAGE))
    if (frame >= 0) this.frames.memory.fill(frame, offset, PAGE - offset, 0)
  }
}
