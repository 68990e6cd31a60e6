// SPDX-License-Identifier: MIT
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { iopf, MAIN, ROOT } from './child.suite.ts'
import { COMMANDS, optionsOf } from './options.ts'

describe('iopf', () => {
  it('shows its version', async () => {
    const manifest: unknown = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8'))
    const { stdout, exitCode } = await iopf(['--version'])
    expect(stdout).toBe(`${String(Reflect.get(Object(manifest), 'version'))}\n`)
    expect(exitCode).toBe(0)
  })

  it('begins its help with examples', async () => {
    const { stdout, exitCode } = await iopf(['--help'])
    expect(stdout).toMatch(/^iopf: .*\n\nExamples:\n/)
    for (const { path } of COMMANDS) expect(stdout).toContain(path.join(' '))
    expect(exitCode).toBe(0)
  })

  it.each(COMMANDS.map((command) => [command.path.join(' '), command] as const))(
    'helps with %s',
    async (_name, command) => {
      for (const words of [
        [...command.path, '--help'],
        ['help', ...command.path],
        [...command.path, '-h'],
      ]) {
        const { stdout, exitCode } = await iopf(words)
        for (const option of optionsOf(command)) expect(stdout).toContain(`--${option.long}`)
        expect(exitCode).toBe(0)
      }
    },
  )

  it('without words shows its help on standard error and is wrong usage', async () => {
    const { stdout, stderr, exitCode } = await iopf([])
    expect([stdout, exitCode]).toEqual(['', 2])
    expect(stderr).toContain('Examples:')
  })

  it('starts fast: help and version within 100 ms over bare node, in CPU time', () => {
    const bare = medianCpuMillis(['-e', '0'])
    for (const words of [['--help'], ['--version'], ['simulate', '--help']]) {
      expect(medianCpuMillis([MAIN, ...words]) - bare).toBeLessThan(100)
    }
  })
})

describe('wrong usage', () => {
  it.each([
    [['simulte'], "unknown command 'simulte'", '(Did you mean simulate?)', 'next: iopf --help'],
    [['trace', 'exprt', 'x'], "unknown command 'exprt'", '(Did you mean export?)'],
    [['simulate'], "missing required argument 'scenario'", 'usage: iopf simulate <scenario> [options]'],
    [
      ['simulate', 'x', '--jsn'],
      "unknown option '--jsn'",
      '(Did you mean --json?)',
      'next: iopf simulate --help',
    ],
    [['simulate', 'x', 'y'], 'too many arguments'],
    [['simulate', 'x', '--seed'], "option '--seed <n>' argument missing"],
    [['simulate', 'x', '--seed', '-1'], '--seed: got "-1", expected 0 to 4294967295'],
    [['simulate', 'x', '--seed', '4294967296'], 'expected 0 to 4294967295'],
    [['simulate', 'x', '--set', 'a'], '--set a: expected PATH=VALUE'],
    [['trace', 'export', 'x'], "required option '--format <format>' not specified"],
    [['trace', 'export', 'x', '--format', 'svg'], 'Allowed choices are ndjson, perfetto, ftrace'],
    [['completion', 'tcsh'], '<shell>: got "tcsh", expected one of bash, zsh, fish'],
    [['doctor', '--color', 'red'], 'Allowed choices are auto, always, never'],
    [['doctor', '--version'], "unknown option '--version'"],
  ])('%j', async (words, ...messages) => {
    const { stdout, stderr, exitCode } = await iopf(words)
    expect([stdout, exitCode]).toEqual(['', 2])
    for (const message of messages) expect(stderr).toContain(message)
    expect(stderr.startsWith('iopf: ')).toBe(true)
  })
})

describe('output', () => {
  it('ends quietly when the reader goes away', async () => {
    const child = spawn(process.execPath, [MAIN, 'man'], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    const exitCode = await new Promise((resolve) => child.on('close', resolve))
    expect([exitCode, stderr]).toEqual([0, ''])
  })

  it.each([
    [{}, [], false],
    [{ FORCE_COLOR: '1' }, [], true],
    [{ FORCE_COLOR: '1', NO_COLOR: '1' }, [], false],
    [{ NO_COLOR: '1' }, ['--color', 'always'], true],
    [{ FORCE_COLOR: '1' }, ['--color=never'], false],
    [{ FORCE_COLOR: '0' }, [], false],
  ])('with %j and %j is coloured: %s', async (env, words, isColoured) => {
    const { stdout } = await iopf(['doctor', ...words], { env })
    expect(stdout.includes('\u001b[')).toBe(isColoured)
  })

  it('of doctor is one JSON document on request', async () => {
    const { stdout, exitCode } = await iopf(['doctor', '--json'])
    const document: unknown = JSON.parse(stdout)
    expect(document).toMatchObject({ schemaVersion: 1, ok: true })
    expect(stdout).toContain('"seccomp-user-notification"')
    expect(exitCode).toBe(0)
  })
})

/** Median of seven, in processor time: wall time depends on who else runs here. */
function medianCpuMillis(words: readonly string[]): number {
  const measure =
    "const c=process.cpuUsage();const n=(c.user+c.system)/1e3;require('fs').writeSync(2,'\\n'+n)"
  const times = Array.from({ length: 7 }, () => {
    const hook = `process.on('exit',()=>{${measure}})`
    const url = `data:text/javascript,${encodeURIComponent(`import{createRequire}from'node:module';const require=createRequire('/');${hook}`)}`
    const { stderr } = spawnSync(process.execPath, ['--import', url, ...words], { encoding: 'utf8' })
    return Number(stderr.split('\n').at(-1))
  })
  return times.toSorted((a, b) => a - b)[3]!
}
