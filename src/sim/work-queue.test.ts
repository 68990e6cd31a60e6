// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, it } from 'vitest'
import { Clock } from './clock.ts'
import { defaultDecisions, seededDecisions } from './decisions.ts'
import { Scheduler } from './scheduler.ts'
import { Work, WorkQueue } from './work-queue.ts'

let clock: Clock
let scheduler: Scheduler
let queue: WorkQueue
let ran: string[]

function item(name: string): Work {
  return new Work(() => ran.push(name))
}

beforeEach(() => {
  clock = new Clock()
  const decisions = defaultDecisions()
  scheduler = new Scheduler(clock, decisions)
  queue = new WorkQueue({ clock, decisions }, 'test queue', 100)
  ran = []
})

describe('WorkQueue', () => {
  it('runs each item as a step of its own after the latency', () => {
    const [a, b] = [item('a'), item('b')]
    expect([queue.queue(a), queue.queue(b)]).toEqual([true, true])
    expect(queue.length).toBe(2)
    scheduler.step()
    expect([ran, clock.now, a.queued, b.queued]).toEqual([['a'], 100, false, true])
    scheduler.step()
    expect([ran, queue.length]).toEqual([['a', 'b'], 0])
  })

  it('refuses an item that is queued already and takes it again from within its own run', () => {
    let runs = 0
    const work = new Work(() => {
      if (++runs < 3) queue.queue(work)
    })
    expect([queue.queue(work), queue.queue(work)]).toEqual([true, false])
    scheduler.runUntilIdle()
    expect([runs, clock.now]).toEqual([3, 300])
  })

  it('flushes what was queued before, oldest first, and leaves what that queues', () => {
    const late = item('late')
    queue.queue(
      new Work(() => {
        ran.push('queues late')
        queue.queue(late)
      }),
    )
    queue.queue(item('b'))
    queue.flush()
    expect([ran, late.queued, clock.now]).toEqual([['queues late', 'b'], true, 0])
    scheduler.runUntilIdle()
    expect(ran).toEqual(['queues late', 'b', 'late'])
  })

  it('flushes although an item cancels the one after it', () => {
    const b = item('b')
    queue.queue(new Work(() => queue.cancel(b)))
    queue.queue(b)
    queue.queue(item('c'))
    queue.flush()
    expect(ran).toEqual(['c'])
  })

  it('cancels an item once', () => {
    const work = item('a')
    queue.queue(work)
    expect([queue.cancel(work), queue.cancel(work)]).toEqual([true, false])
    expect(scheduler.runUntilIdle()).toBe(0)
    expect(ran).toEqual([])
  })

  it('may run items in another order when latencies differ', () => {
    const orders = new Set<string>()
    for (let seed = 0; seed < 20; seed++) {
      const world = { clock: new Clock(), decisions: seededDecisions(seed) }
      const other = new WorkQueue(world, 'seeded', 100)
      ran = []
      for (const name of ['a', 'b', 'c']) other.queue(item(name))
      new Scheduler(world.clock, world.decisions).runUntilIdle()
      orders.add(ran.join(''))
    }
    expect(orders.size).toBeGreaterThan(3)
  })

  it('goes on after an item that throws', () => {
    queue.queue(
      new Work(() => {
        throw new Error('item failed')
      }),
    )
    queue.queue(item('b'))
    expect(() => scheduler.step()).toThrow('item failed')
    queue.flush()
    expect(ran).toEqual(['b'])
  })

  it('asserts on a flush from its own item and on an item of another queue', () => {
    const other = new WorkQueue({ clock, decisions: defaultDecisions() }, 'other queue', 0)
    const work = new Work(() => queue.flush())
    queue.queue(work)
    expect(() => other.queue(work)).toThrow('work for other queue is still on test queue')
    expect(() => scheduler.step()).toThrow('work of test queue flushes its own queue')
  })
})
