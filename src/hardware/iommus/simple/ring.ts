// SPDX-License-Identifier: MIT
import type { PhysicalMemory } from '../../memory.ts'
import { RECORDS_PER_FRAME, RECORD_SHIFT } from './layout.ts'

const RECORD_WORD_SHIFT = RECORD_SHIFT - 2

/** A ring of 32-byte records in memory. Who advances head and who tail differs by queue. */
export class Ring {
  base = 0
  entries = 0
  head = 0
  tail = 0
  readonly #memory: PhysicalMemory
  readonly #entriesMax: number
  /** 1: on. */
  #on = 0

  constructor(memory: PhysicalMemory, entriesMax: number) {
    this.#memory = memory
    this.#entriesMax = entriesMax
  }

  get enabled(): boolean {
    return this.#on !== 0
  }

  get empty(): boolean {
    return this.head === this.tail
  }

  get full(): boolean {
    return this.after(this.tail) === this.head
  }

  after(index: number): number {
    const next = index + 1
    return next === this.entries ? 0 : next
  }

  /** Index in `memory.words` of the record's first word. */
  wordOf(index: number): number {
    return (this.base << 10) + (index << RECORD_WORD_SHIFT)
  }

  /** Enabling fails (the ring stays off) when its memory is not RAM or its size is out of range. */
  enable(on: boolean): void {
    if (on === this.enabled) return
    this.head = this.tail = 0
    this.#on = on && this.#usable() ? 1 : 0
  }

  /** An index that software wrote; beyond the ring it wraps as the hardware's counter would. */
  wrap(index: number): number {
    if (index >= 0 && index < this.entries) return index
    return this.entries === 0 ? 0 : (index >>> 0) % this.entries
  }

  #usable(): boolean {
    if (this.entries < 2 || this.entries > this.#entriesMax) return false
    const last = this.base + Math.floor((this.entries - 1) / RECORDS_PER_FRAME)
    return this.#memory.isRam(this.base) && this.#memory.isRam(last)
  }
}
