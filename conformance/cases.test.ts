// SPDX-License-Identifier: MIT
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { describe as describeVerdict } from './commands/describe.ts'
import { checkCase } from './record/check-case.ts'
import { findCases, loadCase } from './record/files.ts'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')

describe('what the real kernel answered is what we answer', () => {
  it.each(findCases(ROOT, []).map((path) => loadCase(ROOT, path)))('$test.file', (loaded) => {
    const verdict = checkCase(loaded)
    expect(verdict.kind, describeVerdict(verdict)).toBe('same')
  })
})
