// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import type { FrameBacking, PhysicalMemory } from '../../hardware/memory.ts'

/** Frames for pages of programs: above all RAM, as many as 1 TiB has. */
const FIRST_FRAME = 2 ** 29
const FRAMES = 2 ** 28
/** Stands for a page that is not pinned: no frame of memory. */
export const NO_FRAME: number = FIRST_FRAME + FRAMES

/** Whoever holds pages of a program: reads and writes them for devices. */
export interface PageHolder {
  /** `false`: the page is not there any more. */
  readPage(page: number, offset: number, into: Uint8Array, at: number, length: number): boolean
  writePage(page: number, offset: number, from: Uint8Array, at: number, length: number): boolean
  /** The last pin of the page is gone. */
  forget(page: number): void
}

interface Pin {
  holder: PageHolder
  page: number
  count: number
}

/** Pages of programs that devices may reach, each under a frame number of its own while it is pinned. */
export class PinnedPages implements FrameBacking {
  readonly #pins: (Pin | undefined)[] = []
  readonly #free: number[] = []

  constructor(memory: PhysicalMemory) {
    memory.addBacking(FIRST_FRAME, FRAMES, this)
  }

  /** Pages that are pinned. */
  get size(): number {
    return this.#pins.length - this.#free.length
  }

  /** A new frame with one pin. */
  add(holder: PageHolder, page: number): number {
    const slot = this.#free.pop() ?? this.#pins.length
    assert(slot < FRAMES, 'more than 1 TiB of programs is pinned')
    this.#pins[slot] = { holder, page, count: 1 }
    return FIRST_FRAME + slot
  }

  pinAgain(frame: number): void {
    this.#pinOf(frame).count++
  }

  unpin(frame: number): void {
    const pin = this.#pinOf(frame)
    if (--pin.count > 0) return
    const slot = frame - FIRST_FRAME
    this.#pins[slot] = undefined
    this.#free.push(slot)
    pin.holder.forget(pin.page)
  }

  pinsOf(frame: number): number {
    return this.#pinOf(frame).count
  }

  readFrame(frame: number, offset: number, into: Uint8Array, at: number, length: number): boolean {
    return this.read(frame - FIRST_FRAME, offset, into, at, length)
  }

  writeFrame(frame: number, offset: number, from: Uint8Array, at: number, length: number): boolean {
    return this.write(frame - FIRST_FRAME, offset, from, at, length)
  }

  read(frame: number, offset: number, into: Uint8Array, at: number, length: number): boolean {
    const pin = this.#pins[frame]
    return pin !== undefined && pin.holder.readPage(pin.page, offset, into, at, length)
  }

  write(frame: number, offset: number, from: Uint8Array, at: number, length: number): boolean {
    const pin = this.#pins[frame]
    return pin !== undefined && pin.holder.writePage(pin.page, offset, from, at, length)
  }

  #pinOf(frame: number): Pin {
    const pin = this.#pins[frame - FIRST_FRAME]
    assert(pin !== undefined, `frame ${frame} is not a pinned page`)
    return pin
  }
}
