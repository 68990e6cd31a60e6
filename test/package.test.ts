// SPDX-License-Identifier: MIT
/** The package as users get it: its manifest, what is packed, and a smoke test under plain `node --test`. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from './tidy/sources.ts'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly type: string
  readonly license: string
  readonly sideEffects: boolean
  readonly engines: { readonly node: string }
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly files: readonly string[]
  readonly dependencies: Readonly<Record<string, string>>
}

function readManifest(path: string): Manifest {
  const manifest: Manifest = JSON.parse(readFileSync(path, 'utf8'))
  return manifest
}

const manifest = readManifest(join(ROOT, 'package.json'))
const subpaths = Object.entries(manifest.exports)

describe('the manifest', () => {
  it('names what the package is', () => {
    expect(manifest).toMatchObject({ name: 'iopf', type: 'module', license: 'MIT', sideEffects: false })
    expect(manifest.engines.node).toBe('>=20.19')
    expect(manifest.bin).toEqual({ iopf: 'dist/cli/main.js' })
  })

  it('exports named subpaths only, types first', () => {
    expect(subpaths.filter(([name]) => name.includes('*'))).toEqual([])
    for (const [, target] of subpaths) {
      if (typeof target !== 'string') expect(Object.keys(target)).toEqual(['types', 'default'])
    }
  })

  it('exports files that the build makes', () => {
    const targets = subpaths.flatMap(([, target]) =>
      typeof target === 'string' ? [target] : Object.values(target),
    )
    expect(targets.filter((target) => !existsSync(join(ROOT, target)))).toEqual([])
  })

  it('has a complete lock file, so that npm ci works; next where not: node scripts/complete-lock.mjs', () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/complete-lock.mjs', '--check'], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    expect(status, stderr).toBe(0)
  })

  it('pins every dependency', () => {
    for (const version of Object.values(manifest.dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/)
    expect(Object.keys(manifest.dependencies)).toEqual(['commander', 'yaml', 'zod'])
  })
})

describe('the packed package', () => {
  let folder = ''
  let packed: readonly string[] = []

  /** Unpacked beside its declared dependencies and nothing else, as an installation would leave it. */
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'iopf-package-'))
    const words = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
    const [report]: { filename: string; files: { path: string }[] }[] = JSON.parse(
      execFileSync('npm', words, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    )
    packed = report!.files.map(({ path }) => path)
    const modules = join(folder, 'node_modules')
    mkdirSync(join(modules, 'iopf'), { recursive: true })
    execFileSync('tar', ['-xzf', report!.filename, '-C', join(modules, 'iopf'), '--strip-components=1'], {
      cwd: folder,
    })
    for (const name of Object.keys(manifest.dependencies)) {
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
    }
    writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }\n')
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('holds what users need and no tests or sources', () => {
    for (const path of ['LICENSE', 'README.md', 'package.json', 'dist/index.d.ts', 'schema/scenario.json']) {
      expect(packed).toContain(path)
    }
    const allowed =
      /^(?:dist\/.+\.(?:js|d\.ts)|schema\/.+\.json|examples\/.+|[A-Z]+\.md|LICENSE|package\.json)$/
    expect(packed.filter((path) => !allowed.test(path) || /\.(?:test|suite)\./.test(path))).toEqual([])
  })

  it('passes a smoke test under plain node --test', () => {
    writeFileSync(join(folder, 'smoke.test.mjs'), SMOKE)
    const { status, stdout } = spawnSync(process.execPath, ['--test', 'smoke.test.mjs'], {
      cwd: folder,
      encoding: 'utf8',
      env: cleanEnvironment(),
    })
    expect(status, stdout).toBe(0)
  })

  it('has a command that runs', () => {
    const main = join(folder, 'node_modules', 'iopf', manifest.bin['iopf']!)
    expect(readFileSync(main, 'utf8').startsWith('#!/usr/bin/env node\n')).toBe(true)
    const version = execFileSync(process.execPath, [main, '--version'], { cwd: folder, encoding: 'utf8' })
    expect(version).toBe(`${manifest.version}\n`)
  })

  it('runs an example that is packed with it', () => {
    const main = join(folder, 'node_modules', 'iopf', manifest.bin['iopf']!)
    const example = join(dirname(dirname(dirname(main))), 'examples/two-devices-three-pasids.yaml')
    const words = [main, 'simulate', example, '--json', '--set', 'workload.source={ pattern: 64KiB }']
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: folder, encoding: 'utf8' })
    expect(status, stderr).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, bytes: 65_536 })
  })
})

/** Without what vitest sets for its own children. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_TEST_CONTEXT: _context, ...rest } = process.env
  return rest
}

const SMOKE = `
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'

for (const name of ${JSON.stringify(subpaths.flatMap(([name, target]) => (typeof target === 'string' ? [] : [name])))}) {
  const specifier = name.replace(/^\\./, 'iopf')
  test('imports ' + specifier, async () => {
    assert.ok(Object.keys(await import(specifier)).length > 0)
  })
}

test('finds the schema and the manifest', () => {
  const require = createRequire(import.meta.url)
  assert.equal(require('iopf/schema/scenario.json').title, 'iopf scenario')
  assert.equal(require('iopf/package.json').name, 'iopf')
})

test('keeps its insides to itself', async () => {
  await assert.rejects(import('iopf/dist/index.js'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' })
})
`
