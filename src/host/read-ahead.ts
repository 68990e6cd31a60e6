// SPDX-License-Identifier: MIT
import { readSync } from 'node:fs'
import { PAGE_BYTES } from '../base/u64.ts'

const AHEAD_PAGES = 32

/** Pages of a file; a reader that goes from page to page gets many with one system call. */
export class ReadAhead {
  readonly #fd: number
  readonly #block: Uint8Array = new Uint8Array(AHEAD_PAGES * PAGE_BYTES)
  /** Pages `#first` to `#first + #count - 1` stand in `#block`. */
  #first = 0
  #count = 0
  #next = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  /** 4096 bytes into `into` at `at`; bytes after the end of the file are zero. */
  readPage(pageIndex: number, into: Uint8Array, at: number): void {
    if (!this.#holds(pageIndex)) this.#fill(pageIndex, pageIndex === this.#next ? AHEAD_PAGES : 1)
    this.#next = pageIndex + 1
    const start = (pageIndex - this.#first) * PAGE_BYTES
    into.set(this.#block.subarray(start, start + PAGE_BYTES), at)
  }

  /** Whoever writes the page to the file calls this before the page is read again. */
  forget(pageIndex: number): void {
    if (this.#holds(pageIndex)) this.#count = 0
  }

  #holds(pageIndex: number): boolean {
    return pageIndex >= this.#first && pageIndex < this.#first + this.#count
  }

  #fill(pageIndex: number, pages: number): void {
    const length = pages * PAGE_BYTES
    const read = readFully(this.#fd, this.#block, 0, length, pageIndex * PAGE_BYTES)
    this.#block.fill(0, read, length)
    this.#first = pageIndex
    this.#count = pages
  }
}

/** Bytes read; less than `length` at the end of the file only. */
export function readFully(
  fd: number,
  into: Uint8Array,
  at: number,
  length: number,
  position: number,
): number {
  let done = 0
  while (done < length) {
    const read = readSync(fd, into, at + done, length - done, position + done)
    if (read === 0) break
    done += read
  }
  return done
}
