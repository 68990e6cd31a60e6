// SPDX-License-Identifier: MIT
import { checkCase } from '../record/check-case.ts'
import { sweepProgram } from '../ours/sweep.ts'
import { findCases, loadCase, type LoadedCase } from '../record/files.ts'
import { describe } from './describe.ts'
import { type Command, command, parsedArgs } from './command.ts'

const HELP = `Usage: npm run conformance -- [options] [case or folder ...]

Runs the cases on our side and compares with what the kernel answered.

  --sweep     instead: every failure point of each case fails once
  --verbose   one line a case
  --help      this text
`

/** `npm run conformance`. */
export const run: Command = command(check)

function check(root: string, args: readonly string[]): number {
  const { values, positionals } = parsedArgs(args, {
    sweep: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const cases = findCases(root, positionals).map((path) => loadCase(root, path))
  return values.sweep ? sweepAll(cases) : checkAll(cases, values.verbose)
}

function checkAll(cases: readonly LoadedCase[], verbose: boolean): number {
  const totals = { cases: 0, operations: 0, differ: 0, unrecorded: 0 }
  for (const loaded of cases) {
    const verdict = checkCase(loaded)
    totals.cases++
    totals.operations += verdict.operations
    if (verdict.kind === 'differs') totals.differ++
    if (verdict.kind === 'unrecorded') totals.unrecorded++
    if (verdict.kind !== 'same' || verbose) process.stdout.write(describe(verdict))
  }
  const unrecorded = totals.unrecorded === 0 ? '' : `, ${totals.unrecorded} without answers`
  process.stdout.write(
    `conformance: ${totals.cases} cases, ${totals.operations} operations, ${totals.differ} differ${unrecorded}\n`,
  )
  return totals.differ + totals.unrecorded === 0 ? 0 : 1
}

function sweepAll(cases: readonly LoadedCase[]): number {
  const totals = { runs: 0, problems: 0 }
  for (const { test, encoded } of cases) {
    const huge = Number(test.machine.hugePages ?? 0n)
    const { runs, problems } = sweepProgram(encoded.program, huge, Number.POSITIVE_INFINITY)
    totals.runs += runs
    for (const { hit, point, operation, what } of problems) {
      totals.problems++
      const { line = 0, text = '' } = encoded.labels[operation] ?? {}
      process.stdout.write(`${test.file}:${line}: ${text}: failure ${hit} (${point}): ${what}\n`)
    }
  }
  const { runs, problems } = totals
  process.stdout.write(
    `conformance: ${cases.length} cases, ${runs} failures injected, ${problems} went wrong\n`,
  )
  return problems === 0 ? 0 : 1
}
