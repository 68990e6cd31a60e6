// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { ENOMEM } from '../base/errno.ts'
import { seededDecisions } from './decisions.ts'
import { Failpoints, sweepFailures } from './failpoint.ts'

function hits(failpoints: Failpoints, names: string[]): boolean[] {
  return names.map((name) => failpoints.hit(name))
}

describe('Failpoints', () => {
  it('are off at first: nothing fails, nothing is counted', () => {
    const failpoints = new Failpoints()
    expect(hits(failpoints, ['a', 'b'])).toEqual([false, false])
    expect([failpoints.enabled, failpoints.hits, failpoints.countOf('a')]).toEqual([false, 0, 0])
  })

  it('fail the n-th hit of any point, once', () => {
    const failpoints = new Failpoints()
    failpoints.failNth(2)
    expect(hits(failpoints, ['a', 'b', 'a', 'b'])).toEqual([false, true, false, false])
    expect([failpoints.hits, failpoints.failures, failpoints.lastFailed]).toEqual([4, 1, 'b'])
  })

  it('fail the n-th hit of a named point', () => {
    const failpoints = new Failpoints()
    failpoints.failNth(2, 'a')
    expect(hits(failpoints, ['a', 'b', 'b', 'a', 'a'])).toEqual([false, false, false, true, false])
  })

  it('count each point and name them in the order of their first hit', () => {
    const failpoints = new Failpoints()
    failpoints.countOnly()
    hits(failpoints, ['b', 'a', 'b'])
    expect(failpoints.names().map((name) => [name, failpoints.countOf(name)])).toEqual([
      ['b', 2],
      ['a', 1],
    ])
    failpoints.off()
    hits(failpoints, ['b'])
    expect(failpoints.countOf('b')).toBe(2)
  })

  it('ask the decisions for every hit', () => {
    const failpoints = new Failpoints()
    failpoints.decide(seededDecisions(3, { failureChance: 0.5 }))
    const answers = hits(failpoints, Array(200).fill('a'))
    expect(failpoints.failures).toBe(answers.filter(Boolean).length)
    expect(Math.abs(failpoints.failures - 100)).toBeLessThan(30)
  })

  it('tell who listens about each failure', () => {
    const failpoints = new Failpoints()
    const told: string[] = []
    failpoints.onFailure = (name) => told.push(name)
    failpoints.failNth(1)
    hits(failpoints, ['a', 'b'])
    expect(told).toEqual(['a'])
  })

  it.each([0, -1, 1.5])('assert on failing hit %d', (n) => {
    expect(() => new Failpoints().failNth(n)).toThrow('hit to fail must be 1 or more')
  })
})

/** Allocates twice and undoes what it did when the second one fails. */
function pair(failpoints: Failpoints, allocated: string[]): void {
  if (failpoints.hit('alloc_first')) throw ENOMEM
  allocated.push('first')
  if (failpoints.hit('alloc_second')) {
    allocated.pop()
    throw ENOMEM
  }
  allocated.push('second')
}

describe('sweepFailures', () => {
  it('fails each hit once and ends with a run in which none fails', async () => {
    const left: number[] = []
    const swept = await sweepFailures((failpoints) => {
      const allocated: string[] = []
      try {
        pair(failpoints, allocated)
      } catch (thrown) {
        expect(thrown).toBe(ENOMEM)
      }
      left.push(allocated.length)
    })
    expect(swept).toBe(2)
    expect(left).toEqual([0, 0, 2])
  })

  it('names the failing hit of a run that does not stand it', async () => {
    const sweep = sweepFailures(async (failpoints) => {
      await Promise.resolve()
      failpoints.hit('a')
      if (failpoints.hit('b')) throw new Error('leak')
    })
    await expect(sweep).rejects.toThrow('run 2 of the sweep failed (failing point: b)')
  })
})
