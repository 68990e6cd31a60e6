// SPDX-License-Identifier: MIT
import { EINVAL, ENOMEM } from '../../base/errno.ts'
import { VM_FAULT_ERROR } from './fault-flags.ts'
import type { FrameAllocator } from './frame-allocator.ts'
import type { FileObject } from './mapped-object.ts'

const PAGE = 4096
const HUGE_PAGE = 2 * 2 ** 20

/** The memory of a memfd: a file without a disk. */
export class Memfd {
  /** Its pages, as areas show them. */
  readonly object: FileObject
  readonly frames: FrameAllocator
  #sizeBytes = 0

  /** Takes over the caller's reference on the object, which is empty. */
  constructor(object: FileObject, frames: FrameAllocator) {
    this.object = object
    this.frames = frames
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /**
   * New size: pages past the end go, from every address space too, and the rest of the last page becomes zero. EINVAL: a
   * hugetlb file and not whole huge pages.
   */
  truncate(bytes: number): void {
    if (this.object.huge && bytes % HUGE_PAGE !== 0) throw EINVAL
    const shrinks = bytes < this.#sizeBytes
    this.#sizeBytes = bytes
    this.object.resize(Math.ceil(bytes / PAGE))
    if (shrinks) this.#zeroTail(bytes)
  }

  /** Pins the page for long; returns its frame. EINVAL: past the end; ENOMEM. */
  pin(page: number): number {
    const frame = this.frameFor(page)
    this.frames.pin(frame)
    return frame
  }

  /** `dirty`: the device may have written. */
  unpin(frame: number, dirty: boolean): void {
    this.frames.unpin(frame, dirty)
  }

  /** Frame of a page, made if it is not there; not pinned. EINVAL: past the end; ENOMEM. */
  frameFor(page: number): number {
    if (page >= this.object.pages) throw EINVAL
    if ((this.object.fault(page) & VM_FAULT_ERROR) !== 0) throw ENOMEM
    return this.object.found
  }

  get(): void {
    this.object.get()
  }

  put(): void {
    this.object.put()
  }

  #zeroTail(bytes: number): void {
    const offset = bytes % PAGE
    const frame = offset === 0 ? -1 : this.object.peek(Math.floor(bytes / PAGE))
    if (frame >= 0) this.frames.memory.fill(frame, offset, PAGE - offset, 0)
  }
}
