// SPDX-License-Identifier: MIT
import { beforeEach, describe, expect, it } from 'vitest'
import { Clock } from './clock.ts'
import {
  type Decisions,
  defaultDecisions,
  recordingDecisions,
  replayDecisions,
  seededDecisions,
} from './decisions.ts'
import { Scheduler } from './scheduler.ts'

let clock: Clock
let scheduler: Scheduler

beforeEach(() => {
  clock = new Clock()
  scheduler = new Scheduler(clock, defaultDecisions())
})

/** Names of five alarms of one instant in the order in which they run. */
function orderUnder(decisions: Decisions): string {
  const ran: string[] = []
  const own = new Clock()
  for (const name of ['a', 'b', 'c', 'd', 'e']) own.createAlarm(name, () => ran.push(name)).arm(7)
  new Scheduler(own, decisions).runUntilIdle()
  return ran.join('')
}

describe('steps', () => {
  it('run one alarm each and are counted', () => {
    const ran: string[] = []
    clock.createAlarm('a', () => ran.push('a')).arm(5)
    clock.createAlarm('b', () => ran.push('b')).arm(5)
    expect(scheduler.step()).toBe(true)
    expect(ran).toEqual(['a'])
    expect(scheduler.runUntilIdle()).toBe(1)
    expect([scheduler.step(), scheduler.steps, clock.now]).toEqual([false, 2, 5])
  })

  it('of one instant are chosen by the decisions', () => {
    expect(orderUnder(defaultDecisions())).toBe('abcde')
    const orders = new Set(Array.from({ length: 60 }, (_, seed) => orderUnder(seededDecisions(seed))))
    expect(orders.size).toBeGreaterThan(30)
  })

  it('come in the recorded order on replay', () => {
    const { decisions, log } = recordingDecisions(seededDecisions(8))
    const recorded = orderUnder(decisions)
    expect(log.topics).toEqual(['step'])
    expect(orderUnder(replayDecisions(log))).toBe(recorded)
  })

  it('do not run inside each other', () => {
    clock.createAlarm('outer', () => scheduler.step()).arm(0)
    expect(() => scheduler.step()).toThrow('a step runs inside a step')
    expect(scheduler.step()).toBe(false)
  })

  it('are bounded by the limit of runUntilIdle, which names the alarm', () => {
    const again = clock.createAlarm('again', () => again.arm(1))
    again.arm(1)
    expect(() => scheduler.runUntilIdle(10)).toThrow('not idle after 10 steps')
  })

  it('are shown to a watcher', () => {
    let seen = 0
    scheduler.afterStep = () => seen++
    clock.createAlarm('a', () => undefined).arm(0)
    clock.createAlarm('b', () => undefined).arm(1)
    scheduler.runUntilIdle()
    expect(seen).toBe(2)
  })
})
