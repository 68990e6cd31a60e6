// SPDX-License-Identifier: MIT
import { createHash } from 'node:crypto'
import { PAGE_BYTES } from '../../base/u64.ts'
import type { PageSource } from '../../handlers/page-source.ts'

const PAGES_AT_ONCE = 256
const CHUNKS_BETWEEN_PAUSES = 32

/** SHA-256 of the source's bytes, hexadecimal. `pause` is awaited now and then; `false` from it ends with undefined. */
export async function digestOf(
  source: PageSource,
  pause: () => Promise<boolean>,
): Promise<string | undefined> {
  const hash = createHash('sha256')
  const buffer = new Uint8Array(PAGES_AT_ONCE * PAGE_BYTES)
  const chunks = Math.ceil(source.lengthBytes / buffer.length)
  for (let chunk = 0; chunk < chunks; chunk++) {
    const start = chunk * buffer.length
    const length = Math.min(buffer.length, source.lengthBytes - start)
    for (let at = 0; at < length; at += PAGE_BYTES) source.readPage((start + at) / PAGE_BYTES, buffer, at)
    hash.update(buffer.subarray(0, length))
    if (chunk % CHUNKS_BETWEEN_PAUSES === 0 && !(await pause())) return undefined
  }
  return hash.digest('hex')
}
