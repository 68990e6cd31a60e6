// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { bytesSource, functionSource, zeroSource } from './page-source.ts'

describe('page sources', () => {
  it('zeros a page even where the buffer held something', () => {
    const buffer = new Uint8Array(8192).fill(7)
    zeroSource(10).readPage(0, buffer, 4096)
    expect(buffer.subarray(0, 4096).every((byte) => byte === 7)).toBe(true)
    expect(buffer.subarray(4096).every((byte) => byte === 0)).toBe(true)
  })

  it('pads the last page of bytes with zeros', () => {
    const source = bytesSource(new Uint8Array(4097).fill(5))
    const buffer = new Uint8Array(4096).fill(9)
    source.readPage(1, buffer, 0)
    expect(buffer[0]).toBe(5)
    expect(buffer.subarray(1).every((byte) => byte === 0)).toBe(true)
  })

  it('writes back only the bytes that exist', () => {
    const bytes = new Uint8Array(4100)
    bytesSource(bytes).writePage!(1, new Uint8Array(4096).fill(3), 0)
    expect([...bytes.subarray(4095)]).toEqual([0, 3, 3, 3, 3])
  })

  it('refuses a page behind the end', () => {
    expect(() => bytesSource(new Uint8Array(4096)).writePage!(1, new Uint8Array(4096), 0)).toThrow(
      /page 1 lies behind/,
    )
  })

  it('asks a function for each page', () => {
    const asked: number[] = []
    const source = functionSource(8192, (page, into, at) => {
      asked.push(page)
      into.fill(page + 1, at, at + 4096)
    })
    const buffer = new Uint8Array(4096)
    source.readPage(1, buffer, 0)
    expect(asked).toEqual([1])
    expect(buffer[4095]).toBe(2)
  })
})
