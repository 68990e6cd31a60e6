// SPDX-License-Identifier: MIT
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HostError } from '../kernel/reference.ts'
import { compareVerdicts, totalsOf } from '../selftest/compare.ts'
import { HUGE_PAGES_WANTED, hugePagesHere } from '../selftest/huge-pages.ts'
import { SelftestProgram, type Who } from '../selftest/program.ts'
import {
  makeRecording,
  readRecording,
  type SelftestRecording,
  writeRecording,
} from '../selftest/recording.ts'
import { type Column, remarks, table, totals } from '../selftest/report.ts'
import { verdictsIn } from '../selftest/tap.ts'
import { type Command, command, parsedArgs } from './command.ts'

const KERNEL = '7.2.13'

const HELP = `Usage: npm run conformance:selftest -- [options]

Runs the kernel's own test program, tools/testing/selftests/iommu/iommufd, under iopf run --mock: as root, and as an
ordinary user. Compares each test's verdict with the real kernel's.

  --program FILE    the program, linked statically (IOPF_SELFTEST)
  --record FILE     instead: take the verdicts from what the program printed on the real kernel with ${HUGE_PAGES_WANTED} huge pages
  --without FILE    with --record: what it printed on one without huge pages
  --kernel VERSION  the kernel of the recording (default ${KERNEL})
  --help            this text

Exit codes: 1 a verdict differs, 4 the program is not here or this host cannot run it.
`

/** `npm run conformance:selftest`. */
export const run: Command = command(selftest)

async function selftest(root: string, args: readonly string[]): Promise<number> {
  const { values } = parsedArgs(args, {
    program: { type: 'string', default: process.env['IOPF_SELFTEST'] ?? '' },
    record: { type: 'string' },
    without: { type: 'string' },
    kernel: { type: 'string', default: KERNEL },
    help: { type: 'boolean', default: false },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  if (values.record === undefined) return check(root, values.program, readRecording(root, values.kernel))
  const without = values.without ?? values.record
  writeRecording(root, makeRecording(values.kernel, verdictsOf(values.record), verdictsOf(without)))
  return 0
}

function verdictsOf(path: string): ReturnType<typeof verdictsIn> {
  return verdictsIn(readFileSync(path, 'utf8'))
}

async function check(root: string, path: string, recording: SelftestRecording): Promise<number> {
  if (path === '' || !existsSync(path)) throw new HostError(missing(path))
  const program = new SelftestProgram(join(root, 'dist/cli/main.js'), path)
  try {
    const columns: Column[] = []
    for (const who of usersHere(program)) columns.push(await column(program, who, recording))
    process.stdout.write(table(columns) + columns.map(remarks).join('') + columns.map(totals).join(''))
    return columns.some(({ rows }) => totalsOf(rows).differ > 0) ? 1 : 0
  } finally {
    program.close()
  }
}

function missing(path: string): string {
  const what = path === '' ? "the kernel's test program is not named" : `there is no ${path}`
  return `${what}: build tools/testing/selftests/iommu of a kernel ${KERNEL} with -static, and name its iommufd in IOPF_SELFTEST`
}

/** Whoever is not root is an ordinary user only. */
function usersHere(program: SelftestProgram): Who[] {
  if (process.getuid?.() !== 0) return ['an ordinary user']
  if (program.canRunAs('an ordinary user')) return ['root', 'an ordinary user']
  process.stderr.write('selftest: not as an ordinary user: the folder of iopf is not readable for others\n')
  return ['root']
}

async function column(program: SelftestProgram, who: Who, recording: SelftestRecording): Promise<Column> {
  const hugePages = hugePagesHere()
  if (hugePages === 'some')
    process.stderr.write(
      `selftest: fewer than ${HUGE_PAGES_WANTED} huge pages are free: tests that need them are not compared\n`,
    )
  const { output, complaints, exitCode, seconds } = await program.run(who)
  const verdicts = verdictsIn(output)
  if (verdicts.size === 0) throw new HostError(`the program ended with ${exitCode}: ${complaints.trim()}`)
  return { who, rows: compareVerdicts(recording, verdicts, hugePages), output, seconds }
}
