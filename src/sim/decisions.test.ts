// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import {
  type DecisionLog,
  type Decisions,
  defaultDecisions,
  recordingDecisions,
  replayDecisions,
  ReplayDivergence,
  seededDecisions,
} from './decisions.ts'

function ask(decisions: Decisions, times: number): (number | boolean)[] {
  return Array.from({ length: times }, () => [
    decisions.choose('step', 3),
    decisions.latency('interrupt', 1000),
    decisions.fails('alloc_group'),
  ]).flat()
}

describe('default decisions', () => {
  it('are first come first served, base latency, no failure', () => {
    expect(defaultDecisions().isDefault).toBe(true)
    expect(ask(defaultDecisions(), 1)).toEqual([0, 1000, false])
  })
})

describe('seeded decisions', () => {
  it('answer the same for the same seed and differ for another', () => {
    const options = { failureChance: 0.3 }
    expect(ask(seededDecisions(5, options), 50)).toEqual(ask(seededDecisions(5, options), 50))
    expect(ask(seededDecisions(5, options), 50)).not.toEqual(ask(seededDecisions(6, options), 50))
  })

  it('draw latencies between half and four times the base, half of them below it, as whole numbers', () => {
    const decisions = seededDecisions(1)
    const drawn = Array.from({ length: 4000 }, () => decisions.latency('wire', 1000))
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(500)
    expect(Math.max(...drawn)).toBeLessThan(4000)
    expect(Math.abs(drawn.filter((nanos) => nanos < 1000).length - 2000)).toBeLessThan(200)
    expect(drawn.every(Number.isInteger)).toBe(true)
    expect(decisions.latency('none', 0)).toBe(0)
  })

  it('keep a spread of one at the base', () => {
    const decisions = seededDecisions(1, { latencySpread: { from: 1, to: 1 } })
    expect(Array.from({ length: 20 }, () => decisions.latency('x', 77))).toEqual(Array(20).fill(77))
  })

  it('fail nothing unless they are told how often', () => {
    const never = seededDecisions(1)
    expect(Array.from({ length: 1000 }, () => never.fails('x'))).not.toContain(true)
    const often = seededDecisions(1, { failureChance: 0.5 })
    const failures = Array.from({ length: 1000 }, () => often.fails('x')).filter(Boolean).length
    expect(Math.abs(failures - 500)).toBeLessThan(80)
  })

  it('choose every alternative', () => {
    const decisions = seededDecisions(9)
    expect(new Set(Array.from({ length: 100 }, () => decisions.choose('step', 4)))).toEqual(
      new Set([0, 1, 2, 3]),
    )
  })

  it('assert that options are in range', () => {
    expect(() => seededDecisions(1, { failureChance: 1.5 })).toThrow('failureChance must be 0 to 1, not 1.5')
    expect(() => seededDecisions(1, { latencySpread: { from: 2, to: 3 } })).toThrow('latencySpread.from')
    expect(() => seededDecisions(1, { latencySpread: { from: 1, to: 0.5 } })).toThrow('latencySpread.to')
  })
})

function record(): { log: DecisionLog; answers: (number | boolean)[] } {
  const { decisions, log } = recordingDecisions(seededDecisions(11, { failureChance: 0.5 }))
  return { log, answers: ask(decisions, 20) }
}

describe('recorded decisions', () => {
  it('write topic, range and answer', () => {
    const { decisions, log } = recordingDecisions(defaultDecisions())
    ask(decisions, 2)
    expect(log).toEqual({
      version: 1,
      topics: ['step', 'latency:interrupt', 'fail:alloc_group'],
      entries: [0, 3, 0, 1, 1000, 1000, 2, 2, 0, 0, 3, 0, 1, 1000, 1000, 2, 2, 0],
    })
  })

  it('replay to the same answers after a way through JSON', () => {
    const { log, answers } = record()
    const copy: DecisionLog = JSON.parse(JSON.stringify(log))
    expect(ask(replayDecisions(copy), 20)).toEqual(answers)
  })

  it.each([
    ['another topic', (d: Decisions) => d.choose('other', 3), 'recorded is step of 3, asked is other of 3'],
    [
      'another kind',
      (d: Decisions) => d.latency('step', 3),
      'recorded is step of 3, asked is latency:step of 3',
    ],
    ['another range', (d: Decisions) => d.choose('step', 4), 'recorded is step of 3, asked is step of 4'],
  ])('name the position when %s is asked', (_name, question, message) => {
    const decisions = replayDecisions(record().log)
    ask(decisions, 2)
    expect(() => question(decisions)).toThrow(new ReplayDivergence(6, message))
  })

  it.each([
    [[0, 3, 3], 'recorded answer 3 is none to step of 3'],
    [[0, 3, -1], 'recorded answer -1 is none to step of 3'],
    [[0, 3], 'recorded answer undefined is none to step of 3'],
    [[9, 3, 0], 'recorded is undefined of 3, asked is step of 3'],
  ])('refuse a log that was tampered with: %j', (entries, message) => {
    const decisions = replayDecisions({ version: 1, topics: ['step'], entries })
    expect(() => decisions.choose('step', 3)).toThrow(message)
  })

  it('name the position at which the log ends', () => {
    const decisions = replayDecisions(record().log)
    ask(decisions, 20)
    expect(() => decisions.fails('x')).toThrow(
      'replay diverged at decision 60: the log ends, asked is fail:x',
    )
  })
})
