// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, it } from 'vitest'
import { Clock } from './clock.ts'
import { defaultDecisions } from './decisions.ts'
import type { Gate } from './gate.ts'
import { Deadlock, Scheduler } from './scheduler.ts'

let clock: Clock
let scheduler: Scheduler
let log: string[]

beforeEach(() => {
  clock = new Clock()
  scheduler = new Scheduler(clock, defaultDecisions())
  log = []
})

function note(text: string): void {
  log.push(`${clock.now} ${text}`)
}

/** Opens the gate after a delay, as a device or a driver would. */
function openLater<T>(gate: Gate<T>, delayNanos: number, value: T): void {
  clock.createAlarm('opener', () => gate.open(value)).arm(delayNanos)
}

describe('a task', () => {
  it('gives its result, and its error', async () => {
    expect(await scheduler.run(async () => 5)).toBe(5)
    const failing = scheduler.run(async () => {
      await scheduler.sleep(1)
      throw new Error('task failed')
    })
    await expect(failing).rejects.toThrow('task failed')
    expect(await scheduler.run(async () => 6)).toBe(6)
  })

  it('waits at a gate while time goes on, and wakes after its latency', async () => {
    const gate = scheduler.createGate<string>('answer', 50)
    openLater(gate, 100, 'opened')
    const value = await scheduler.run(async () => {
      expect(gate.waiting).toBe(false)
      return await gate.wait()
    })
    expect([value, clock.now, gate.waiting]).toEqual(['opened', 150, false])
  })

  it('sees time stand still while it runs, however many microtasks it takes', async () => {
    clock.createAlarm('other', () => note('other')).arm(10)
    await scheduler.run(async () => {
      for (let i = 0; i < 100; i++) await Promise.resolve()
      note('after microtasks')
      await scheduler.sleep(20)
      note('after sleep')
    })
    expect(log).toEqual(['0 after microtasks', '10 other', '20 after sleep'])
  })

  it('takes turns with others in the order of their steps', async () => {
    const worker = async (name: string, delay: number): Promise<void> => {
      for (let i = 0; i < 3; i++) {
        await scheduler.sleep(delay)
        note(name)
      }
    }
    await scheduler.run(async () => {
      const a = scheduler.spawn('a', () => worker('a', 10))
      const b = scheduler.spawn('b', () => worker('b', 15))
      await a.join()
      await b.join()
    })
    expect(log).toEqual(['10 a', '15 b', '20 a', '30 b', '30 a', '45 b'])
  })

  it('waits at several gates at once', async () => {
    const [a, b] = [scheduler.createGate<string>('a'), scheduler.createGate<string>('b')]
    openLater(a, 10, 'first')
    openLater(b, 20, 'second')
    const both = await scheduler.run(() => Promise.all([a.wait(), b.wait()]))
    expect([both, clock.now]).toEqual([['first', 'second'], 20])
  })

  it('goes on with the first of several gates at the instant at which it opens', async () => {
    const [a, b] = [scheduler.createGate<string>('a'), scheduler.createGate<string>('b')]
    openLater(a, 10, 'first')
    openLater(b, 20, 'second')
    await scheduler.run(async () => {
      note(await Promise.race([a.wait(), b.wait()]))
    })
    expect(log).toEqual(['10 first'])
  })

  it('may stay parked when another has finished, and goes on in the next run', async () => {
    const gate = scheduler.createGate<void>('gate')
    const parked = scheduler.spawn('parked', async () => {
      await gate.wait()
      note('woken')
    })
    expect(await scheduler.run(async () => 'done')).toBe('done')
    expect([parked.settled, gate.waiting]).toEqual([false, true])
    openLater(gate, 5, undefined)
    await scheduler.run(() => parked.join())
    expect(log).toEqual(['5 woken'])
  })

  it('runs the same way every time', async () => {
    const runs = new Set<string>()
    for (let i = 0; i < 5; i++) {
      clock = new Clock()
      scheduler = new Scheduler(clock, defaultDecisions())
      log = []
      const gate = scheduler.createGate<number>('gate', 3)
      await scheduler.run(async () => {
        const reader = scheduler.spawn('reader', async () => {
          for (let n = 0; n < 10; n++) note(`got ${await gate.wait()}`)
        })
        for (let n = 0; n < 10; n++) {
          gate.open(n)
          await scheduler.sleep(4)
          note('sent')
        }
        await reader.join()
      })
      runs.add(log.join('\n'))
    }
    expect(runs.size).toBe(1)
  })
})

