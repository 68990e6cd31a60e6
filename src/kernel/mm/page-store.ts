// SPDX-License-Identifier: MIT

const CHUNK_PAGES = 512
/** Chunks in the list; pages further up (128 GiB) are looked up by number. */
const NEAR_CHUNKS = 65536

/** Frames by page number, as a file's page cache: sparse, up to any page. */
export class PageStore {
  /** Pages present. */
  count = 0
  readonly #near: (Int32Array | undefined)[] = []
  readonly #far: Map<number, Int32Array> = new Map()

  /** Frame of the page, or 0. */
  get(page: number): number {
    return this.#chunk(Math.floor(page / CHUNK_PAGES))?.[page % CHUNK_PAGES] ?? 0
  }

  /** `frame` is not 0, and nothing is there. */
  add(page: number, frame: number): void {
    this.#chunkFor(Math.floor(page / CHUNK_PAGES))[page % CHUNK_PAGES] = frame
    this.count++
  }

  /** The first page from `from` on that is there. */
  next(from: number): number | undefined {
    const first = Math.floor(from / CHUNK_PAGES)
    for (let at = first; at < this.#near.length; at++) {
      const found = nextInChunk(this.#near[at], at, from)
      if (found !== undefined) return found
    }
    for (const at of this.#farChunks(first)) {
      const found = nextInChunk(this.#far.get(at), at, from)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Takes out the pages from `first` on, ascending; `gone` is told the frame of each. */
  removeFrom(first: number, gone: (frame: number) => void): void {
    const from = Math.floor(first / CHUNK_PAGES)
    for (let at = from; at < this.#near.length; at++) this.#empty(this.#near[at], at, first, gone)
    if (this.#near.length > from + 1) this.#near.length = from + 1
    for (const at of this.#farChunks(from)) {
      this.#empty(this.#far.get(at), at, first, gone)
      if (at > from) this.#far.delete(at)
    }
  }

  #farChunks(first: number): number[] {
    return [...this.#far.keys()].filter((at) => at >= first).sort((a, b) => a - b)
  }

  #empty(chunk: Int32Array | undefined, at: number, first: number, gone: (frame: number) => void): void {
    if (chunk === undefined) return
    for (let i = Math.max(first - at * CHUNK_PAGES, 0); i < CHUNK_PAGES; i++) {
      const frame = chunk[i]!
      if (frame === 0) continue
      chunk[i] = 0
      this.count--
      gone(frame)
    }
  }

  #chunk(at: number): Int32Array | undefined {
    return at < NEAR_CHUNKS ? this.#near[at] : this.#far.get(at)
  }

  #chunkFor(at: number): Int32Array {
    const known = this.#chunk(at)
    if (known !== undefined) return known
    const chunk = new Int32Array(CHUNK_PAGES)
    if (at >= NEAR_CHUNKS) {
      this.#far.set(at, chunk)
      return chunk
    }
    while (this.#near.length < at) this.#near.push(undefined)
    this.#near[at] = chunk
    return chunk
  }
}

function nextInChunk(chunk: Int32Array | undefined, at: number, from: number): number | undefined {
  if (chunk === undefined) return undefined
  const base = at * CHUNK_PAGES
  for (let i = Math.max(from - base, 0); i < CHUNK_PAGES; i++) if (chunk[i] !== 0) return base + i
  return undefined
}
