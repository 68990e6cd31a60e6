// SPDX-License-Identifier: MIT

/** A generator of its own, so that a seed means the same everywhere (mulberry32). */
export class Random {
  #state

  constructor(seed) {
    this.#state = seed | 0
  }

  /** 0 … 2^32-1. */
  word() {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  below(limit) {
    return Math.floor((this.word() / 2 ** 32) * limit)
  }

  chance(probability) {
    return this.word() < probability * 2 ** 32
  }

  of(values) {
    return values[this.below(values.length)]
  }
}
