// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { createWorld } from '../trace/world.ts'
import { Interrupt } from './interrupt.ts'

function setUp() {
  const world = createWorld()
  const line = new Interrupt(world, 'line', 1000)
  const at: number[] = []
  line.connect(() => at.push(world.clock.now))
  return { world, line, at }
}

describe('Interrupt', () => {
  test('calls its handler after the latency, in a step of its own', () => {
    const { world, line, at } = setUp()
    line.raise()
    expect([line.pending, at.length]).toEqual([true, 0])
    world.scheduler.runUntilIdle()
    expect([line.pending, ...at]).toEqual([false, 1000])
  })

  test('raised twice on its way is one, raised by its own handler is another', () => {
    const { world, line, at } = setUp()
    line.raise()
    line.raise()
    world.scheduler.runUntilIdle()
    expect(at).toHaveLength(1)
    line.connect(() => {
      at.push(world.clock.now)
      if (at.length < 4) line.raise()
    })
    line.raise()
    world.scheduler.runUntilIdle()
    expect(at).toEqual([1000, 2000, 3000, 4000])
  })

  test('is lost without a handler', () => {
    const { world, line, at } = setUp()
    line.raise()
    line.connect(undefined)
    world.scheduler.runUntilIdle()
    expect([line.pending, at.length]).toEqual([false, 0])
  })

  test('a pending one can be delivered at once, and then does not come again', () => {
    const { world, line, at } = setUp()
    line.deliverPending()
    line.raise()
    line.deliverPending()
    world.scheduler.runUntilIdle()
    expect(at).toEqual([0])
  })
})
