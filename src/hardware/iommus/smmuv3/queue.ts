// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../memory.ts'
import * as layout from './layout.ts'
import * as queues from './layout-queues.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { ADDRESS_HI_MASK } = layout
const { Q_BASE_ADDR_MASK, Q_BASE_LOG2SIZE_MASK, Q_OVERFLOW } = queues

/**
 * A circular queue in memory (3.5): PROD and CONS count modulo twice the size, so that full and empty differ. Who
 * advances which is a matter of the queue.
 *
 * @spec SMMUv3 3.5.1 done
 */
export class Queue {
  baseLo = 0
  baseHi = 0
  /** The registers as software reads them; bits above the index are the queue's own. */
  prod = 0
  cons = 0
  /** Entries; 2^n. */
  size = 1
  /** Bits of an index with its wrap bit. */
  mask = 1
  on = false
  readonly #memory: PhysicalMemory
  readonly #entryShift: number
  readonly #log2Max: number
  /** Word index of the first entry, -1: not RAM. */
  #first = -1

  /** `entryShift`: log2 of an entry's words; `log2Max`: of the most entries. */
  constructor(memory: PhysicalMemory, entryShift: number, log2Max: number) {
    this.#memory = memory
    this.#entryShift = entryShift
    this.#log2Max = log2Max
  }

  get empty(): boolean {
    return ((this.prod ^ this.cons) & this.mask) === 0
  }

  get full(): boolean {
    return ((this.prod ^ this.cons) & this.mask) === this.size
  }

  /** Entries were lost, and software has not acknowledged it. */
  get overflowed(): boolean {
    return ((this.prod ^ this.cons) & Q_OVERFLOW) !== 0
  }

  /** The memory is there. */
  get accessible(): boolean {
    return this.#first >= 0
  }

  /** Word index of the entry of an index. */
  wordOf(index: number): number {
    return this.#first + ((index & (this.size - 1)) << this.#entryShift)
  }

  /** PROD or CONS one entry further. */
  after(index: number): number {
    return (index & ~this.mask) | ((index + 1) & this.mask)
  }

  /** Takes its place from BASE when it is switched on. */
  enable(on: boolean): void {
    if (on && !this.on) this.#locate()
    this.on = on
  }

  setOverflow(): void {
    if (!this.overflowed) this.prod ^= Q_OVERFLOW
  }

  #locate(): void {
    const log2 = Math.min(this.baseLo & Q_BASE_LOG2SIZE_MASK, this.#log2Max)
    this.size = 1 << log2
    this.mask = 2 * this.size - 1
    this.prod &= this.mask | Q_OVERFLOW
    this.cons &= this.mask | Q_OVERFLOW
    const hi = this.baseHi & ADDRESS_HI_MASK
    const bytes = this.size << (this.#entryShift + 2)
    // An address is aligned to the size of the queue: lower bits count as zero.
    const lo = this.baseLo & Q_BASE_ADDR_MASK & ~(bytes - 1)
    const first = lo >>> 2
    const isRam = hi === 0 && first + bytes / 4 <= this.#memory.words.length
    this.#first = isRam ? first : -1
  }
}
