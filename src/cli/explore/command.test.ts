// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { iopf } from '../child.suite.ts'

describe('iopf explore', () => {
  it('watches as many seeds as it is told', async () => {
    const { stdout, exitCode } = await iopf(['explore', '--seed', '100', '--count', '20'])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^seeds 100 to 119\n20 scenarios, \d+ page requests: every rule held\n$/)
  })

  it('is one JSON document on request, the same each time', async () => {
    const words = ['explore', '--count', '10', '--json']
    const [first, second] = [await iopf(words), await iopf(words)]
    expect(JSON.parse(first.stdout)).toMatchObject({
      schemaVersion: 1,
      ok: true,
      seed: 1,
      cases: 10,
      failures: [],
    })
    expect(second.stdout).toBe(first.stdout)
  })

  it('stops at an interrupt and says so', async () => {
    const { stdout, exitCode } = await iopf(['explore', '--count', '1000000'], {
      onStart: (child) => setTimeout(() => child.kill('SIGINT'), 1_500),
    })
    expect(exitCode).toBe(130)
    expect(stdout).toContain('every rule held, stopped before the end')
  })

  it.each([
    [['--count', '0'], '--count: got "0", expected 1 to'],
    [['--count', 'many'], '--count: got "many"'],
    [['--seed', '4294967295', '--count', '2'], 'expected 1 to 1'],
  ])('refuses %j as wrong usage', async (words, message) => {
    const { stderr, exitCode } = await iopf(['explore', ...words])
    expect(exitCode).toBe(2)
    expect(stderr).toContain(message)
  })
})
