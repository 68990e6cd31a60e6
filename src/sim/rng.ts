// SPDX-License-Identifier: MIT
import { assert, broken } from '../base/assert.ts'

/** Small seeded generator (sfc32): 32-bit integer arithmetic only, so every engine draws the same numbers. */
export class Rng {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** `seed`: a whole number, 0 … 2^53-1. */
  constructor(seed: number) {
    assert(
      Number.isSafeInteger(seed) && seed >= 0,
      `seed must be a whole number from 0 to 2^53-1, not ${seed}`,
    )
    this.#a = 0x9e3779b9 | 0
    this.#b = seed | 0
    this.#c = (seed / 4294967296) | 0
    for (let i = 0; i < 15; i++) this.next()
  }

  /** The next int32. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum
  }

  /** Every value of 0 … count-1 with the same probability; `count` 1 … 2^32. */
  below(count: number): number {
    if (!(Number.isInteger(count) && count >= 1 && count <= 4294967296)) broken(`range of ${count} values`)
    const unfair = 4294967296 - (4294967296 % count)
    let drawn = this.next() >>> 0
    while (drawn >= unfair) drawn = this.next() >>> 0
    return drawn % count
  }

  /** True once in `1/chance` draws; `chance` 0 … 1. Draws a number in any case. */
  chance(chance: number): boolean {
    return this.next() >>> 0 < chance * 4294967296
  }
}
