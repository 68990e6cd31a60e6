// SPDX-License-Identifier: MIT
import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { bytesSource, functionSource } from '../src/handlers/page-source.ts'
import { loadScenario } from '../src/cli/scenario/load.ts'
import { patternByte, watchScenario } from '../src/explore/campaign.ts'
import { type Scenario, UNIT_MODELS } from '../src/scenario/document.ts'
import { runScenario } from '../src/scenario/run.ts'
import { sweepFailures } from '../src/sim/failpoint.ts'
import { exportNdjson } from '../src/trace/export-ndjson.ts'

const EXAMPLES = readdirSync('examples').filter((name) => name.endsWith('.yaml'))

/** The example on a little data, so that each of its failure points can be made to fail in turn. */
function small(name: string, model: string): Scenario {
  const settings = [
    'workload.source={ pattern: 20001 }',
    'workload.chunk=8KiB',
    'machine.memory=8MiB',
    `machine.iommus.0.model=${model}`,
  ]
  return loadScenario(`examples/${name}`, settings).scenario
}

async function traceOf(scenario: Scenario): Promise<string> {
  const length = 20_001
  const result = await runScenario(scenario, {
    source: functionSource(length, (page, into, at) => {
      for (let offset = 0; offset < 4096; offset++) into[at + offset] = patternByte(page * 4096 + offset)
    }),
    destination: bytesSource(new Uint8Array(length)),
    isTraced: true,
    checkpoint: () => Promise.resolve(true),
  })
  return [...exportNdjson(result.trace!)].join('')
}

const RUNS = EXAMPLES.flatMap((name) => UNIT_MODELS.map((model) => [name, model] as const))

describe.each(RUNS)('examples/%s on %s', (name, model) => {
  it('leaves nothing behind and answers every group once', async () => {
    const { violations } = await watchScenario(small(name, model))
    expect(violations).toEqual([])
  })

  it('survives the n-th failure, for every n', async () => {
    const failed = await sweepFailures(async (failpoints) => {
      const { violations } = await watchScenario(small(name, model), failpoints)
      expect(violations).toEqual([])
    })
    expect(failed).toBeGreaterThan(20)
  })

  it('gives the same trace for the same seed, byte for byte, and another for another seed', async () => {
    const random = { ...small(name, model), decisions: 'random' as const, seed: 7 }
    const first = await traceOf(random)
    expect(await traceOf(random)).toBe(first)
    expect(await traceOf({ ...random, seed: 8 })).not.toBe(first)
  })
})
