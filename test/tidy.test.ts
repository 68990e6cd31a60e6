// SPDX-License-Identifier: MIT
/** The rules of the house, checked on every file. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  bannedInCore,
  longFile,
  longFunctions,
  missingLicence,
  shortcuts,
  unfinishedWork,
} from './tidy/code.ts'
import { findCycles, findUnreachable, importComplaint, isCore, roomOf } from './tidy/rooms.ts'
import { parseSource, readSources, ROOT } from './tidy/sources.ts'

/** Exceptions, each with its reason. A path here that no longer needs its exception fails a test. */
const LONG_FILES: Readonly<Record<string, string>> = {}
const LONG_FUNCTIONS: Readonly<Record<string, string>> = {}

const files = readSources()
const source = files.filter((file) => file.path.startsWith('src/'))
const generated = (path: string): boolean => path.includes('.gen.')
const written = files.filter((file) => !generated(file.path))

describe('rooms', () => {
  it('import only what stands left of them, types included', () => {
    const complaints = source
      .filter((file) => !file.isTest)
      .flatMap((file) =>
        file.imports.flatMap(({ target, line }) => {
          const why = target === undefined ? undefined : importComplaint(file.path, target)
          return why === undefined ? [] : [`${file.path}:${line}: imports ${target}: ${why}`]
        }),
      )
    expect(complaints).toEqual([])
  })

  it('have no circle of imports', () => {
    expect(findCycles(source)).toEqual([])
  })

  it('import only files that are there', () => {
    const missing = files.flatMap((file) =>
      file.imports.flatMap(({ target, line }) =>
        target === undefined || target.startsWith('dist') || existsSync(join(ROOT, target))
          ? []
          : [`${file.path}:${line}: ${target}`],
      ),
    )
    expect(missing).toEqual([])
  })

  it('have a test beside the code', () => {
    const rooms = new Set(
      source.filter((file) => !file.isTest && !file.path.endsWith('index.ts')).map(folderOfRoom),
    )
    const tested = new Set(source.filter((file) => file.path.endsWith('.test.ts')).map(folderOfRoom))
    expect([...rooms].filter((room) => !tested.has(room))).toEqual([])
  })

  it('have no dead file', () => {
    const roots = [
      'src/index.ts',
      'src/cli/main.ts',
      ...publicEntries(),
      ...files.filter(isRoot).map(({ path }) => path),
    ]
    expect(findUnreachable(files, roots)).toEqual([])
  })
})

describe('the core', () => {
  const core = source.filter((file) => isCore(file.path) && !file.isTest)

  it('gets time, chance and output from outside', () => {
    expect(core.flatMap(bannedInCore)).toEqual([])
  })

  it('compiles without the types of Node and of browsers', () => {
    const roots = core.map((file) => join(ROOT, file.path))
    expect(compileWithout(roots)).toBe('')
  })
})

describe('every file', () => {
  it('begins with its licence', () => {
    expect(written.flatMap(missingLicence)).toEqual([])
  })

  it('has no unfinished or silenced line', () => {
    expect(written.flatMap((file) => [...unfinishedWork(file), ...shortcuts(file)])).toEqual([])
  })

  it('has at most 400 lines', () => {
    expectOnly(written.flatMap(longFile), LONG_FILES)
  })

  it('has functions of at most 70 lines', () => {
    expectOnly(written.flatMap(longFunctions), LONG_FUNCTIONS)
  })
})

