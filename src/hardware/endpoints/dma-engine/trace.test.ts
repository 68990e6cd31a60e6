// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { EVENT_NAMES, EVENTS } from '../../../trace/events.ts'
import { Histogram } from '../../../trace/histogram.ts'
import { RecordedEvent } from '../../../trace/recorder.ts'
import { seededDecisions } from '../../../sim/decisions.ts'
import { RID } from '../../iommus/simple/scripted-driver.suite.ts'
import { EngineRig, type RigOptions } from './engine-rig.suite.ts'

interface Line {
  readonly nanos: number
  readonly name: string
  readonly flow: number
  readonly args: readonly number[]
}

function traced(options: RigOptions = {}) {
  const rig = new EngineRig({ ...options, world: { trace: true, ...options.world } })
  const lines = (): Line[] => {
    const { trace } = rig.driver.world
    return Array.from({ length: trace.length }, (_, i) => {
      const out = new RecordedEvent()
      trace.read(i, out)
      return { nanos: out.nanos, name: EVENT_NAMES[out.event]!, flow: out.flow, args: [...out.args] }
    })
  }
  return { rig, lines }
}

function seededRun(): Line[] {
  const { rig, lines } = traced({
    requestEntries: 3,
    engine: { groupPages: 3, latencies: { ats: 400, dma: 50, retry: 100 } },
    world: { decisions: seededDecisions(77) },
  })
  for (let i = 0n; i < 6n; i++) rig.submit({ op: 'fill', destination: i << 20n, lengthBytes: 20_000 })
  rig.settle()
  return lines()
}

describe('the trace of a page fault', () => {
  test('has one event a hop, those of the group in one flow', () => {
    const { rig, lines } = traced({ engine: { groupPages: 2 } })
    rig.run({ op: 'fill', destination: 0x1000n, lengthBytes: 8192 })
    expect(lines().map(({ name, flow }) => `${name} ${flow}`)).toEqual([
      'transfer_start 0',
      'ats_request 0',
      'ats_completion 0',
      'page_request 1',
      'page_request 1',
      'credits 0',
      'page_request_queued 1',
      'page_request_queued 1',
      'interrupt 0',
      'prg_response 1',
      'credits 0',
      'retry 0',
      'ats_request 0',
      'ats_completion 0',
      'dma 0',
      'ats_request 0',
      'ats_completion 0',
      'dma 0',
      'transfer_done 0',
    ])
    expect(rig.driver.world.trace.openFlows).toBe(0)
  })

  test('page_request says where, what and whether it is the last', () => {
    const { rig, lines } = traced({ engine: { groupPages: 2 } })
    rig.run({ op: 'fill', destination: 0x5_0000_1000n, lengthBytes: 8192 })
    const requests = lines().filter(({ name }) => name === 'page_request')
    expect(requests.map(({ args }) => args)).toEqual([
      [RID, 5, 5, 0x1000, 0, 2],
      [RID, 5, 5, 0x2000, 0, 18],
    ])
  })

  test('overflow, refusal, Stop Markers and unexpected responses are events', () => {
    const { rig, lines } = traced({ requestEntries: 2 })
    rig.submit({ op: 'fill', destination: 0x1000n, lengthBytes: 1 })
    rig.submit({ op: 'fill', destination: 0x9000n, lengthBytes: 1 })
    rig.settle()
    rig.engine.stopPasid(5)
    rig.driver.respond(RID, 5, 400, 0)
    rig.settle()
    const names = new Set(lines().map(({ name }) => name))
    for (const name of ['page_request_overflow', 'stop_marker', 'prg_unexpected'])
      expect(names).toContain(name)
    expect(rig.driver.world.trace.openFlows).toBe(0)
  })

  test('invalidation shows its request and its completion', () => {
    const { rig, lines } = traced()
    rig.driver.invalidateIotlb(1, 0, 0x2000, 13)
    rig.driver.invalidateAtc(RID, 5, 0, 0x2000, 13)
    expect(lines().map(({ name, args }) => [name, ...args])).toEqual([
      ['iotlb_invalidate', 1, -1, 0, 0x2000, 0, 2],
      ['atc_invalidate', RID, 5, 0, 0x2000, 13, 0],
      ['atc_invalidate_done', RID, 1, 0, 0, 0, 0],
    ])
    expect(EVENTS.atc_invalidate).toBeGreaterThan(0)
  })

  test('is the same for the same seed, to the byte', () => {
    expect(seededRun()).toEqual(seededRun())
  })
})

test('the histogram receives the time from the first request of a group to its response', () => {
  const histogram = new Histogram()
  const rig = new EngineRig({ histogram, engine: { latencies: { pageRequest: 500 } } })
  rig.run({ op: 'fill', destination: 0x1000n, lengthBytes: 8192 })
  expect(histogram.count).toBe(2)
  expect(histogram.max).toBe(500 + 1000 + 300)
})
