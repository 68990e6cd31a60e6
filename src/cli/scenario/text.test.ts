// SPDX-License-Identifier: MIT
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CliError, EXIT_INPUT } from '../exit.ts'
import { parseScenarioText, readScenarioText } from './text.ts'

function complaint(text: string): string {
  return messageOf(() => parseScenarioText('s.yaml', text))
}

function messageOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    expect(error.exitCode).toBe(EXIT_INPUT)
    return error.message
  }
  return 'accepted'
}

describe('a scenario text', () => {
  it.each([
    ['an open list', 'a: [1', 's.yaml:1:6: not valid YAML'],
    ['a key twice', 'a: 1\nb: 2\na: 3', 's.yaml:3:1: not valid YAML: Map keys must be unique'],
    ['two documents', 'a: 1\n---\nb: 2', 's.yaml:2:1: not valid YAML'],
    ['an unknown tag', 'a: 1\nb: !thing 2', 's.yaml:2:4: not valid YAML'],
    ['nothing', '', 's.yaml:1:1: got an empty document'],
    ['only a comment', '# hello\n', 'got an empty document'],
    ['an alias without anchor', 'a: *b', 's.yaml:1:4'],
    ['an alias of itself', 'a: &a\n  b: *a', 's.yaml:2:6: alias *a contains itself'],
    ['a longer circle', 'a: &a\n  b: &b\n    - *a\n', 's.yaml:3:7: alias *a contains itself'],
    ['deep lists', '['.repeat(1000), 'nested too deep'],
    ['deep dashes', '- '.repeat(1000), 'nested too deep'],
    ['deep questions', '? '.repeat(1000), 'nested too deep'],
    ['deep indentation', `a:\n${' '.repeat(1000)}b: 1`, 'at most 256 spaces'],
    ['many tokens', '- 1\n'.repeat(30_000), 'at most 20000 YAML tokens'],
    ['many aliases', `a: &a 1\nb: [${'*a, '.repeat(101)}]`, 'at most 100 aliases'],
  ])('with %s is refused', (_what, text, message) => {
    expect(complaint(text)).toContain(message)
  })

  it('that would expand to billions of values is refused before it is expanded', () => {
    const levels = Array.from({ length: 10 }, (_, level) => {
      const items = Array.from({ length: 9 }, () => (level === 0 ? 'x' : `*a${level - 1}`))
      return `a${level}: &a${level} [${items.join(', ')}]`
    })
    expect(complaint(levels.join('\n'))).toContain('at most 20000 values after expanding aliases')
  })

  it('may use anchors and merge keys', () => {
    const { document } = parseScenarioText('s.yaml', 'a: &a { x: 1 }\nb: { <<: *a, y: 2 }\n')
    expect(document.toJS()).toEqual({ a: { x: 1 }, b: { x: 1, y: 2 } })
  })

  it('places problems right in CRLF texts and behind long lines', () => {
    expect(complaint(`a: 1\r\nb: 'x'\r\n  c: 2\r\n`)).toContain('s.yaml:3:')
    expect(complaint(`${'#'.repeat(5000)}\n\na: [`)).toContain('s.yaml:3:5')
  })
})

describe('a scenario file', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'iopf-text-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const write = (bytes: Uint8Array | string): string => {
    const path = join(folder, 'x.yaml')
    writeFileSync(path, bytes)
    return path
  }

  it.each([
    ['10 MB of one character', '['.repeat(10_000_000), 'got more than 256 KiB'],
    ['10 MB of bytes', new Uint8Array(10_000_000).fill(0xe9), 'got more than 256 KiB'],
    ['bytes that are not UTF-8', Uint8Array.of(0xff, 0xfe, 0x41), 'not UTF-8'],
    ['a zero byte', 'name: a\0b', 'got byte 0x00 at offset 7'],
    ['an escape', 'name: \u001b[31m', 'got byte 0x1b at offset 6'],
  ])('of %s is refused quickly', (_what, bytes, message) => {
    const path = write(bytes)
    const started = performance.now()
    expect(messageOf(() => readScenarioText(path))).toContain(message)
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  it('that never ends is read only up to the limit', () => {
    expect(messageOf(() => readScenarioText('/dev/zero'))).toContain('got more than 256 KiB')
  })

  it('that is a directory or not there is named', () => {
    expect(messageOf(() => readScenarioText(folder))).toContain('this is a directory')
    expect(messageOf(() => readScenarioText(join(folder, 'none')))).toContain('there is no such file')
  })
})
