// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../hardware/memory.ts'
import { ACCESS_READ, ACCESS_WRITE } from '../../hardware/pci/messages.ts'

/** Finds the frame of a page for an access, faulting it in if need be. */
export interface PageResolver {
  /** Frame, or minus the VM_FAULT_ bits. */
  resolve(hi: number, lo: number, access: number): number
}

/** Copies between an address space and bytes of the kernel side, page by page. */
export class UserCopy {
  readonly #memory: PhysicalMemory
  readonly #pages: PageResolver

  constructor(memory: PhysicalMemory, pages: PageResolver) {
    this.#memory = memory
    this.#pages = pages
  }

  /** From (hi, lo) to `into[offset...]`. Returns the bytes copied: fewer than `length` when a page cannot be read. */
  load(hi: number, lo: number, into: Uint8Array, offset: number, length: number): number {
    let done = 0
    while (done < length) {
      const at = (lo + done) | 0
      const frame = this.#pages.resolve(carry(hi, lo, done), at, ACCESS_READ)
      if (frame < 0) return done
      const inPage = at & 0xfff
      const step = Math.min(4096 - inPage, length - done)
      if (!this.#memory.read(frame, inPage, into, offset + done, step)) return done
      done += step
    }
    return done
  }

  /** From `from[offset...]` to (hi, lo). Returns the bytes copied: fewer than `length` when a page cannot be written. */
  store(hi: number, lo: number, from: Uint8Array, offset: number, length: number): number {
    let done = 0
    while (done < length) {
      const at = (lo + done) | 0
      const frame = this.#pages.resolve(carry(hi, lo, done), at, ACCESS_WRITE)
      if (frame < 0) return done
      const inPage = at & 0xfff
      const step = Math.min(4096 - inPage, length - done)
      if (!this.#memory.write(frame, inPage, from, offset + done, step)) return done
      done += step
    }
    return done
  }
}

/** High word of (hi, lo) + `bytes`. */
function carry(hi: number, lo: number, bytes: number): number {
  return (lo >>> 0) + bytes > 0xffffffff ? (hi + Math.floor(((lo >>> 0) + bytes) / 2 ** 32)) | 0 : hi
}
