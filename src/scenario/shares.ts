// SPDX-License-Identifier: MIT
import { PAGE_BYTES } from '../base/u64.ts'

/** A stream's part of the copy: whole pages, but for the last byte of all. */
export interface Share {
  readonly firstByte: number
  readonly lengthBytes: number
}

/** Cuts the bytes into `count` neighbouring shares of whole pages, as equal as pages allow; some may be empty. */
export function sharesOf(lengthBytes: number, count: number): Share[] {
  const pages = Math.ceil(lengthBytes / PAGE_BYTES)
  return Array.from({ length: count }, (_, index) => {
    const firstByte = Math.min(lengthBytes, Math.ceil((pages * index) / count) * PAGE_BYTES)
    const end = Math.min(lengthBytes, Math.ceil((pages * (index + 1)) / count) * PAGE_BYTES)
    return end === firstByte ? { firstByte: 0, lengthBytes: 0 } : { firstByte, lengthBytes: end - firstByte }
  })
}
