// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'

const ARENA_BYTES = 2 ** 20
const ALIGNMENT = 16

/** One block of memory that never moves: what system calls get pointers to. Places are offsets in it. */
export class Arena {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Address of offset 0 in this process. */
  readonly base: number
  #used: number = ALIGNMENT

  constructor(addressOf: (bytes: Uint8Array) => number) {
    const buffer = new ArrayBuffer(ARENA_BYTES)
    this.bytes = new Uint8Array(buffer)
    this.view = new DataView(buffer)
    this.base = addressOf(this.bytes)
  }

  /** Offset of that many bytes, zero, aligned to 16. They are never given back. */
  allocate(lengthBytes: number): number {
    const at = this.#used
    this.#used = (at + lengthBytes + ALIGNMENT - 1) & -ALIGNMENT
    assert(this.#used <= ARENA_BYTES, `the arena has no ${lengthBytes} bytes left`)
    return at
  }
}

const ENCODER = new TextEncoder()

/** Writes the text, shortened to `lengthMax` bytes, and a zero; returns the length without the zero. */
export function writeText(arena: Arena, at: number, text: string, lengthMax: number): number {
  const { written } = ENCODER.encodeInto(text, arena.bytes.subarray(at, at + lengthMax))
  arena.bytes[at + written] = 0
  return written
}
