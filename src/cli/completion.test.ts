// SPDX-License-Identifier: MIT
import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { completionScript } from './completion.ts'
import { COMMANDS, optionsOf } from './options.ts'

/** What bash offers for the words, the last one being completed. */
function bashOffers(...words: string[]): string[] {
  const list = ['iopf', ...words].map((word) => `'${word}'`).join(' ')
  const ask = `COMP_WORDS=(${list}); COMP_CWORD=${words.length}; _iopf; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr, status } = spawnSync('bash', ['-c', `${completionScript('bash')}\n${ask}`], {
    encoding: 'utf8',
  })
  expect([status, stderr]).toEqual([0, ''])
  return stdout.split('\n').filter((line) => line !== '')
}

describe('completion for bash', () => {
  it.each([
    [['sim'], ['simulate']],
    [['d'], ['doctor']],
    [
      ['trace', ''],
      ['summary', 'export'],
    ],
    [['trace', 'ex'], ['export']],
    [
      ['trace', 'export', 'f', '--format', ''],
      ['ndjson', 'perfetto', 'ftrace'],
    ],
    [['trace', 'export', 'f', '--format', 'p'], ['perfetto']],
    [
      ['simulate', 'x.yaml', '--se'],
      ['--seed', '--set'],
    ],
    [['simulate', ''], []],
    [['simulate', '--trace', ''], []],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [
      ['doctor', '--color', 'a'],
      ['auto', 'always'],
    ],
    [['nonsense', '-'], []],
  ])('of %j offers %j', (words, offers) => {
    expect(bashOffers(...words)).toEqual(offers)
  })
})

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('for %s knows every option', (shell) => {
    const script = completionScript(shell)
    for (const command of COMMANDS) {
      for (const { long } of optionsOf(command))
        expect(script).toContain(shell === 'fish' ? `-l ${long}` : `--${long}`)
    }
  })

  it.each([
    ['zsh', ['-n']],
    ['fish', ['--no-execute']],
  ])('for %s is a script that %s reads, where it is installed', (shell, flags) => {
    const { error, status } = spawnSync(shell, [...flags, '/dev/stdin'], { input: completionScript(shell) })
    if (error === undefined) expect(status).toBe(0)
  })
})
