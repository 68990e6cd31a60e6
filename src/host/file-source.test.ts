// SPDX-License-Identifier: MIT
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFileSource } from './file-source.ts'

describe('openFileSource', () => {
  let folder = ''
  const bytes = Uint8Array.from({ length: 3 * 4096 + 5 }, (_, index) => (index * 13 + (index >> 12)) & 0xff)

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'iopf-source-'))
    writeFileSync(join(folder, 'data'), bytes)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('reads pages in any order, the last padded with zeros', () => {
    const source = openFileSource(join(folder, 'data'))
    expect(source.lengthBytes).toBe(bytes.length)
    const page = new Uint8Array(2 * 4096).fill(9)
    for (const index of [2, 0, 3, 1, 2]) {
      source.readPage(index, page, 4096)
      const part = bytes.subarray(index * 4096, (index + 1) * 4096)
      expect(page.subarray(4096, 4096 + part.length)).toEqual(part)
      expect(page.subarray(4096 + part.length).every((byte) => byte === 0)).toBe(true)
    }
    expect(page.subarray(0, 4096).every((byte) => byte === 9)).toBe(true)
    source.close()
  })

  it('refuses what is not a file', () => {
    expect(() => openFileSource(folder)).toThrow(/not an ordinary file/)
    expect(() => openFileSource(join(folder, 'nothing'))).toThrow(/ENOENT/)
  })
})
