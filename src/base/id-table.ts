// SPDX-License-Identifier: MIT
import { assert, broken } from './assert.ts'
import { ENOSPC } from './errno.ts'
import { OBJECT_ID_MAX } from './limits.ts'

const FIRST_WORDS = 4

/**
 * Ids to values: the lowest free id is handed out first. An id is reserved (and looks absent) until its value is
 * published; a buried id stays taken for ever without a value (`spec/02` §1, ids and tombstone).
 */
export class IdTable<T> {
  /** Number of published values. */
  size = 0
  readonly #first: number
  readonly #last: number
  /** One bit an id, set while it is taken. */
  #taken: Int32Array
  /** No word below this one has a free bit. */
  #hint = 0
  readonly #values: (T | undefined)[]

  /** Ids `first` … `last`, both included. */
  constructor(first = 1, last: number = OBJECT_ID_MAX) {
    assert(0 <= first && first <= last && last <= OBJECT_ID_MAX, `ids from ${first} to ${last}`)
    this.#first = first
    this.#last = last
    this.#taken = new Int32Array(FIRST_WORDS)
    this.#values = []
  }

  /** Takes the lowest free id. Throws ENOSPC when all are taken. */
  reserve(): number {
    const taken = this.#taken
    let word = this.#hint
    while (word < taken.length && taken[word] === -1) word++
    this.#hint = word
    const bits = word < taken.length ? taken[word]! : 0
    const bit = ~bits & (bits + 1)
    const id = this.#first + word * 32 + (31 - Math.clz32(bit))
    if (id > this.#last) throw ENOSPC
    if (word < taken.length) taken[word] = bits | bit
    else this.#grow(word)
    return id
  }

  /** Makes the value of a reserved id visible. */
  publish(id: number, value: T): void {
    const values = this.#values
    const index = id - this.#first
    if (!this.isTaken(id) || (index < values.length && values[index] !== undefined))
      wrong(id, 'is not reserved')
    if (value === undefined) wrong(id, 'needs a value')
    while (values.length <= index) values.push(undefined)
    values[index] = value
    this.size++
  }

  /** Replaces a published value. */
  replace(id: number, value: T): void {
    if (value === undefined || this.get(id) === undefined) wrong(id, 'is not published')
    this.#values[id - this.#first] = value
  }

  /** Reserves and publishes. */
  add(value: T): number {
    const id = this.reserve()
    this.publish(id, value)
    return id
  }

  /** The published value; `undefined` for every other id, whatever number it is. */
  get(id: number): T | undefined {
    const index = id - this.#first
    return index >= 0 && index < this.#values.length ? this.#values[index] : undefined
  }

  /** Taken: reserved, published or buried. */
  isTaken(id: number): boolean {
    const index = id - this.#first
    const word = index >>> 5
    // A number that is no index is none after the shift either.
    return word * 32 + (index & 31) === index && ((this.#taken[word] ?? 0) & (1 << (index & 31))) !== 0
  }

  /** Gives a reserved or published id back; it may be handed out again at once. */
  erase(id: number): void {
    const index = id - this.#first
    const word = index >>> 5
    this.bury(id)
    this.#taken[word]! &= ~(1 << (index & 31))
    if (word < this.#hint) this.#hint = word
  }

  /** Removes the value and keeps the id taken for ever. */
  bury(id: number): void {
    if (!this.isTaken(id)) wrong(id, 'is not taken')
    const values = this.#values
    const index = id - this.#first
    if (index >= values.length || values[index] === undefined) return
    values[index] = undefined
    this.size--
  }

  /** The lowest published id above `id`, 0 - or any number below the first - to begin with; -1 when there is none. */
  nextId(id: number): number {
    for (let index = Math.max(id + 1 - this.#first, 0); index < this.#values.length; index++)
      if (this.#values[index] !== undefined) return index + this.#first
    return -1
  }

  /** Published values by ascending id. Values may be erased and added meanwhile. */
  *entries(): Generator<[id: number, value: T]> {
    for (let id = this.nextId(-1); id >= 0; id = this.nextId(id)) yield [id, this.get(id)!]
  }

  /** Published values by ascending id. */
  *values(): Generator<T> {
    for (let id = this.nextId(-1); id >= 0; id = this.nextId(id)) yield this.get(id)!
  }

  /** Makes room for the word and marks its first id as taken. */
  #grow(word: number): void {
    const grown = new Int32Array(this.#taken.length * 2)
    grown.set(this.#taken)
    grown[word] = 1
    this.#taken = grown
  }
}

/** In a function of its own, because a text that two checks share is built before both. */
function wrong(id: number, what: string): never {
  broken(`id ${id} ${what}`)
}
