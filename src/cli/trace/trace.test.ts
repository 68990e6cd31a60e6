// SPDX-License-Identifier: MIT
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { iopf } from '../child.suite.ts'

let folder = ''
let trace = ''
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'iopf-trace-'))
  trace = join(folder, 'run.ndjson')
  const words = ['--set', 'workload.source={ pattern: 64KiB }', '--trace', trace, '--seed', '9']
  expect((await iopf(['simulate', 'examples/demand-paging.yaml', ...words])).exitCode).toBe(0)
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('iopf trace summary', () => {
  it('counts groups and events and shows each hop', async () => {
    const { stdout, exitCode } = await iopf(['trace', 'summary', trace])
    expect(exitCode).toBe(0)
    expect(stdout).toContain('seed 9')
    expect(stdout).toMatch(/^ {2}page_request +32$/m)
    expect(stdout).toContain('32 page request groups answered, 0 not.')
    expect(stdout).toMatch(/page_request -> page_request_queued +32 /)
  })

  it('is one JSON document on request', async () => {
    const { stdout } = await iopf(['trace', 'summary', trace, '--json'])
    expect(JSON.parse(stdout)).toMatchObject({
      schemaVersion: 1,
      seed: 9,
      lost: 0,
      counts: { page_request: 32, prg_response: 32 },
      groups: { answered: 32, unanswered: 0 },
    })
  })
})

describe('iopf trace export', () => {
  it('to ndjson gives the same bytes', async () => {
    const { stdout, exitCode } = await iopf(['trace', 'export', trace, '--format', 'ndjson'])
    expect(exitCode).toBe(0)
    expect(stdout).toBe(readFileSync(trace, 'utf8'))
  })

  it('to ftrace gives text for grep', async () => {
    const { stdout } = await iopf(['trace', 'export', trace, '--format=ftrace'])
    expect(stdout.split('\n').filter((line) => line.includes(': page_request: '))).toHaveLength(32)
  })

  it('writes a file, and none over another', async () => {
    const output = join(folder, 'run.pftrace')
    const words = ['trace', 'export', trace, '--format', 'perfetto', '--output', output]
    expect((await iopf(words)).exitCode).toBe(0)
    const bytes = readFileSync(output)
    expect(bytes.length).toBeGreaterThan(1_000)
    expect((await iopf(words)).exitCode).toBe(2)
    expect((await iopf([...words, '--force'])).exitCode).toBe(0)
    expect(Buffer.compare(readFileSync(output), bytes)).toBe(0)
  })
})

describe('a trace that is none ends with 3 and its line:', () => {
  it.each([
    ['a text', 'hello\n', ':1: expected one JSON object'],
    ['nothing', '', ':1: expected the header'],
    ['another JSON', '{}\n', ':1: expected a header'],
    ['zeros', new Uint8Array(3_000_000), ':1: '],
  ])('%s', async (_what, text, message) => {
    const path = join(folder, 'bad')
    writeFileSync(path, text)
    const { stdout, stderr, exitCode } = await iopf(['trace', 'summary', path])
    expect([stdout, exitCode]).toEqual(['', 3])
    expect(stderr).toContain(`iopf: ${path}${message}`)
  })

  it('a trace with a broken line', async () => {
    const lines = readFileSync(trace, 'utf8').split('\n')
    lines[5] = '{"t":1,"event":"nothing"}'
    const path = join(folder, 'broken')
    writeFileSync(path, lines.join('\n'))
    const { stderr, exitCode } = await iopf(['trace', 'export', path, '--format', 'ftrace'])
    expect(exitCode).toBe(3)
    expect(stderr).toContain(`${path}:6: "event" "nothing" is not an event`)
  })

  it('a file that is not there, or a directory', async () => {
    expect((await iopf(['trace', 'summary', join(folder, 'none')])).stderr).toContain('there is no such file')
    expect((await iopf(['trace', 'summary', folder])).exitCode).toBe(3)
  })
})
