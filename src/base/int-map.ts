// SPDX-License-Identifier: MIT
import { broken } from './assert.ts'

const FIRST_CAPACITY = 64

/** Spreads keys that differ in few bits over the table. */
function hash(key: number): number {
  const mixed = Math.imul(key ^ (key >>> 16), 0x9e3779b1 | 0)
  return mixed ^ (mixed >>> 15)
}

/**
 * Int32 keys to positive int32 values, open addressing with linear probing. Setting and deleting allocate nothing
 * while the number of keys stays below its former maximum.
 */
export class IntMap {
  size = 0
  #keys: Int32Array
  /** 0: the place is free. */
  #values: Int32Array

  constructor() {
    this.#keys = new Int32Array(FIRST_CAPACITY)
    this.#values = new Int32Array(FIRST_CAPACITY)
  }

  /** The value, 0 when the key is absent. */
  get(key: number): number {
    return this.#values[this.#placeOf(key)]!
  }

  /** `value` must be above 0. */
  set(key: number, value: number): void {
    if (!(value > 0)) broken(`value ${value} of key ${key}`)
    const place = this.#placeOf(key)
    if (this.#values[place] === 0) this.size++
    this.#keys[place] = key
    this.#values[place] = value
    if (this.size * 2 > this.#keys.length) this.#grow()
  }

  /** The value that was there, 0 when the key was absent. */
  delete(key: number): number {
    const place = this.#placeOf(key)
    const value = this.#values[place]!
    if (value === 0) return 0
    this.#values[place] = 0
    this.size--
    this.#closeGap(place)
    return value
  }

  /** Place of the key, or the free place where it would go. */
  #placeOf(key: number): number {
    const mask = this.#keys.length - 1
    let place = hash(key) & mask
    while (this.#values[place] !== 0 && this.#keys[place] !== (key | 0)) place = (place + 1) & mask
    return place
  }

  /** Moves back what was pushed past a place that is free now. */
  #closeGap(free: number): void {
    const mask = this.#keys.length - 1
    let gap = free
    for (let place = (gap + 1) & mask; this.#values[place] !== 0; place = (place + 1) & mask) {
      const home = hash(this.#keys[place]!) & mask
      if (((place - home) & mask) < ((place - gap) & mask)) continue
      this.#keys[gap] = this.#keys[place]!
      this.#values[gap] = this.#values[place]!
      this.#values[place] = 0
      gap = place
    }
  }

  #grow(): void {
    const keys = this.#keys
    const values = this.#values
    this.#keys = new Int32Array(keys.length * 2)
    this.#values = new Int32Array(keys.length * 2)
    this.size = 0
    for (let place = 0; place < keys.length; place++)
      if (values[place] !== 0) this.set(keys[place]!, values[place]!)
  }
}
