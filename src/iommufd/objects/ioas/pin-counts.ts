// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'

const CHUNK_PAGES = 128

/** Where the pages come from. */
export interface PinSource {
  /** Pins one page; returns its frame. EFAULT, EINVAL, ENOMEM. */
  pinPage(index: number): number
  unpinFrame(frame: number): void
}

class Chunk {
  readonly frames: Int32Array = new Int32Array(CHUNK_PAGES)
  readonly counts: Int32Array = new Int32Array(CHUNK_PAGES)
  used = 0
}

/**
 * Pins page by page, for a pages object that several areas and accesses hold parts of: a page is pinned while somebody
 * holds it, and once.
 */
export class PinCounts {
  /** Pages pinned. */
  size = 0
  readonly #source: PinSource
  readonly #chunks: Map<number, Chunk> = new Map()

  constructor(source: PinSource) {
    this.#source = source
  }

  /** Takes over a page that is pinned already. */
  adopt(index: number, frame: number): void {
    const chunk = this.#chunkFor(index)
    const at = index % CHUNK_PAGES
    chunk.frames[at] = frame
    chunk.counts[at] = 1
    chunk.used++
    this.size++
  }

  /** One more holder of pages `first` … `last`. What `pinPage` throws; undone on failure. */
  hold(first: number, last: number): void {
    let index = first
    try {
      for (; index <= last; index++) this.#holdPage(index)
    } catch (thrown) {
      if (index > first) this.release(first, index - 1)
      throw thrown
    }
  }

  /** One holder less; pages without one are unpinned. */
  release(first: number, last: number): void {
    for (let index = first; index <= last; index++) this.#releasePage(index)
  }

  /** Frame of a pinned page; `undefined`: nobody holds it. */
  frameAt(index: number): number | undefined {
    const chunk = this.#chunks.get(Math.floor(index / CHUNK_PAGES))
    if (chunk === undefined) return undefined
    const at = index % CHUNK_PAGES
    return chunk.counts[at] === 0 ? undefined : chunk.frames[at]
  }

  #holdPage(index: number): void {
    const at = index % CHUNK_PAGES
    const held = this.#chunks.get(Math.floor(index / CHUNK_PAGES))
    if (held !== undefined && held.counts[at]! > 0) held.counts[at]!++
    else this.adopt(index, this.#source.pinPage(index))
  }

  #releasePage(index: number): void {
    const key = Math.floor(index / CHUNK_PAGES)
    const chunk = this.#chunks.get(key)
    const at = index % CHUNK_PAGES
    assert(chunk !== undefined && chunk.counts[at]! > 0, 'page is released and nobody holds it')
    if (--chunk.counts[at]! > 0) return
    this.size--
    if (--chunk.used === 0) this.#chunks.delete(key)
    this.#source.unpinFrame(chunk.frames[at]!)
  }

  #chunkFor(index: number): Chunk {
    const key = Math.floor(index / CHUNK_PAGES)
    const found = this.#chunks.get(key)
    if (found !== undefined) return found
    const chunk = new Chunk()
    this.#chunks.set(key, chunk)
    return chunk
  }
}
