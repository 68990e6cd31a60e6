// SPDX-License-Identifier: MIT
/** Builds dist/ once before the tests, where a source is newer than it: tests of the command run what users run. */
import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = resolve(fileURLToPath(import.meta.url), '../../..')

export function setup(): void {
  if (newestSource() <= modified(join(ROOT, 'dist/cli/main.js'))) return
  const compiler = join(ROOT, 'node_modules/.bin/tsc')
  try {
    execFileSync(compiler, ['-p', 'tsconfig.build.json'], { cwd: ROOT, stdio: 'pipe' })
  } catch (error) {
    const complaints = String(Reflect.get(Object(error), 'stdout'))
      .trim()
      .split('\n')
    process.stderr.write(
      `dist/ was built with ${complaints.length} complaints of the compiler: ${complaints[0]}\n`,
    )
  }
}

function newestSource(): number {
  const entries = readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true })
  const built = entries.filter(({ name }) => name.endsWith('.ts') && !/\.(?:test|suite)\.ts$/.test(name))
  return Math.max(...built.map(({ parentPath, name }) => modified(join(parentPath, name))))
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
