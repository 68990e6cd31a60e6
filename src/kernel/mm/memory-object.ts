// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { isErrno } from '../../base/errno.ts'
import { VM_FAULT_ERROR, VM_FAULT_MAJOR, VM_FAULT_OOM, VM_FAULT_SIGBUS } from './fault-flags.ts'
import type { FrameAllocator } from './frame-allocator.ts'
import type { FileObject, ObjectMapper } from './mapped-object.ts'
import { Mappers } from './mappers.ts'
import { PageStore } from './page-store.ts'

/** Where the pages of a file-like object come from. */
export interface PageProvider {
  /** Fills `frame`, whose bytes are undefined, with page `page`. VM_FAULT_ bits; an error bit refuses. */
  fill(page: number, frame: number): number
}

export interface MemoryObjectOptions {
  readonly frames: FrameAllocator
  /** Size in pages; a fault past it is SIGBUS. */
  readonly pages: number
  /** Default: zeroed pages, as shared anonymous memory and memfds have. */
  readonly provider?: PageProvider
}

/**
 * Pages that several mappings show: shared anonymous memory, a memfd, a file's page cache. Holds one reference on each
 * page it has. Whoever made it holds the first reference on the object itself; every mapping holds one more.
 */
export class MemoryObject implements FileObject {
  readonly device: boolean = false
  readonly huge: boolean = false
  /** Frame that the last successful `fault` found. */
  found = 0
  readonly #frames: FrameAllocator
  readonly #provider: PageProvider | undefined
  readonly #store: PageStore = new PageStore()
  readonly #mappers: Mappers = new Mappers()
  #pages: number
  #references = 1

  constructor({ frames, pages, provider }: MemoryObjectOptions) {
    assert(Number.isInteger(pages) && pages >= 0, `memory object of ${pages} pages`)
    this.#pages = pages
    this.#frames = frames
    this.#provider = provider
  }

  /** Pages present. */
  get resident(): number {
    return this.#store.count
  }

  /** Size in pages. */
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
    if (this.#references === 0) this.#release()
  }

  addMapper(mapper: ObjectMapper): void {
    this.#mappers.add(mapper)
  }

  removeMapper(mapper: ObjectMapper): void {
    this.#mappers.remove(mapper)
  }

  /** Pages from the new end on leave every address space and are freed; a pinned frame lives on by its pin. */
  resize(pages: number): void {
    const old = this.#pages
    this.#pages = pages
    if (pages >= old) return
    this.#mappers.zap(this, pages)
    this.#store.removeFrom(pages, this.#free)
  }

  /** Frame of a page that is there, or -1. */
  peek(page: number): number {
    const frame = this.#store.get(page)
    return frame === 0 ? -1 : frame
  }

  nextPage(from: number): number | undefined {
    return this.#store.next(from)
  }

  /** Makes page `page` present; `found` is then its frame. VM_FAULT_ bits: 0, MAJOR, or an error. */
  fault(page: number): number {
    if (page >= this.#pages) return VM_FAULT_SIGBUS
    this.found = this.peek(page)
    return this.found >= 0 ? 0 : this.#bringIn(page)
  }

  #bringIn(page: number): number {
    const frame = this.#alloc()
    if (frame < 0) return VM_FAULT_OOM
    const bits = this.#provider === undefined ? 0 : this.#provider.fill(page, frame)
    if ((bits & VM_FAULT_ERROR) !== 0) {
      this.#frames.put(frame)
      return bits
    }
    this.#store.add(page, frame)
    this.found = frame
    return this.#provider === undefined ? 0 : bits | VM_FAULT_MAJOR
  }

  #alloc(): number {
    try {
      return this.#provider === undefined ? this.#frames.allocZeroed() : this.#frames.alloc()
    } catch (error) {
      if (!isErrno(error)) throw error
      return -1
    }
  }

  readonly #free = (frame: number): void => {
    this.#frames.put(frame)
  }

  #release(): void {
    this.#store.removeFrom(0, this.#free)
  }
}