describe('a gate', () => {
  it('wakes all who wait, with one value, in one step', async () => {
    const gate = scheduler.createGate<number>('gate')
    openLater(gate, 7, 42)
    const values = await scheduler.run(async () => {
      const tasks = ['a', 'b', 'c'].map((name) => scheduler.spawn(name, () => gate.wait()))
      return [await tasks[0]!.join(), await tasks[1]!.join(), await tasks[2]!.join()]
    })
    expect(values).toEqual([42, 42, 42])
    expect(scheduler.steps).toBe(2)
  })

  it('keeps nothing for later: opened while nobody waits, it wakes nobody', async () => {
    const gate = scheduler.createGate<number>('gate')
    gate.open(1)
    scheduler.runUntilIdle()
    openLater(gate, 10, 2)
    expect(await scheduler.run(() => gate.wait())).toBe(2)
  })

  it('gives the latest value when it is opened again before the waking step', async () => {
    const gate = scheduler.createGate<number>('gate', 100)
    openLater(gate, 10, 1)
    openLater(gate, 20, 2)
    expect(await scheduler.run(() => gate.wait())).toBe(2)
    expect([clock.now, gate.opening]).toEqual([110, false])
  })

  it('can fail who waits, and be taken back', async () => {
    const gate = scheduler.createGate<number>('gate')
    clock.createAlarm('fails', () => gate.fail(new Error('closed'))).arm(5)
    await expect(scheduler.run(() => gate.wait())).rejects.toThrow('closed')
    gate.open(1)
    gate.cancel()
    expect([gate.opening, scheduler.step()]).toEqual([false, false])
  })
})

describe('what goes wrong', () => {
  it('is a deadlock when no step is left, naming the places', async () => {
    const gate = scheduler.createGate<void>('fault queue of hwpt 3')
    scheduler.spawn('pager', () => gate.wait())
    const run = scheduler.run(() => scheduler.createGate<void>('transfer 1').wait(), 'workload')
    await expect(run).rejects.toThrow(
      new Deadlock('no step is left; waiting at: fault queue of hwpt 3, transfer 1; tasks: pager, workload'),
    )
  })

  it('is an error of a task that nobody joins: it rejects the run', async () => {
    const run = scheduler.run(async () => {
      scheduler.spawn('background', async () => {
        await scheduler.sleep(5)
        throw new Error('background failed')
      })
      await scheduler.sleep(100)
    })
    await expect(run).rejects.toThrow('background failed')
    expect(clock.now).toBe(5)
  })

  it('is an error of a task that somebody joins: it is his', async () => {
    const caught = await scheduler.run(async () => {
      const task = scheduler.spawn('joined', async () => {
        await scheduler.sleep(5)
        throw new Error('joined failed')
      })
      return await task.join().catch((error: unknown) => String(error))
    })
    expect(caught).toBe('Error: joined failed')
  })

  it('is an error of a step: it rejects the run', async () => {
    clock
      .createAlarm('broken', () => {
        throw new Error('step failed')
      })
      .arm(5)
    await expect(scheduler.run(() => scheduler.sleep(100))).rejects.toThrow('step failed')
  })

  it('is awaiting what is no gate, without a host to wait with', async () => {
    const foreign = new Promise(() => undefined)
    const run = scheduler.run(async () => await foreign, 'reader')
    await expect(run).rejects.toThrow(
      'a task awaits something that is no gate, and no host is set to wait with; tasks: reader',
    )
  })

  it('is a run inside a run', async () => {
    await expect(scheduler.run(() => scheduler.run(async () => 1, 'inner'))).rejects.toThrow(
      'run(inner) while',
    )
  })
})

describe('with a host', () => {
  it('a task may await real things: time stands still meanwhile', async () => {
    scheduler.idle = () => new Promise((resolve) => setImmediate(resolve))
    clock.createAlarm('other', () => note('other')).arm(10)
    await scheduler.run(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      note('after real time')
      await scheduler.sleep(20)
    })
    expect(log).toEqual(['0 after real time', '10 other'])
  })

  it('a live clock waits for its next alarm', async () => {
    let nanos = 0
    clock = new Clock(() => nanos)
    scheduler = new Scheduler(clock, defaultDecisions())
    let turns = 0
    scheduler.idle = async () => {
      turns++
      nanos += 40
    }
    await scheduler.run(() => scheduler.sleep(100))
    expect([turns, clock.now]).toEqual([3, 120])
  })

  it('a live clock without a host is an error', async () => {
    scheduler = new Scheduler(new Clock(() => 0), defaultDecisions())
    await expect(scheduler.run(() => scheduler.sleep(1))).rejects.toThrow(
      'no alarm is due, and no host is set',
    )
  })
})
