// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { PAGE_BYTES } from '../base/u64.ts'

/**
 * Where a pager gets the bytes of a page and where it writes dirty ones back. Synchronous, because one entry of the
 * machine is one step; a source that needs time is modelled by the handler's `pageInNanos`.
 */
export interface PageSource {
  /** Length of the whole source in bytes; the last page may be partial. */
  readonly lengthBytes: number
  /** Fills 4096 bytes of `into` from offset `at` with page `pageIndex`; bytes after the end are zero. */
  readPage(pageIndex: number, into: Uint8Array, at: number): void
  /** Takes 4096 bytes of `from` at offset `at` back; bytes after the end are dropped. Absent: the source is read-only. */
  writePage?(pageIndex: number, from: Uint8Array, at: number): void
}

/** Every page is zeros. */
export function zeroSource(lengthBytes: number): PageSource {
  return {
    lengthBytes,
    readPage: (_pageIndex, into, at) => {
      into.fill(0, at, at + PAGE_BYTES)
    },
  }
}

/** Pages computed on demand: `fill` writes 4096 bytes from offset `at`. */
export function functionSource(
  lengthBytes: number,
  fill: (pageIndex: number, into: Uint8Array, at: number) => void,
): PageSource {
  return { lengthBytes, readPage: fill }
}

/** A source that lives in the caller's bytes and takes written pages back into them. */
export function bytesSource(bytes: Uint8Array): PageSource {
  return {
    lengthBytes: bytes.length,
    readPage: (pageIndex, into, at) => {
      const start = pageIndex * PAGE_BYTES
      const part = bytes.subarray(start, start + PAGE_BYTES)
      into.set(part, at)
      into.fill(0, at + part.length, at + PAGE_BYTES)
    },
    writePage: (pageIndex, from, at) => {
      const start = pageIndex * PAGE_BYTES
      const length = Math.min(PAGE_BYTES, bytes.length - start)
      assert(length > 0, `page ${pageIndex} lies behind the source's ${bytes.length} bytes`)
      bytes.set(from.subarray(at, at + length), start)
    },
  }
}

/** The part of a source from a page boundary on. */
export function partOfSource(source: PageSource, firstByte: number, lengthBytes: number): PageSource {
  assert(
    firstByte % PAGE_BYTES === 0,
    `part of a source from byte ${firstByte}: expected a multiple of ${PAGE_BYTES}`,
  )
  const firstPage = firstByte / PAGE_BYTES
  const part: PageSource = {
    lengthBytes,
    readPage: (pageIndex, into, at) => source.readPage(firstPage + pageIndex, into, at),
  }
  if (source.writePage === undefined) return part
  return { ...part, writePage: (pageIndex, from, at) => source.writePage!(firstPage + pageIndex, from, at) }
}
