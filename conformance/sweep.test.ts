// SPDX-License-Identifier: MIT
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { sweepProgram } from './ours/sweep.ts'
import { findCases, loadCase } from './record/files.ts'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')

const cases = findCases(ROOT, []).map((path) => loadCase(ROOT, path))

/** So many runs in all, spread evenly over the cases and their hits; `npm run conformance -- --sweep` makes all. */
const RUNS_MAX = 2400
const LIMITS = { runs: Math.max(6, Math.floor(RUNS_MAX / cases.length)), millis: 100 }

describe('an allocation or copy that fails is told, and nothing is left behind', () => {
  it.each(cases)('$test.file', ({ test, encoded }) => {
    const { problems } = sweepProgram(encoded.program, Number(test.machine.hugePages ?? 0n), LIMITS)
    expect(problems).toEqual([])
  })
})
