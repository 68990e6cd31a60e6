// SPDX-License-Identifier: MIT
import { assert } from './assert.ts'

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
    assert(node.heapIndex < 0, 'node is on a heap already')
    if (this.length === this.#keys.length) this.#grow()
    const index = this.length++
    this.#keys[index] = node.heapKey
    this.#orders[index] = this.#nextOrder++
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
    const node = this.first
    if (node !== undefined) this.remove(node)
    return node
  }

  remove(node: T): void {
    const index = node.heapIndex
    assert(index >= 0 && this.#nodes[index] === node, 'node is not on this heap')
    node.heapIndex = -1
    const tail = --this.length
    const moved = this.#nodes[tail]!
    this.#nodes[tail] = undefined
    if (index === tail) return
    this.#keys[index] = this.#keys[tail]!
    this.#orders[index] = this.#orders[tail]!
    if (index > 0 && this.#before(index, (index - 1) >> 1)) this.#siftUp(index, moved)
    else this.#siftDown(index, moved)
  }

  #before(a: number, b: number): boolean {
    const keys = this.#keys
    const difference = keys[a]! - keys[b]!
    return difference < 0 || (difference === 0 && this.#orders[a]! < this.#orders[b]!)
  }

  /** Moves the keys at the index up to their place and puts the node there. */
  #siftUp(from: number, node: T): void {
    let index = from
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#before(index, parent)) break
      this.#swapKeys(index, parent)
      this.#put(index, this.#nodes[parent]!)
      index = parent
    }
    this.#put(index, node)
  }

  /** Moves the keys at the index down to their place and puts the node there. */
  #siftDown(from: number, node: T): void {
    let index = from
    for (;;) {
      let child = 2 * index + 1
      if (child >= this.length) break
      if (child + 1 < this.length && this.#before(child + 1, child)) child++
      if (this.#before(index, child)) break
      this.#swapKeys(index, child)
      this.#put(index, this.#nodes[child]!)
      index = child
    }
    this.#put(index, node)
  }

  #put(index: number, node: T): void {
    this.#nodes[index] = node
    node.heapIndex = index
  }

  #swapKeys(a: number, b: number): void {
    const keys = this.#keys
    const orders = this.#orders
    const key = keys[a]!
    const order = orders[a]!
    keys[a] = keys[b]!
    orders[a] = orders[b]!
    keys[b] = key
    orders[b] = order
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
