// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DueNode, DueQueue } from './due-queue.ts'

class Item implements DueNode {
  duePlace = -1
  readonly number: number
  constructor(number: number) {
    this.number = number
  }
}

describe('DueQueue', () => {
  it('gives back what was pushed, oldest first, and undefined when it is empty', () => {
    const queue = new DueQueue<Item>()
    for (let i = 0; i < 3; i++) queue.push(new Item(i))
    expect([queue.shift()?.number, queue.shift()?.number, queue.shift()?.number, queue.shift()]).toEqual([
      0,
      1,
      2,
      undefined,
    ])
    expect(queue.length).toBe(0)
  })

  it('asserts that a node is on one queue at a time, and on this one when it is removed', () => {
    const queue = new DueQueue<Item>()
    const item = new Item(0)
    queue.push(item)
    expect(() => queue.push(item)).toThrow('on a queue already')
    expect(() => queue.remove(new Item(1))).toThrow('not on this queue')
    expect(() => new DueQueue<Item>().remove(item)).toThrow('not on this queue')
  })

  it('keeps the order whatever is pushed, shifted and removed, at any length', () => {
    const action = fc.record({ kind: fc.nat({ max: 5 }), which: fc.nat() })
    fc.assert(
      fc.property(fc.array(action, { maxLength: 600, size: 'max' }), (actions) => {
        const queue = new DueQueue<Item>()
        const model: Item[] = []
        for (const [number, { kind, which }] of actions.entries()) {
          if (kind > 2) {
            const item = new Item(number)
            queue.push(item)
            model.push(item)
          } else if (kind === 0) {
            expect(queue.shift()).toBe(model.shift())
          } else if (model.length > 0) {
            const [item] = model.splice(which % model.length, 1)
            queue.remove(item!)
          }
          expect([queue.length, queue.first]).toEqual([model.length, model[0]])
        }
        expect(model.map((_, index) => queue.at(index))).toEqual(model)
        expect(queue.at(model.length)).toBeUndefined()
      }),
      { numRuns: 50 },
    )
  })

  it('does not grow when the same node comes and goes while another stays', () => {
    const queue = new DueQueue<Item>()
    const stays = new Item(0)
    const moves = new Item(1)
    queue.push(stays)
    for (let i = 0; i < 1000; i++) {
      queue.push(moves)
      queue.remove(moves)
    }
    queue.push(moves)
    expect(moves.duePlace).toBeLessThan(64)
    expect([queue.at(0), queue.at(1)]).toEqual([stays, moves])
  })
})
