// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { DEFAULT_DEVICE, DEFAULT_HANDLER, scenarioOf } from '../scenario/defaults.ts'
import { runCampaign, watchScenario } from './campaign.ts'
import { randomScenario } from './random-scenario.ts'

const SEEDS = 10_000

describe('campaign', () => {
  it(`holds over ${SEEDS} seeds`, { timeout: 600_000 }, async () => {
    const { cases, failures, pageRequests } = await runCampaign(1, SEEDS)
    const replays = failures.map(
      ({ seed, violations }) => `iopf explore --seed ${seed} --count 1   # ${violations.join('; ')}`,
    )
    expect(replays).toEqual([])
    expect(cases).toBe(SEEDS)
    expect(pageRequests).toBeGreaterThan(100_000)
  })

  it('draws the same scenario from the same seed', () => {
    expect(randomScenario(77)).toEqual(randomScenario(77))
    expect(randomScenario(77)).not.toEqual(randomScenario(78))
  })

  it('finds every group answered by the kernel where the handler never answers', async () => {
    const handler = {
      ...DEFAULT_HANDLER,
      misbehaviour: { kind: 'never-answers', after: 3, delay: 0 },
    } as const
    const scenario = scenarioOf({ process: { handler }, expect: { digests: 'any', transfers: 'any' } })
    const { violations } = await watchScenario(scenario)
    expect(violations).toEqual([])
  })

  it('copies whole groups with odd sizes to the right place', async () => {
    const base = scenarioOf()
    const devices = [{ ...DEFAULT_DEVICE, groupPages: 3 }]
    const workload = {
      ...base.workload,
      source: { kind: 'pattern', lengthBytes: 50_001 },
      chunk: 12_345,
    } as const
    const { violations, pageRequests } = await watchScenario({
      ...base,
      machine: { ...base.machine, devices },
      workload,
    })
    expect(violations).toEqual([])
    expect(pageRequests).toBeGreaterThan(20)
  })
})
