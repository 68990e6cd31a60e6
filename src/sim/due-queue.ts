// SPDX-License-Identifier: MIT
import { broken } from '../base/assert.ts'

/** What a node of a `DueQueue` carries. */
export interface DueNode {
  /** Place in the queue, -1 while it is on none. */
  duePlace: number
}

const FIRST_PLACES = 64

/**
 * First in, first out, with removal from anywhere: a ring of places in which a node that was removed leaves a hole.
 * The oldest place is never a hole. Nothing is allocated while there are places.
 */
export class DueQueue<T extends DueNode> {
  /** Nodes on the queue. */
  length = 0
  #places: (T | undefined)[]
  #mask = FIRST_PLACES - 1
  #first = 0
  /** Places in use from `#first` on, holes included. */
  #used = 0

  constructor() {
    this.#places = Array.from({ length: FIRST_PLACES }, () => undefined)
  }

  /** The oldest. */
  get first(): T | undefined {
    return this.#places[this.#first]
  }

  push(node: T): void {
    if (node.duePlace >= 0) broken('node is on a queue already')
    if (this.#used > this.#mask) this.#makeRoom()
    const place = (this.#first + this.#used++) & this.#mask
    this.#places[place] = node
    node.duePlace = place
    this.length++
  }

  /** Removes and returns the oldest. */
  shift(): T | undefined {
    const node = this.#places[this.#first]
    if (node === undefined) return undefined
    this.#places[this.#first] = undefined
    node.duePlace = -1
    this.length--
    this.#skipHoles()
    return node
  }

  remove(node: T): void {
    const place = node.duePlace
    if (this.#places[place] !== node) broken('node is not on this queue')
    this.#places[place] = undefined
    node.duePlace = -1
    this.length--
    if (place === this.#first) this.#skipHoles()
  }

  /** The node that `count` others precede. */
  at(count: number): T | undefined {
    let left = count
    for (let i = 0; i < this.#used; i++) {
      const node = this.#places[(this.#first + i) & this.#mask]
      if (node !== undefined && left-- === 0) return node
    }
    return undefined
  }

  #skipHoles(): void {
    do {
      this.#first = (this.#first + 1) & this.#mask
      this.#used--
    } while (this.#used > 0 && this.#places[this.#first] === undefined)
  }

  /** Closes the holes where they are at least half, else doubles the places. */
  #makeRoom(): void {
    const old = this.#places
    const size = old.length
    const places = 2 * this.length > size ? 2 * size : size
    this.#places = Array.from({ length: places }, () => undefined)
    let count = 0
    for (let i = 0; i < size; i++) {
      const node = old[(this.#first + i) & this.#mask]
      if (node === undefined) continue
      node.duePlace = count
      this.#places[count++] = node
    }
    this.#mask = places - 1
    this.#first = 0
    this.#used = count
  }
}
