// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { ENOMEM, isErrno } from '../../base/errno.ts'
import { VM_FAULT_SIGBUS } from './fault-flags.ts'
import type { FrameAllocator } from './frame-allocator.ts'
import { HUGE_FRAMES } from './huge-pool.ts'
import type { FileObject, ObjectMapper } from './mapped-object.ts'
import { Mappers } from './mappers.ts'

/** A file of huge pages (hugetlbfs), or shared anonymous memory of them. Pages are promised when they are mapped. */
export class HugeObject implements FileObject {
  readonly device: boolean = false
  readonly huge: boolean = true
  found = 0
  readonly #frames: FrameAllocator
  readonly #mappers: Mappers = new Mappers()
  /** First frame of each huge page that is there, by its number. */
  readonly #present: Map<number, number> = new Map()
  /** Numbers of the huge pages that are there or promised. */
  readonly #known: Set<number> = new Set()
  #pages: number
  #references = 1

  /** `pages`: size in pages of 4 KiB, whole huge pages. */
  constructor(frames: FrameAllocator, pages: number) {
    this.#frames = frames
    this.#pages = pages
  }

  get pages(): number {
    return this.#pages
  }

  get(): void {
    assert(this.#references > 0, 'reference to a freed memory object')
    this.#references++
  }

  /** The last one frees the pages. */
  put(): void {
    assert(this.#references > 0, 'put of a freed memory object')
    this.#references--
    if (this.#references === 0) this.#freeFrom(0)
  }

  addMapper(mapper: ObjectMapper): void {
    this.#mappers.add(mapper)
  }

  removeMapper(mapper: ObjectMapper): void {
    this.#mappers.remove(mapper)
  }

  /** Promises the huge pages of [firstPage, endPage) that are neither there nor promised. ENOMEM: none of them. */
  reserve(firstPage: number, endPage: number): void {
    const huge = this.#frames.huge
    if ((endPage - firstPage) / HUGE_FRAMES > huge.total) throw ENOMEM
    const missing: number[] = []
    for (let page = firstPage; page < endPage; page += HUGE_FRAMES) {
      const number = Math.floor(page / HUGE_FRAMES)
      if (!this.#known.has(number)) missing.push(number)
    }
    huge.reserve(missing.length)
    for (const number of missing) this.#known.add(number)
  }

  resize(pages: number): void {
    const old = this.#pages
    this.#pages = pages
    if (pages >= old) return
    this.#mappers.zap(this, pages)
    this.#freeFrom(pages / HUGE_FRAMES)
  }

  peek(page: number): number {
    const first = this.#present.get(Math.floor(page / HUGE_FRAMES))
    return first === undefined ? -1 : first + (page % HUGE_FRAMES)
  }

  /** Whether a pin may bring the page in, if it is not there. */
  canPin(page: number): boolean {
    return this.peek(page) >= 0 || this.#frames.huge.canPin(this.#known.has(Math.floor(page / HUGE_FRAMES)))
  }

  nextPage(from: number): number | undefined {
    const number = Math.floor(from / HUGE_FRAMES)
    if (this.#present.has(number)) return from
    const after = [...this.#present.keys()].filter((present) => present > number)
    return after.length === 0 ? undefined : Math.min(...after) * HUGE_FRAMES
  }

  /** A page that cannot be had is SIGBUS: a process is not told that the pool is empty. */
  fault(page: number): number {
    if (page >= this.#pages) return VM_FAULT_SIGBUS
    this.found = this.peek(page)
    if (this.found >= 0) return 0
    const number = Math.floor(page / HUGE_FRAMES)
    try {
      this.#present.set(number, this.#frames.huge.alloc(this.#known.has(number)))
    } catch (thrown) {
      if (!isErrno(thrown)) throw thrown
      return VM_FAULT_SIGBUS
    }
    this.#known.add(number)
    this.found = this.peek(page)
    return 0
  }

  #freeFrom(number: number): void {
    for (const known of [...this.#known].sort((a, b) => a - b)) {
      if (known < number) continue
      this.#known.delete(known)
      const first = this.#present.get(known)
      this.#present.delete(known)
      if (first === undefined) this.#frames.huge.unreserve(1)
      else this.#frames.freeContiguous(first, HUGE_FRAMES)
    }
  }
}
