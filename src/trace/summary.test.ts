// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { Clock } from '../sim/clock.ts'
import { type EventName, EVENTS } from './events.ts'
import { Recorder } from './recorder.ts'
import { summarize } from './summary.ts'

/** A trace of (instant, event, flow). */
function traceOf(events: [nanos: number, name: EventName, flow: number][]): Recorder {
  const clock = new Clock()
  const trace = new Recorder(clock)
  for (const [nanos, name, flow] of events) {
    clock.now = nanos
    trace.emit(EVENTS[name], flow)
  }
  return trace
}

function hopsOf(trace: Recorder): [hop: string, count: number, max: number][] {
  return summarize(trace).hops.map(({ from, to, latency }) => [`${from} ${to}`, latency.count, latency.max])
}

describe('summarize', () => {
  it('measures each hop of a group and the whole way to its response', () => {
    const trace = traceOf([
      [100, 'page_request', 1],
      [130, 'fault_reported', 1],
      [135, 'fault_delivered', 1],
      [150, 'group_read', 1],
      [190, 'group_write', 1],
      [200, 'prg_response', 1],
      [210, 'retry', 1],
    ])
    expect(hopsOf(trace)).toEqual([
      ['page_request fault_reported', 1, 30],
      ['fault_reported fault_delivered', 1, 5],
      ['fault_delivered group_read', 1, 15],
      ['group_read group_write', 1, 40],
      ['group_write prg_response', 1, 10],
      ['prg_response retry', 1, 10],
    ])
    const { answered, unanswered, firstNanos, lastNanos, events } = summarize(trace)
    expect([answered.count, answered.max, unanswered, firstNanos, lastNanos, events]).toEqual([
      1, 100, 0, 100, 210, 7,
    ])
  })

  it('counts further requests of a group with its first one, and hops that a group skips to the next it reaches', () => {
    const trace = traceOf([
      [10, 'page_request', 1],
      [20, 'page_request', 1],
      [30, 'page_request', 2],
      [40, 'fault_reported', 1],
      [50, 'prg_response', 1],
      [60, 'prg_response', 2],
      [61, 'retry', 9],
    ])
    expect(hopsOf(trace)).toEqual([
      ['page_request fault_reported', 1, 30],
      ['page_request prg_response', 1, 30],
      ['fault_reported prg_response', 1, 10],
    ])
    expect(summarize(trace).answered.max).toBe(40)
    expect(summarize(trace).counts).toEqual(
      new Map([
        ['page_request', 3],
        ['fault_reported', 1],
        ['prg_response', 2],
        ['retry', 1],
      ]),
    )
  })

  it('counts groups without an answer, and nothing in an empty trace', () => {
    expect(
      summarize(
        traceOf([
          [1, 'page_request', 1],
          [2, 'page_request', 2],
          [3, 'prg_response', 2],
        ]),
      ).unanswered,
    ).toBe(1)
    const empty = summarize(traceOf([]))
    expect([empty.events, empty.lost, empty.firstNanos, empty.lastNanos, empty.hops]).toEqual([
      0,
      0,
      0,
      0,
      [],
    ])
  })
})
