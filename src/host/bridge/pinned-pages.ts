// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { ENOMEM } from '../../base/errno.ts'
import type { FrameBacking, PhysicalMemory } from '../../hardware/memory.ts'

/** Pages that can be pinned: 32 GiB. */
const PINS_MAX = 2 ** 23
/** Frames for pages of programs: above all RAM. The upper half is for huge pages, of which one pin takes all frames. */
const FIRST_FRAME = 2 ** 30
const FRAMES = 2 ** 30 - 1
const HUGE_SLOT = 2 ** 24
/** Pages of a huge page: 2 MiB. */
const BLOCK_PAGES = 512
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
  readonly holder: PageHolder
  readonly page: number
  count: number
}

/** Frames in a row for the pages of one huge page. */
interface Block {
  readonly firstSlot: number
  pins: number
}

/** Pages of programs that devices may reach, each under a frame number of its own while it is pinned. */
export class PinnedPages implements FrameBacking {
  /** Pages that are pinned. */
  size = 0
  readonly #pins: Map<number, Pin> = new Map()
  readonly #free: number[] = []
  #used = 0
  readonly #blocks: Map<PageHolder, Map<number, Block>> = new Map()
  readonly #freeBlocks: number[] = []
  #usedBlocks: number = HUGE_SLOT

  constructor(memory: PhysicalMemory) {
    memory.addBacking(FIRST_FRAME, FRAMES, this)
  }

  /** A new frame with one pin. The frames of the pages of a huge page are in a row. ENOMEM. */
  add(holder: PageHolder, page: number, isHuge: boolean): number {
    if (this.size >= PINS_MAX) throw ENOMEM
    const slot = isHuge ? this.#slotInBlock(holder, page) : (this.#free.pop() ?? this.#used++)
    this.#pins.set(slot, { holder, page, count: 1 })
    this.size++
    return FIRST_FRAME + slot
  }

  pinAgain(frame: number): void {
    this.#pinOf(frame).count++
  }

  unpin(frame: number): void {
    const pin = this.#pinOf(frame)
    if (--pin.count > 0) return
    const slot = frame - FIRST_FRAME
    this.#pins.delete(slot)
    this.size--
    if (slot < HUGE_SLOT) this.#free.push(slot)
    else this.#leaveBlock(pin)
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
    const pin = this.#pins.get(frame)
    return pin !== undefined && pin.holder.readPage(pin.page, offset, into, at, length)
  }

  write(frame: number, offset: number, from: Uint8Array, at: number, length: number): boolean {
    const pin = this.#pins.get(frame)
    return pin !== undefined && pin.holder.writePage(pin.page, offset, from, at, length)
  }

  #pinOf(frame: number): Pin {
    const pin = this.#pins.get(frame - FIRST_FRAME)
    assert(pin !== undefined, `frame ${frame} is not a pinned page`)
    return pin
  }

  #slotInBlock(holder: PageHolder, page: number): number {
    let blocks = this.#blocks.get(holder)
    if (blocks === undefined) this.#blocks.set(holder, (blocks = new Map()))
    const number = Math.floor(page / BLOCK_PAGES)
    let block = blocks.get(number)
    if (block === undefined) {
      block = { firstSlot: this.#takeBlock(), pins: 0 }
      blocks.set(number, block)
    }
    block.pins++
    return block.firstSlot + (page % BLOCK_PAGES)
  }

  #takeBlock(): number {
    const free = this.#freeBlocks.pop()
    if (free !== undefined) return free
    if (this.#usedBlocks + BLOCK_PAGES > FRAMES) throw ENOMEM
    this.#usedBlocks += BLOCK_PAGES
    return this.#usedBlocks - BLOCK_PAGES
  }

  #leaveBlock({ holder, page }: Pin): void {
    const blocks = this.#blocks.get(holder)!
    const number = Math.floor(page / BLOCK_PAGES)
    const block = blocks.get(number)!
    if (--block.pins > 0) return
    this.#freeBlocks.push(block.firstSlot)
    blocks.delete(number)
    if (blocks.size === 0) this.#blocks.delete(holder)
  }
}
