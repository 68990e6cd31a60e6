// SPDX-License-Identifier: MIT
import { assert } from './assert.ts'

/** What a node of a `Heap` carries: its place, -1 while it is on none. */
export interface HeapNode {
  heapIndex: number
}

const FIRST_CAPACITY = 64

/**
 * Binary heap of nodes by (key, order of insertion): the smallest key first, the oldest of equal keys first.
 * The keys live in typed arrays beside the nodes, so neither insertion nor removal allocates.
 */
export class Heap<T extends HeapNode> {
  length = 0
  readonly #nodes: T[] = []
  #keys = new Float64Array(FIRST_CAPACITY)
  #orders = new Float64Array(FIRST_CAPACITY)
  #nextOrder = 0

  push(node: T, key: number): void {
    assert(node.heapIndex < 0, 'node is on a heap already')
    if (this.length === this.#keys.length) this.#grow()
    const order = this.#nextOrder++
    this.#siftUp(this.length++, node, key, order)
  }

  /** The node that `shift` would return. */
  get first(): T | undefined {
    return this.length === 0 ? undefined : this.#nodes[0]
  }

  /** Key of `first`; Infinity while empty. */
  get firstKey(): number {
    return this.length === 0 ? Infinity : this.#keys[0]!
  }

  keyOf(node: T): number {
    assert(this.#nodes[node.heapIndex] === node, 'node is not on this heap')
    return this.#keys[node.heapIndex]!
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
    this.#nodes.length = tail
    if (index === tail) return
    const key = this.#keys[tail]!
    const order = this.#orders[tail]!
    if (index > 0 && this.#before(key, order, (index - 1) >> 1)) this.#siftUp(index, moved, key, order)
    else this.#siftDown(index, moved, key, order)
  }

  #before(key: number, order: number, index: number): boolean {
    const other = this.#keys[index]!
    return key < other || (key === other && order < this.#orders[index]!)
  }

  #siftUp(from: number, node: T, key: number, order: number): void {
    let index = from
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#before(key, order, parent)) break
      this.#move(parent, index)
      index = parent
    }
    this.#place(index, node, key, order)
  }

  #siftDown(from: number, node: T, key: number, order: number): void {
    let index = from
    for (;;) {
      let child = 2 * index + 1
      if (child >= this.length) break
      const right = child + 1
      if (right < this.length && this.#before(this.#keys[right]!, this.#orders[right]!, child)) child = right
      if (this.#before(key, order, child)) break
      this.#move(child, index)
      index = child
    }
    this.#place(index, node, key, order)
  }

  #move(from: number, to: number): void {
    this.#place(to, this.#nodes[from]!, this.#keys[from]!, this.#orders[from]!)
  }

  #place(index: number, node: T, key: number, order: number): void {
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
