// SPDX-License-Identifier: MIT

/** Seeded numbers (xoshiro128**, seeded by splitmix32): the same seed gives the same programs everywhere. */
export class Random {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number) {
    let state = seed >>> 0
    const next = (): number => {
      state = (state + 0x9e3779b9) >>> 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
      return (z ^ (z >>> 16)) >>> 0
    }
    ;[this.#a, this.#b, this.#c, this.#d] = [next(), next(), next(), next() | 1]
  }

  /** 32 bits. */
  word(): number {
    const result = Math.imul(rotate(Math.imul(this.#b, 5), 7), 9) >>> 0
    const t = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= t
    this.#d = rotate(this.#d, 11)
    return result
  }

  /** 0 … below - 1. */
  below(below: number): number {
    return Math.floor((this.word() / 2 ** 32) * below)
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0
  }

  pick<T>(list: readonly T[]): T {
    const found = list[this.below(list.length)]
    if (found === undefined) throw new Error('pick from an empty list')
    return found
  }

  /** One of the entries, by weight. */
  weighted<T>(entries: readonly (readonly [weight: number, value: T])[]): T {
    const total = entries.reduce((sum, [weight]) => sum + weight, 0)
    let left = (this.word() / 2 ** 32) * total
    for (const [weight, value] of entries) {
      left -= weight
      if (left < 0) return value
    }
    throw new Error('no weight is above 0')
  }
}

function rotate(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits))
}
