// SPDX-License-Identifier: MIT
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TRACE_CHUNK_EVENTS } from '../base/limits.ts'
import { Clock } from '../sim/clock.ts'
import { EVENTS } from './events.ts'
import { RecordedEvent, Recorder } from './recorder.ts'

function readAt(
  trace: Recorder,
  index: number,
): { nanos: number; event: number; flow: number; args: number[] } {
  const event = new RecordedEvent()
  trace.read(index, event)
  return { nanos: event.nanos, event: event.event, flow: event.flow, args: [...event.args] }
}

describe('Recorder', () => {
  it('keeps instant, event, flow and arguments as they were, over many chunks', () => {
    const clock = new Clock()
    const trace = new Recorder(clock)
    const count = 2 * TRACE_CHUNK_EVENTS + 5
    for (let i = 0; i < count; i++) {
      clock.now = i * 3
      trace.emit(EVENTS.dma, i + 1, i, -1, -2, 0x7fffffff, -0x80000000, i * 2)
    }
    expect(trace.length).toBe(count)
    for (const i of [0, 1, TRACE_CHUNK_EVENTS - 1, TRACE_CHUNK_EVENTS, count - 1])
      expect(readAt(trace, i)).toEqual({
        nanos: i * 3,
        event: EVENTS.dma,
        flow: i + 1,
        args: [i, -1, -2, 0x7fffffff, -0x80000000, i * 2],
      })
    expect(() => readAt(trace, count)).toThrow(`event ${count} of ${count}`)
  })

  it('keeps the last events when it is bounded, counts what it lost, and says so in the trace', () => {
    const trace = new Recorder(new Clock(), { eventsMax: 2 * TRACE_CHUNK_EVENTS })
    const count = 5 * TRACE_CHUNK_EVENTS
    for (let i = 0; i < count; i++) trace.emit(EVENTS.retry, 0, i)
    expect(trace.length).toBeLessThanOrEqual(2 * TRACE_CHUNK_EVENTS)
    const events = Array.from({ length: trace.length }, (_, i) => readAt(trace, i))
    const kept = events.filter((event) => event.event === EVENTS.retry).map((event) => event.args[0]!)
    const lost = events.filter((event) => event.event === EVENTS.events_lost)
    expect(kept.at(-1)).toBe(count - 1)
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => count - kept.length + i))
    expect(lost[0]!.args[0]).toBe(TRACE_CHUNK_EVENTS)
    expect(trace.lost % TRACE_CHUNK_EVENTS).toBe(0)
    expect(trace.lost).toBeGreaterThan(0)
  })

  it('is empty after clear and goes on', () => {
    const trace = new Recorder(new Clock())
    trace.emit(EVENTS.retry, 0, 1)
    trace.clear()
    expect([trace.length, trace.lost]).toEqual([0, 0])
    trace.emit(EVENTS.retry, 0, 2)
    expect(readAt(trace, 0).args[0]).toBe(2)
  })

  it('interns names once and gives devices their own', () => {
    const trace = new Recorder(new Clock())
    expect([trace.intern('a'), trace.intern('b'), trace.intern('a')]).toEqual([0, 1, 0])
    expect([trace.internedName(1), trace.internedName(7)]).toEqual(['b', undefined])
    trace.registerDevice(0x100, 'dma0')
    trace.registerDevice(0x200, 'dma0')
    trace.registerDevice(0x200, '0x0300')
    trace.registerDevice(0x300, 'dma1')
    expect([trace.nameOf(0x100), trace.nameOf(0x200), trace.ridOf('dma1')]).toEqual([
      'dma0',
      undefined,
      0x300,
    ])
    trace.registerDevice(0x100, 'renamed')
    expect([trace.ridOf('dma0'), trace.ridOf('renamed')]).toEqual([undefined, 0x100])
    expect(trace.devices()).toEqual([
      { rid: 0x100, name: 'renamed' },
      { rid: 0x300, name: 'dma1' },
    ])
  })
})

describe('flows', () => {
  it('are one while a group is outstanding and another for the next of the same index', () => {
    const trace = new Recorder(new Clock())
    const first = trace.openFlow(0x100, 5)
    expect([trace.openFlow(0x100, 5), trace.flowOf(0x100, 5)]).toEqual([first, first])
    expect([trace.flowOf(0x100, 6), trace.flowOf(0x101, 5), trace.closeFlow(0x100, 6)]).toEqual([0, 0, 0])
    expect([trace.closeFlow(0x100, 5), trace.flowOf(0x100, 5)]).toEqual([first, 0])
    expect(trace.openFlow(0x100, 5)).toBe(first + 1)
    expect([trace.openFlows, trace.flowCount]).toEqual([1, 2])
  })

  it('are told apart by requester id and by 16 bits of group index', () => {
    const key = fc.tuple(fc.nat({ max: 0xffff }), fc.nat({ max: 0xffff }))
    fc.assert(
      fc.property(fc.uniqueArray(key, { selector: String, maxLength: 200 }), (keys) => {
        const trace = new Recorder(new Clock())
        const flows = keys.map(([rid, grpid]) => trace.openFlow(rid, grpid))
        expect(new Set(flows).size).toBe(keys.length)
        keys.forEach(([rid, grpid], i) => expect(trace.flowOf(rid, grpid)).toBe(flows[i]))
      }),
    )
  })
})
