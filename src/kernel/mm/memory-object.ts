// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { isErrno } from '../../base/errno.ts'
import { VM_FAULT_ERROR, VM_FAULT_MAJOR, VM_FAULT_OOM, VM_FAULT_SIGBUS } from './fault-flags.ts'
import type { FrameAllocator } from './frame-allocator.ts'

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

const CHUNK_PAGES = 512

/**
 * Pages that several mappings show: shared anonymous memory, a memfd, a file's page cache. Holds one reference on each
 * page it has. Whoever made it holds the first reference on the object itself; every mapping holds one more.
 */
export class MemoryObject {
  readonly pages: number
  /** Frame that the last successful `fault` found. */
  found = 0
  /** Pages present. */
  resident = 0
  readonly #frames: FrameAllocator
  readonly #provider: PageProvider | undefined
  /** Frame of each page, by chunks; 0: absent. */
  readonly #chunks: (Int32Array | undefined)[] = []
  #references = 1

  constructor({ frames, pages, provider }: MemoryObjectOptions) {
    assert(Number.isInteger(pages) && pages > 0, `memory object of ${pages} pages`)
    this.pages = pages
    this.#frames = frames
    this.#provider = provider
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

  /** Frame of a page that is there, or -1. */
  peek(page: number): number {
    const frame = this.#chunks[Math.floor(page / CHUNK_PAGES)]?.[page % CHUNK_PAGES] ?? 0
    return frame === 0 ? -1 : frame
  }

  /** Makes page `page` present; `found` is then its frame. VM_FAULT_ bits: 0, MAJOR, or an error. */
  fault(page: number): number {
    if (page >= this.pages) return VM_FAULT_SIGBUS
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
    this.#chunkOf(page)[page % CHUNK_PAGES] = frame
    this.resident++
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

  #chunkOf(page: number): Int32Array {
    return (this.#chunks[Math.floor(page / CHUNK_PAGES)] ??= new Int32Array(CHUNK_PAGES))
  }

  #release(): void {
    for (const chunk of this.#chunks) {
      for (const frame of chunk ?? []) if (frame !== 0) this.#frames.put(frame)
    }
    this.#chunks.length = 0
    this.resident = 0
  }
}
