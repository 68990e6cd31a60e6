// SPDX-License-Identifier: MIT
import { EFAULT } from '../base/errno.ts'
import { PAGE_BYTES, pageOf } from '../base/u64.ts'
import type { UserMemory } from './user-memory.ts'

/** Memory of single pages anywhere in the address space, each writable or not. */
export class PagedMemory implements UserMemory {
  copied = 0
  /** Bytes that were looked at or written, in all. */
  traffic = 0
  readonly #pages: Map<number, Uint8Array> = new Map()
  readonly #readOnly: Set<number> = new Set()

  /** Zeroed pages from the address on. */
  map(address: bigint, pages = 1): void {
    for (let i = 0; i < pages; i++) this.#pages.set(this.#page(address) + i, new Uint8Array(PAGE_BYTES))
  }

  protect(address: bigint): void {
    this.#readOnly.add(this.#page(address))
  }

  unprotect(address: bigint): void {
    this.#readOnly.delete(this.#page(address))
  }

  /** Puts bytes there, whatever the protection. */
  poke(address: bigint, bytes: Uint8Array): void {
    for (const [i, byte] of bytes.entries()) {
      const at = address + BigInt(i)
      this.#pages.get(this.#page(at))![Number(at & 4095n)] = byte
    }
  }

  peek(address: bigint, length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, i) => {
      const at = address + BigInt(i)
      return this.#pages.get(this.#page(at))![Number(at & 4095n)]!
    })
  }

  copyIn(hi: number, lo: number, into: Uint8Array, offset: number, length: number): void {
    this.#walk(hi, lo, length, false, (page, at, done) => {
      into[offset + done] = page[at]!
    })
  }

  copyOut(hi: number, lo: number, from: Uint8Array, offset: number, length: number): void {
    this.#walk(hi, lo, length, true, (page, at, done) => {
      page[at] = from[offset + done]!
    })
  }

  #walk(
    hi: number,
    lo: number,
    length: number,
    write: boolean,
    visit: (page: Uint8Array, at: number, done: number) => void,
  ): void {
    this.copied = 0
    for (let i = 0; i < length; i++) {
      const low = (lo >>> 0) + i
      const number = pageOf((hi + Math.floor(low / 2 ** 32)) | 0, low | 0)
      const page = this.#pages.get(number)
      if (page === undefined || (write && this.#readOnly.has(number))) throw EFAULT
      visit(page, low & (PAGE_BYTES - 1), i)
      this.copied++
      this.traffic++
    }
  }

  #page(address: bigint): number {
    return Number(address >> 12n)
  }
}
