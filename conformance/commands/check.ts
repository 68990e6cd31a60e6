// SPDX-License-Identifier: MIT
import { checkCase, type Verdict } from '../record/check-case.ts'
import { sweepProgram } from '../ours/sweep.ts'
import { findCases, loadCase, type LoadedCase } from '../record/files.ts'
import { checkThroughRun } from '../through-run/check.ts'
import { forRun } from '../through-run/choice.ts'
import { knownReason } from '../through-run/known.ts'
import { describe } from './describe.ts'
import { type Command, command, parsedArgs } from './command.ts'

const HELP = `Usage: npm run conformance -- [options] [case or folder ...]

Runs the cases on our side and compares with what the kernel answered.

  --sweep         instead: every failure point of each case fails once
  --through-run   instead: the C replayer runs the cases as a program under iopf run --mock (needs cc and a built dist/)
  --verbose       one line a case
  --help          this text
`

/** `npm run conformance`. */
export const run: Command = command(check)

async function check(root: string, args: readonly string[]): Promise<number> {
  const { values, positionals } = parsedArgs(args, {
    sweep: { type: 'boolean', default: false },
    'through-run': { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const cases = findCases(root, positionals).map((path) => loadCase(root, path))
  if (values.sweep) return sweepAll(cases)
  if (!values['through-run']) return report(cases.map(checkCase), values.verbose)
  const [chosen, left] = forRun(cases)
  process.stdout.write(left)
  return report(withoutKnown(await checkThroughRun(root, chosen)), values.verbose)
}

/** What differs because the host answers is told, and does not count. */
function withoutKnown(verdicts: readonly Verdict[]): Verdict[] {
  return verdicts.filter((verdict) => {
    const reason = verdict.kind === 'differs' ? knownReason(verdict.file) : undefined
    if (reason !== undefined) process.stdout.write(`${verdict.file}: known: ${reason}\n`)
    return reason === undefined
  })
}

function report(verdicts: readonly Verdict[], verbose: boolean): number {
  const totals = { cases: 0, operations: 0, differ: 0, unrecorded: 0 }
  for (const verdict of verdicts) {
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

/** Large maps come by thousands of failure points that are all alike. */
const SWEEP_LIMITS = { runs: Number.POSITIVE_INFINITY, millis: 3000 }

function sweepAll(cases: readonly LoadedCase[]): number {
  const totals = { runs: 0, problems: 0 }
  for (const { test, encoded } of cases) {
    const huge = Number(test.machine.hugePages ?? 0n)
    const { runs, problems } = sweepProgram(encoded.program, huge, SWEEP_LIMITS)
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
