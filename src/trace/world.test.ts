// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { defaultDecisions, recordingDecisions, seededDecisions } from '../sim/decisions.ts'
import { Failpoints } from '../sim/failpoint.ts'
import { exportNdjson } from './export-ndjson.ts'
import { createWorld } from './world.ts'

describe('createWorld', () => {
  it('is determined, quiet and not traced by default', () => {
    const world = createWorld()
    expect([
      world.clock.now,
      world.decisions.isDefault,
      world.failpoints.enabled,
      world.trace.enabled,
    ]).toEqual([0, true, false, false])
    expect(world.failpoints.hit('alloc')).toBe(false)
  })

  it('asks decisions that are not the default ones at every failure point', () => {
    const world = createWorld({ decisions: seededDecisions(1, { failureChance: 1 }) })
    expect(world.failpoints.hit('alloc')).toBe(true)
  })

  it('leaves failpoints that it is given as they are', () => {
    const failpoints = new Failpoints()
    failpoints.failNth(2)
    const world = createWorld({ failpoints, decisions: seededDecisions(1, { failureChance: 1 }) })
    expect([world.failpoints.hit('a'), world.failpoints.hit('a')]).toEqual([false, true])
  })

  it('writes decisions and failures to the trace', () => {
    const failpoints = new Failpoints()
    failpoints.failNth(1)
    const { decisions } = recordingDecisions(defaultDecisions())
    const world = createWorld({ decisions, failpoints, trace: true })
    world.decisions.choose('step', 3)
    world.decisions.latency('interrupt', 5_000_000_000)
    world.failpoints.hit('alloc_group')
    const [, ...lines] = [...exportNdjson(world.trace)].join('').trimEnd().split('\n')
    expect(lines).toEqual([
      '{"t":0,"event":"decision","topic":"step","range":3,"answer":0}',
      '{"t":0,"event":"decision","topic":"latency:interrupt","range":5000000000,"answer":5000000000}',
      '{"t":0,"event":"failpoint","point":"alloc_group"}',
    ])
  })
})
