// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../memory.ts'
import { frameOf } from './contexts.ts'
import { DESCRIPTOR_BYTES } from './layout-queues.ts'

const PAGE_BYTES = 4096

/** Registers of a queue of 32-byte descriptors in memory: head, tail, address. Offsets are in bytes. */
export class Queue {
  head: number
  tail: number
  /** Double words of the address register. */
  addressLo: number
  addressHi: number
  /** Whether all of it is RAM; only then is there a first descriptor. */
  ready: boolean
  /** Index in `memory.words` of the first descriptor. */
  firstWord: number
  /** Bytes - 1. */
  mask: number
  readonly #memory: PhysicalMemory

  constructor(memory: PhysicalMemory) {
    this.head = 0
    this.tail = 0
    this.addressLo = 0
    this.addressHi = 0
    this.ready = false
    this.firstWord = 0
    this.mask = PAGE_BYTES - 1
    this.#memory = memory
  }

  /** Takes the address register's new value; the low 3 bits are the size, 2^n pages. */
  setAddress(hi: number, lo: number): void {
    this.addressHi = hi
    this.addressLo = lo
    this.mask = PAGE_BYTES * (1 << (lo & 7)) - 1
    const frame = frameOf(hi, lo)
    this.ready = this.#memory.isRam(frame) && this.#memory.isRam(frame + (this.mask >> 12))
    this.firstWord = this.ready ? frame << 10 : 0
  }

  /** Word in memory of the descriptor at a byte offset. */
  wordOf(offset: number): number {
    return this.firstWord + (offset >> 2)
  }

  after(offset: number): number {
    return (offset + DESCRIPTOR_BYTES) & this.mask
  }
}
