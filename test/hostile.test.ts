// SPDX-License-Identifier: MIT
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

test('300 000 hostile buffers get an errno each, and nothing grows', { timeout: 120_000 }, () => {
  const child = spawnSync(process.execPath, ['--expose-gc', 'test/hostile/main.mjs', '--seed', '20260101'], {
    encoding: 'utf8',
  })
  expect(child.stderr).toBe('')
  expect(child.stdout).toMatch(/^300000 buffers in .* an errno each; the heap grew by -?\d+ KiB$/m)
  expect(child.status).toBe(0)
})
