// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Clock } from './clock.ts'
import { defaultDecisions } from './decisions.ts'
import { Scheduler } from './scheduler.ts'

function world(source?: () => number): { clock: Clock; scheduler: Scheduler } {
  const clock = new Clock(source)
  return { clock, scheduler: new Scheduler(clock, defaultDecisions()) }
}

describe('virtual clock', () => {
  it('stands still until a step, then jumps to the alarm', () => {
    const { clock, scheduler } = world()
    const alarm = clock.createAlarm('a', () => undefined)
    alarm.arm(1500)
    expect([clock.now, clock.nextAt, alarm.at]).toEqual([0, 1500, 1500])
    scheduler.step()
    expect([clock.now, alarm.armed, clock.nextAt]).toEqual([1500, false, Infinity])
  })

  it('runs alarms by time, those of one instant in the order of arming, at whichever instant they were armed', () => {
    const { clock, scheduler } = world()
    const ran: string[] = []
    const make = (name: string): ReturnType<Clock['createAlarm']> =>
      clock.createAlarm(name, () => ran.push(name))
    const late = make('late')
    make('first at 10').armAt(10)
    late.arm(20)
    const second = make('second at 10')
    clock.createAlarm('arms', () => second.arm(5)).arm(5)
    make('third at 10').arm(10)
    const armsNow = clock.createAlarm('arms now', () => make('now at 10').arm(0))
    armsNow.arm(10)
    make('fourth at 10').arm(10)
    scheduler.runUntilIdle()
    expect(ran).toEqual(['first at 10', 'third at 10', 'fourth at 10', 'second at 10', 'now at 10', 'late'])
  })

  it('moves an alarm that is armed again, which counts as armed anew', () => {
    const { clock, scheduler } = world()
    const ran: string[] = []
    const a = clock.createAlarm('a', () => ran.push('a'))
    const b = clock.createAlarm('b', () => ran.push('b'))
    a.arm(10)
    b.arm(10)
    a.arm(10)
    scheduler.runUntilIdle()
    expect(ran).toEqual(['b', 'a'])
    expect(clock.armedCount).toBe(0)
  })

  it('forgets a cancelled alarm, due or later, and cancelling twice does nothing', () => {
    const { clock, scheduler } = world()
    const ran: string[] = []
    const now = clock.createAlarm('now', () => ran.push('now'))
    const later = clock.createAlarm('later', () => ran.push('later'))
    now.arm(0)
    later.arm(9)
    for (const alarm of [now, later, now, later]) alarm.cancel()
    expect(scheduler.step()).toBe(false)
    expect(ran).toEqual([])
  })

  it.each([-1, 0.5, Number.NaN, Infinity, 2 ** 53])('asserts on a delay of %d', (delay) => {
    const { clock } = world()
    const alarm = clock.createAlarm('a', () => undefined)
    expect(() => alarm.arm(delay)).toThrow('delay of alarm a must be a whole number of nanoseconds')
    expect(alarm.armed).toBe(false)
  })

  it('asserts on an instant of the past and on the time of an alarm that is not armed', () => {
    const { clock, scheduler } = world()
    const alarm = clock.createAlarm('a', () => undefined)
    alarm.arm(10)
    scheduler.step()
    expect(() => alarm.armAt(9)).toThrow('not -1')
    expect(() => alarm.at).toThrow('alarm a is not armed')
    alarm.armAt(10)
    expect(alarm.at).toBe(10)
  })

  it('runs any set of alarms sorted by time and order, whatever is re-armed or cancelled', () => {
    const action = fc.record({
      alarm: fc.nat({ max: 9 }),
      delay: fc.nat({ max: 5 }),
      kind: fc.nat({ max: 4 }),
    })
    fc.assert(
      fc.property(fc.array(action, { maxLength: 100, size: 'max' }), (actions) => {
        const { clock, scheduler } = world()
        const ran: number[] = []
        const alarms = Array.from({ length: 10 }, (_, i) => clock.createAlarm(`${i}`, () => ran.push(i)))
        const expected: number[] = []
        let model: { alarm: number; at: number }[] = []
        const runModel = (): void => {
          const first = model.toSorted((a, b) => a.at - b.at)[0]
          if (first !== undefined) expected.push(first.alarm)
          model = model.filter((entry) => entry !== first)
        }
        for (const { alarm, delay, kind } of actions) {
          if (kind === 0) {
            runModel()
            scheduler.step()
            continue
          }
          model = model.filter((entry) => entry.alarm !== alarm)
          if (kind === 1) alarms[alarm]!.cancel()
          else {
            alarms[alarm]!.arm(delay)
            model.push({ alarm, at: clock.now + delay })
          }
        }
        while (model.length > 0) runModel()
        scheduler.runUntilIdle()
        expect(ran).toEqual(expected)
      }),
    )
  })
})

describe('live clock', () => {
  it('takes its time from the source and runs what the source has passed', () => {
    let nanos = 1000
    const { clock, scheduler } = world(() => nanos)
    const ran: string[] = []
    expect([clock.live, clock.now]).toEqual([true, 1000])
    clock.createAlarm('b', () => ran.push('b')).arm(200)
    clock.createAlarm('a', () => ran.push('a')).arm(100)
    expect(scheduler.step()).toBe(false)
    nanos = 1250.7
    expect(scheduler.runUntilIdle()).toBe(2)
    expect([ran, clock.now]).toEqual([['a', 'b'], 1250])
  })

  it('never goes back', () => {
    let nanos = 500
    const { clock } = world(() => nanos)
    nanos = 400
    clock.synchronize()
    expect(clock.now).toBe(500)
  })
})
