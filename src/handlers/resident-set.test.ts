// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ResidentSet, type SlotOwner } from './resident-set.ts'

function recordingOwner(): SlotOwner & { evicted: number[] } {
  const evicted: number[] = []
  return { evicted, evict: (slot) => void evicted.push(slot) }
}

describe('ResidentSet', () => {
  it('hands out every slot once before it evicts', () => {
    const set = new ResidentSet(3)
    const owner = recordingOwner()
    expect([set.take(owner), set.take(owner), set.take(owner)].toSorted((a, b) => a - b)).toEqual([0, 1, 2])
    expect(set.evictions).toBe(0)
  })

  it('evicts the oldest page, at its owner', () => {
    const set = new ResidentSet(2)
    const first = recordingOwner()
    const second = recordingOwner()
    const oldest = set.take(first)
    set.take(second)
    expect(set.take(second)).toBe(oldest)
    expect(first.evicted).toEqual([oldest])
    expect(second.evicted).toEqual([])
    expect(set.evictions).toBe(1)
  })

  it('takes back the slot given last', () => {
    const set = new ResidentSet(2)
    const owner = recordingOwner()
    set.take(owner)
    const slot = set.take(owner)
    set.untake(slot)
    expect(set.resident).toBe(1)
    expect(set.take(owner)).toBe(slot)
    expect(owner.evicted).toEqual([])
  })

  it('clears without counting evictions', () => {
    const set = new ResidentSet(4)
    const owner = recordingOwner()
    const slots = [set.take(owner), set.take(owner), set.take(owner)]
    set.clear()
    expect(owner.evicted).toEqual(slots)
    expect(set.evictions).toBe(0)
    expect(set.resident).toBe(0)
  })

  it('keeps first-in first-out order against a naive queue', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.boolean(), { maxLength: 200 }),
        (capacity, steps) => {
          const set = new ResidentSet(capacity)
          const queue: number[] = []
          const owner: SlotOwner = { evict: (slot) => expect(slot).toBe(queue.shift()) }
          for (const takes of steps) {
            if (takes) queue.push(set.take(owner))
            else if (queue.length > 0) set.untake(queue.pop()!)
            expect(set.resident).toBe(queue.length)
            expect(new Set(queue).size).toBe(queue.length)
          }
        },
      ),
    )
  })
})
