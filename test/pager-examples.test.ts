// SPDX-License-Identifier: MIT
/** The pagers of `examples/` under `iopf run`, and the page that shows them. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { iopf, MAIN, ROOT } from '../src/cli/child.suite.ts'

const reason = whyNot()
const hasCompiler = spawnSync('cc', ['--version']).status === 0
const hasPython = spawnSync('python3', ['--version']).status === 0
if (reason !== undefined) process.stderr.write(`the pagers are not run: ${reason}\n`)
if (!hasCompiler) process.stderr.write('examples/pager.c is not run: no cc\n')
if (!hasPython) process.stderr.write('examples/pager.py is not run: no python3\n')

function whyNot(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'not Linux on x86-64'
  const probe = spawnSync(process.execPath, [MAIN, 'run', '--', 'true'], { encoding: 'utf8' })
  return probe.status === 0 ? undefined : probe.stderr.trim()
}

/** Observed on 7.2.13. */
const OUTPUT = `fault at 0x1000000, group 0, cookie 1: mapped
fault at 0x1002000, group 1, cookie 1: mapped
fault at 0x1004000, group 2, cookie 1: there is nothing
`

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'iopf-pager-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.skipIf(reason !== undefined)('a pager under iopf run', () => {
  it.skipIf(!hasCompiler).each(['dynamic', 'static'])('in C, %s', async (kind) => {
    const program = join(folder, kind)
    const flags = kind === 'static' ? ['-static'] : []
    execFileSync('cc', ['-Wall', '-Werror', ...flags, '-o', program, join(ROOT, 'examples/pager.c')])
    const { stdout, stderr, exitCode } = await iopf(['run', '--mock', '--', program])
    expect([stdout, stderr, exitCode]).toEqual([OUTPUT, '', 0])
  })

  it.skipIf(!hasPython)('in Python', async () => {
    const words = ['run', '--mock', '--', 'python3', join(ROOT, 'examples/pager.py')]
    const { stdout, stderr, exitCode } = await iopf(words)
    expect([stdout, stderr, exitCode]).toEqual([OUTPUT, '', 0])
  })
})

describe('the guide', () => {
  it('shows what the pagers print', () => {
    expect(readFileSync(join(ROOT, 'docs/GUIDE.md'), 'utf8')).toContain(`\`\`\`\n${OUTPUT}\`\`\``)
  })
})