describe('the rules themselves', () => {
  it.each([
    ['src/base/x.ts', 'src/sim/clock.ts', 'base must not know sim'],
    ['src/kernel/mm/mm.ts', 'src/kernel/iommu/fault.ts', 'kernel/mm must not know kernel/iommu'],
    ['src/kernel/drivers/simple/x.ts', 'src/hardware/iommus/simple/unit.ts', 'layouts of units'],
    [
      'src/hardware/endpoints/dma-engine/x.ts',
      'src/hardware/iommus/simple/unit.ts',
      'hardware/endpoints must not',
    ],
    ['src/cli/main.ts', 'src/web/x.ts', 'cli and web must not know each other'],
  ])('%s must not import %s', (from, to, why) => {
    expect(importComplaint(from, to)).toContain(why)
  })

  it.each([
    ['src/kernel/drivers/simple/x.ts', 'src/hardware/iommus/simple/layout.ts'],
    ['src/kernel/drivers/simple/x.ts', 'src/kernel/iopf/report.ts'],
    ['src/machine.ts', 'src/hardware/iommus/simple/unit.ts'],
    ['src/cli/main.ts', 'src/scenario/document.ts'],
  ])('%s may import %s', (from, to) => {
    expect(importComplaint(from, to)).toBeUndefined()
  })

  it.each(['Date.now()', 'console.log(1)', 'const t = setTimeout', 'Math.random()', "import 'node:fs'"])(
    'the core must not say %s',
    (text) => {
      expect(bannedInCore(parseSource('src/base/x.ts', text))).toHaveLength(1)
    },
  )

  it.each([
    'x.console.log(1)',
    'const y = { process: 1 }',
    'function f(process: number): number { return process }',
    'type T = Date',
    "const s = 'console.log'",
  ])('the core may say %s', (text) => {
    expect(bannedInCore(parseSource('src/base/x.ts', text))).toEqual([])
  })

  it('finds circles through types and lazy imports', () => {
    const a = parseSource('src/base/a.ts', "import type { B } from './b.ts'")
    const b = parseSource('src/base/b.ts', "const lazy = () => import('./a.ts')")
    expect(findCycles([a, b])).toEqual([['src/base/a.ts', 'src/base/b.ts', 'src/base/a.ts']])
  })
})

/** Rooms, and within hardware and kernel their folders. */
function folderOfRoom({ path }: { readonly path: string }): string {
  const room = roomOf(path)
  const part = path.split('/')[2] ?? ''
  const isSplit = (room === 'hardware' || room === 'kernel') && !part.endsWith('.ts')
  return isSplit ? `${room}/${part}` : room
}

function isRoot({ path }: { readonly path: string }): boolean {
  return (
    path.endsWith('.test.ts') ||
    /^(bench|scripts|test\/support|conformance\/commands)\/|^(conformance\/run|test\/hostile\/main)\.mjs$/.test(
      path,
    )
  )
}

/** Sources of the package's subpaths. */
function publicEntries(): string[] {
  const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8')
  return [...manifest.matchAll(/"default": "\.\/dist\/([^"]+)\.js"/g)].map(([, path]) => `src/${path}.ts`)
}

function expectOnly(complaints: readonly string[], exceptions: Readonly<Record<string, string>>): void {
  expect(complaints.filter((complaint) => !(pathOf(complaint) in exceptions))).toEqual([])
  const needed = new Set(complaints.map(pathOf))
  expect(Object.keys(exceptions).filter((path) => !needed.has(path))).toEqual([])
}

function pathOf(complaint: string): string {
  return complaint.split(':')[0]!
}

/** The compiler's complaints about unknown names, with no ambient types at all. */
function compileWithout(roots: readonly string[]): string {
  const flags =
    '--noEmit --target es2023 --lib es2023 --module nodenext --types --skipLibCheck --allowImportingTsExtensions --strict'
  const words = flags.split(' ').flatMap((flag) => (flag === '--types' ? [flag, ''] : [flag]))
  try {
    execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['--ignoreConfig', ...words, ...roots], {
      encoding: 'utf8',
    })
    return ''
  } catch (error) {
    const output = String(Reflect.get(Object(error), 'stdout'))
    return output
      .split('\n')
      .filter((line) => /TS(2304|2580|2584|2591)\b/.test(line))
      .join('\n')
  }
}
