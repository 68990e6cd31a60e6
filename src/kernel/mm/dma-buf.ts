// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import type { FrameAllocator } from './frame-allocator.ts'

const PAGE = 4096

/** Who has a dma-buf mapped for a device. */
export interface DmaBufImporter {
  /** The memory must not be reached any more when this returns. */
  revoked(): void
}

/** Memory that an exporter lends to devices and may take back at any time: consecutive frames. */
export class DmaBuf {
  readonly lengthBytes: number
  readonly #frames: FrameAllocator
  readonly #firstFrame: number
  /** A power of two. */
  readonly #frameCount: number
  readonly #importers: Set<DmaBufImporter> = new Set()
  #revoked = false
  #references = 1

  /** `lengthBytes`: rounded up to pages. ENOMEM. */
  constructor(frames: FrameAllocator, lengthBytes: number) {
    const pages = Math.ceil(lengthBytes / PAGE)
    this.lengthBytes = pages * PAGE
    this.#frames = frames
    this.#frameCount = 2 ** Math.ceil(Math.log2(pages))
    this.#firstFrame = frames.allocContiguous(this.#frameCount)
  }

  get revoked(): boolean {
    return this.#revoked
  }

  /** Frame of a page. */
  frameAt(page: number): number {
    assert(page * PAGE < this.lengthBytes, `page ${page} of a dma-buf of ${this.lengthBytes} bytes`)
    return this.#firstFrame + page
  }

  addImporter(importer: DmaBufImporter): void {
    this.#importers.add(importer)
  }

  removeImporter(importer: DmaBufImporter): void {
    assert(this.#importers.delete(importer), 'importer of a dma-buf is removed twice')
  }

  /** No importer reaches the memory afterwards, until `restore`. Already revoked: nothing happens. */
  revoke(): void {
    if (this.#revoked) return
    this.#revoked = true
    for (const importer of this.#importers) importer.revoked()
  }

  /** Importers may map it again. */
  restore(): void {
    this.#revoked = false
  }

  get(): void {
    assert(this.#references > 0, 'reference to a released dma-buf')
    this.#references++
  }

  /** The last one frees the memory. */
  put(): void {
    assert(this.#references > 0, 'put of a released dma-buf')
    this.#references--
    if (this.#references > 0) return
    assert(this.#importers.size === 0, 'a dma-buf is released while somebody maps it')
    this.#frames.freeContiguous(this.#firstFrame, this.#frameCount)
  }
}
