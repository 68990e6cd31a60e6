// SPDX-License-Identifier: MIT
/**
 * The documents keep their word: blocks that begin with ```sh runnable are run, every iopf and npm command that is shown
 * exists, every relative link leads somewhere.
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAIN } from '../src/cli/child.suite.ts'
import { parseCommandLine } from '../src/cli/parse.ts'
import { ROOT } from './tidy/sources.ts'

interface Block {
  readonly info: string
  readonly text: string
}

interface Page {
  readonly path: string
  readonly text: string
  readonly blocks: readonly Block[]
}

const FENCE = /^[ ]*```([^\n]*)\n(.*?)^[ ]*```$/gms

function readPage(path: string): Page {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const blocks = [...text.matchAll(FENCE)].map(([, info = '', body = '']) => ({
    info: info.trim(),
    text: body,
  }))
  return { path, text, blocks }
}

function pagePaths(): string[] {
  const docs = existsSync(join(ROOT, 'docs'))
    ? readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    : []
  return ['README.md', ...docs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]
}

const pages = pagePaths().map(readPage)
const shell = pages.flatMap(({ path, blocks }) =>
  blocks.filter(({ info }) => /^(?:sh|bash|console)\b/.test(info)).map((block) => ({ path, ...block })),
)
const runnable = shell.filter(({ info }) => info.startsWith('sh runnable') && !lacks(info))

/** `sh runnable with cc run`: where there is a compiler and programs can be run. */
function lacks(info: string): boolean {
  const [, needed = ''] = /^sh runnable with (.*)$/.exec(info) ?? []
  const missing = needed.split(' ').find((name) => name !== '' && !isHere(name))
  if (missing !== undefined) process.stderr.write(`a block of the documents is not run: no ${missing} here\n`)
  return missing !== undefined
}

function isHere(name: string): boolean {
  const words = name === 'run' ? [process.execPath, MAIN, 'run', '--', 'true'] : [name, '--version']
  return spawnSync(words[0]!, words.slice(1)).status === 0
}

/** Commands of a block without comments, prompts and continuations. */
function commandsIn(text: string): string[] {
  return text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .flatMap((line) =>
      line
        .replace(/^\$ /, '')
        .replace(/(?:^|\s)#.*$/, '')
        .split(/&&|\|\||;|\|/),
    )
    .map((command) => command.replace(/\s\d?>.*$/, '').trim())
    .filter((command) => command !== '')
}

describe('commands in documents', () => {
  const commands = shell.flatMap(({ path, text }) => commandsIn(text).map((command) => ({ path, command })))

  it('of iopf exist with these options', () => {
    const wrong = commands.flatMap(({ path, command }) => {
      const words = /^(?:npx )?iopf (.*)$/.exec(command)?.[1]?.split(/\s+/)
      return words === undefined || isKnown(words) ? [] : [`${path}: ${command}`]
    })
    expect(wrong).toEqual([])
  })

  it('of npm exist as scripts', () => {
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(
      readFileSync(join(ROOT, 'package.json'), 'utf8'),
    )
    const wrong = commands.flatMap(({ path, command }) => {
      const name = /^npm run (?:--silent )?(\S+)/.exec(command)?.[1]
      return name === undefined || Object.hasOwn(scripts, name) ? [] : [`${path}: ${command}`]
    })
    expect(wrong).toEqual([])
  })
})

function isKnown(words: readonly string[]): boolean {
  if (/^(?:--help|--version|-h|-V|help)$/.test(words[0] ?? '') || words.includes('--help')) return true
  try {
    parseCommandLine(words.map((word) => word.replaceAll(/^['"]|['"]$/g, '')))
    return true
  } catch {
    return false
  }
}

describe('blocks marked sh runnable', () => {
  let folder = ''

  /** A place with everything of the project that commands may read, and where they may write. */
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'iopf-docs-'))
    const names = [
      'dist',
      'docs',
      'examples',
      'schema',
      'package.json',
      'README.md',
      'node_modules',
      'LICENSE',
    ]
    for (const name of names) symlinkSync(join(ROOT, name), join(folder, name))
    const bin = join(folder, 'bin')
    mkdirSync(bin)
    const command = `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, 'dist/cli/main.js')}' "$@"\n`
    writeFileSync(join(bin, 'iopf'), command)
    writeFileSync(join(bin, 'npx'), '#!/bin/sh\nexec "$@"\n')
    for (const name of ['iopf', 'npx']) chmodSync(join(bin, name), 0o755)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('are there: the README shows how to begin', () => {
    expect(runnable.filter(({ path }) => path === 'README.md').length).toBeGreaterThan(0)
  })

  it.each(runnable.map(({ path, text }) => [path, text.trim(), text] as const))(
    '%s: %s',
    (_path, _shown, text) => {
      const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env['PATH']}`, NO_COLOR: '1' }
      const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', text], {
        cwd: folder,
        env,
        encoding: 'utf8',
      })
      expect(status, `${stdout}\n${stderr}`).toBe(0)
    },
  )
})

describe('links in documents', () => {
  it('lead to files that are there', () => {
    const broken = pages.flatMap(({ path, text }) =>
      [...text.replaceAll(FENCE, '').matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)].flatMap(
        ([, target = '']) => {
          const file = relative('.', join(dirname(path), target))
          return existsSync(join(ROOT, file)) ? [] : [`${path}: ${target}`]
        },
      ),
    )
    expect(broken).toEqual([])
  })
})
