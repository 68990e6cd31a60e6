// SPDX-License-Identifier: MIT
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { sweepProgram } from './ours/sweep.ts'
import { findCases, loadCase } from './record/files.ts'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')

/** Of each case so many hits fail here; `npm run conformance -- --sweep` makes all of them fail. */
const RUNS_MAX = 24

describe('an allocation or copy that fails is told, and nothing is left behind', () => {
  it.each(findCases(ROOT, []).map((path) => loadCase(ROOT, path)))('$test.file', ({ test, encoded }) => {
    const { problems } = sweepProgram(encoded.program, Number(test.machine.hugePages ?? 0n), RUNS_MAX)
    expect(problems).toEqual([])
  })
})
