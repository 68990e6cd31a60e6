// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Heap, type HeapNode } from './heap.ts'

class Node implements HeapNode {
  heapIndex = -1
  heapKey: number = Number.NaN
  readonly label: number
  constructor(label: number, key: number) {
    this.label = label
    this.heapKey = key
  }
}

function push(heap: Heap<Node>, label: number, key: number): Node {
  const node = new Node(label, key)
  heap.push(node)
  return node
}

describe('Heap', () => {
  it('gives equal keys in the order of insertion', () => {
    const heap = new Heap<Node>()
    for (let label = 0; label < 100; label++) push(heap, label, label % 3)
    const labels: number[] = []
    for (let node = heap.shift(); node !== undefined; node = heap.shift()) labels.push(node.label)
    const thirds = [0, 1, 2].map((key) =>
      Array.from({ length: 100 }, (_, i) => i).filter((i) => i % 3 === key),
    )
    expect(labels).toEqual(thirds.flat())
  })

  it('agrees with a sorted array under insertions and removals anywhere', () => {
    const operation = fc.record({
      key: fc.integer({ min: 0, max: 9 }),
      remove: fc.nat({ max: 3 }),
      at: fc.nat(),
    })
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300, size: 'max' }), (operations) => {
        const heap = new Heap<Node>()
        const model: Node[] = []
        operations.forEach(({ key, remove, at }, label) => {
          if (remove === 0 && model.length > 0) heap.remove(model.splice(at % model.length, 1)[0]!)
          else if (remove === 1) expect(heap.shift()).toBe(model.shift())
          else {
            const after = model.findIndex((node) => node.heapKey > key)
            model.splice(after < 0 ? model.length : after, 0, push(heap, label, key))
          }
          expect(heap.first).toBe(model[0])
          expect(heap.firstKey).toBe(model[0]?.heapKey ?? Infinity)
          expect(heap.length).toBe(model.length)
        })
      }),
    )
  })

  it('asserts that a node is on one heap only, and on this one when it is removed', () => {
    const heap = new Heap<Node>()
    const node = push(heap, 1, 1)
    expect(() => heap.push(node)).toThrow('node is on a heap already')
    expect(() => new Heap<Node>().remove(node)).toThrow('node is not on this heap')
    heap.remove(node)
    expect(node.heapIndex).toBe(-1)
    expect(() => heap.remove(node)).toThrow('node is not on this heap')
  })
})
