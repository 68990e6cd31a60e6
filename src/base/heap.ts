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
    if (this.length === this.#keys.length) this.#grow()
    this.#siftUp(this.length++, node, node.heapKey, this.#nextOrder++)
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
    const nodes = this.#nodes
    if (index < 0 || nodes[index] !== node) broken('node is not on this heap')
    node.heapIndex = -1
    const tail = --this.length
    const moved = nodes[tail]!
    nodes[tail] = undefined
    if (index === tail) return
    const key = this.#keys[tail]!
    const order = this.#orders[tail]!
    if (index > 0 && this.#isBehind((index - 1) >> 1, key, order)) this.#siftUp(index, moved, key, order)
    else this.#siftDown(index, moved, key, order)
  }

  /** Whether what stands at the index comes after (key, order). */
  #isBehind(index: number, key: number, order: number): boolean {
    const other = this.#keys[index]!
    return other > key || (other === key && this.#orders[index]! > order)
  }

  /** Puts the node at the index or above it, moving down what comes after it. */
  #siftUp(from: number, node: T, key: number, order: number): void {
    let index = from
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#isBehind(parent, key, order)) break
      this.#move(parent, index)
      index = parent
    }
    this.#put(index, node, key, order)
  }

  /** Puts the node at the index or below it, moving up what comes before it. */
  #siftDown(from: number, node: T, key: number, order: number): void {
    let index = from
    for (;;) {
      let child = 2 * index + 1
      if (child >= this.length) break
      if (child + 1 < this.length && this.#isBehind(child, this.#keys[child + 1]!, this.#orders[child + 1]!))
        child++
      if (this.#isBehind(child, key, order)) break
      this.#move(child, index)
      index = child
    }
    this.#put(index, node, key, order)
  }

  #move(from: number, to: number): void {
    const node = this.#nodes[from]!
    this.#nodes[to] = node
    this.#keys[to] = this.#keys[from]!
    this.#orders[to] = this.#orders[from]!
    node.heapIndex = to
  }

  #put(index: number, node: T, key: number, order: number): void {
    this.#nodes[index] = node
    this.#keys[index] = key
    this.#orders[index] = order
    node.heapIndex = index
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
