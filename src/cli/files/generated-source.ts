// SPDX-License-Identifier: MIT
import { PAGE_BYTES } from '../../base/u64.ts'
import { functionSource, type PageSource, zeroSource } from '../../handlers/page-source.ts'

/** `{ zeros: ... }` and `{ pattern: ... }`: every page of a pattern differs, none is zero. */
export function generatedSource(kind: 'zeros' | 'pattern', lengthBytes: number): PageSource {
  if (kind === 'zeros') return zeroSource(lengthBytes)
  return functionSource(lengthBytes, (pageIndex, into, at) => {
    const length = Math.min(PAGE_BYTES, lengthBytes - pageIndex * PAGE_BYTES)
    for (let offset = 0; offset < length; offset++) into[at + offset] = patternByte(pageIndex, offset)
    into.fill(0, at + length, at + PAGE_BYTES)
  })
}

/** The page's number in the first four bytes, little-endian, with the top bit set; then a run that depends on it. */
function patternByte(pageIndex: number, offset: number): number {
  if (offset < 3) return (pageIndex >>> (8 * offset)) & 0xff
  if (offset === 3) return 0x80 | ((pageIndex >>> 24) & 0x7f)
  return (Math.imul(pageIndex + 1, 31) + offset) & 0xff
}
