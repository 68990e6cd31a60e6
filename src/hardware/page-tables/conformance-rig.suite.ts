// SPDX-License-Identifier: MIT
import { ENOMEM } from '../../base/errno.ts'
import { hiOf, loOf } from '../../base/u64.ts'
import { PhysicalMemory } from '../memory.ts'
import { ACCESS_READ, ACCESS_WRITE, Translation } from '../pci/messages.ts'
import type { PageTableFormat } from './format.ts'
import { type LeafSink, PageTable, type TableFrames } from './page-table.ts'
import { Walker, type WalkStatus } from './walker.ts'

export const RW: number = ACCESS_READ | ACCESS_WRITE
const RAM_FRAMES = 1024

/** Registers one test of the suite. */
export type Check = (name: string, run: (rig: Rig) => void) => void

/** Frames for tables, counted; the n-th allocation can be made to fail. */
export class CountedFrames implements TableFrames {
  inUse = 0
  /** Allocations left before one fails; below 0: none fails. */
  failAfter = -1
  readonly #memory: PhysicalMemory
  readonly #free: number[] = []

  constructor(memory: PhysicalMemory) {
    this.#memory = memory
    for (let frame = RAM_FRAMES - 1; frame > 0; frame--) this.#free.push(frame)
  }

  allocTable(): number {
    if (this.failAfter === 0) throw ENOMEM
    this.failAfter--
    const frame = this.#free.pop()!
    this.#memory.zero(frame)
    this.inUse++
    return frame
  }

  freeTable(frame: number): void {
    // A freed table is overwritten: whoever still reads it is found out.
    this.#memory.fill(frame, 0, 4096, 0xff)
    this.#free.push(frame)
    this.inUse--
  }
}

/** Remembers the leaves it is told. */
export class LeafLog implements LeafSink {
  readonly leaves: { address: bigint; shift: number; frame: number; access: number }[] = []
  leaf(hi: number, lo: number, shift: number, frame: number, access: number): void {
    const address = BigInt.asUintN(64, (BigInt(hi) << 32n) | BigInt(lo >>> 0))
    this.leaves.push({ address, shift, frame, access })
  }
}

/** One page table of a format with its memory and walker; addresses are bigints. */
export class Rig {
  readonly memory: PhysicalMemory = new PhysicalMemory({ bytes: RAM_FRAMES * 4096, wasm: false })
  readonly frames: CountedFrames
  readonly table: PageTable
  readonly walker: Walker
  readonly out: Translation = new Translation()
  readonly format: PageTableFormat
  /** An address well inside the space, aligned to every page size. */
  readonly base: bigint

  constructor(format: PageTableFormat) {
    this.format = format
    this.frames = new CountedFrames(this.memory)
    this.table = new PageTable({ memory: this.memory, format, frames: this.frames })
    this.walker = new Walker(this.memory, format)
    this.base = 1n << BigInt(format.virtualBits - 2)
  }

  /** Bytes that an entry of the level covers. */
  size(level: number): bigint {
    return 1n << BigInt(this.format.granuleShift + 9 * level)
  }

  pages(level: number): number {
    return Number(this.size(level) / 4096n)
  }

  map(address: bigint, frame: number, pages: number, access: number, shiftMax?: number): void {
    this.table.map(hiOf(address), loOf(address), frame, pages, access, shiftMax)
  }

  unmap(address: bigint, pages: number, sink?: LeafSink): number {
    return this.table.unmap(hiOf(address), loOf(address), pages, sink)
  }

  walk(address: bigint, access: number = ACCESS_READ): WalkStatus {
    return this.walker.walk(this.table.root, hiOf(address), loOf(address), access, this.out)
  }

  /** Physical address that the last successful walk found for `address`. */
  physical(address: bigint): bigint {
    if (this.out.shift >= 12) return BigInt(this.out.frame) * 4096n + (address & 4095n)
    return BigInt(this.out.frame) * 4096n + BigInt(this.walker.frameOffset) + (address & (this.size(0) - 1n))
  }

  /** Word of the entry of `level` for the address, found by reading the tables bit by bit. */
  word(address: bigint, level: number): number {
    let table = BigInt(this.table.root)
    for (let at = this.format.levels - 1; ; at--) {
      const index = (address >> BigInt(this.format.granuleShift + 9 * at)) & 511n
      const word = Number(table * 1024n + index * 2n)
      if (at === level) return word
      const entry =
        (BigInt(this.memory.words[word + 1]! >>> 0) << 32n) | BigInt(this.memory.words[word]! >>> 0)
      table = (entry >> 12n) & 0x7fffffffn
    }
  }
}
