// SPDX-License-Identifier: MIT
import { broken } from './assert.ts'

/** What a node of a `Heap` carries. */
export interface HeapNode {
  /** Place, -1 while it is on none. */
  heapIndex: number
  /**
   * Set before `push`, not to be changed while on the heap. A field, because a double passed to a function may be boxed;
   * initialise it with NaN, so that the field is a double from the start.
   */
  heapKey: number
}

const FIRST_CAPACITY = 64

/**
 * Binary heap of nodes by (key, order of insertion): the smallest key first, the oldest of equal keys first.
 * The keys live in typed arrays beside the nodes, so neither insertion nor removal allocates.
 */
export class Heap<T extends HeapNode> {
  length = 0
  readonly #nodes: (T | undefined)[] = []
  #keys = new Float64Array(FIRST_CAPACITY)
  #orders = new Float64Array(FIRST_CAPACITY)
  #nextOrder = 0

  push(node: T): void {
    if (node.heapIndex >= 0) broken('node is on a heap already')
    if (this.length + 2 > this.#keys.length) this.#grow()
    const index = this.length++
    this.#keys[this.length] = node.heapKey
    this.#orders[this.length] = this.#nextOrder++
    this.#siftUp(index, node)
  }

  /** The node that `shift` would return. */
  get first(): T | undefined {
    return this.length === 0 ? undefined : this.#nodes[0]
  }

  /** Key of `first`; Infinity while empty. */
  get firstKey(): number {
    return this.length === 0 ? Infinity : this.#keys[0]!
  }

  /** Removes and returns the node with the smallest key. */
  shift(): T | undefined {
    if (this.length === 0) return undefined
    const nodes = this.#nodes
    const node = nodes[0]!
    const tail = --this.length
    const moved = nodes[tail]!
    nodes[tail] = undefined
    node.heapIndex = -1
    if (tail > 0) this.#siftDown(0, moved)
    return node
  }

  remove(node: T): void {
    const index = node.heapIndex
    const nodes = this.#nodes
    if (index < 0 || nodes[index] !== node) broken('node is not on this heap')
    node.heapIndex = -1
    const tail = --this.length
    const moved = nodes[tail]!
    nodes[tail] = undefined
    if (index === tail) return
    if (index > 0 && this.#before(tail, (index - 1) >> 1)) this.#siftUp(index, moved)
    else this.#siftDown(index, moved)
  }

  #before(a: number, b: number): boolean {
    const keys = this.#keys
    const key = keys[a]!
    const other = keys[b]!
    return key < other || (key === other && this.#orders[a]! < this.#orders[b]!)
  }

  /** Puts the node, whose key stands behind the last, at the index or above it; what comes after it moves down. */
  #siftUp(from: number, node: T): void {
    let index = from
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#before(this.length, parent)) break
      this.#move(parent, index, this.#nodes[parent]!)
      index = parent
    }
    this.#move(this.length, index, node)
  }

  /** Puts the node, whose key stands behind the last, at the index or below it; what comes before it moves up. */
  #siftDown(from: number, node: T): void {
    const { length } = this
    let index = from
    for (;;) {
      let child = 2 * index + 1
      if (child >= length) break
      if (child + 1 < length && this.#before(child + 1, child)) child++
      if (this.#before(length, child)) break
      this.#move(child, index, this.#nodes[child]!)
      index = child
    }
    this.#move(length, index, node)
  }

  /** The node, whose key stands at `from`, comes to stand at `to`. */
  #move(from: number, to: number, node: T): void {
    this.#nodes[to] = node
    this.#keys[to] = this.#keys[from]!
    this.#orders[to] = this.#orders[from]!
    node.heapIndex = to
  }

  #grow(): void {
    const keys = new Float64Array(this.#keys.length * 2)
    keys.set(this.#keys)
    this.#keys = keys
    const orders = new Float64Array(this.#orders.length * 2)
    orders.set(this.#orders)
    this.#orders = orders
  }
}
