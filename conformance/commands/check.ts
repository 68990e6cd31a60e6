// SPDX-License-Identifier: MIT
import { checkCase } from '../record/check-case.ts'
import { findCases, loadCase } from '../record/files.ts'
import { describe } from './describe.ts'
import { type Command, command, parsedArgs } from './command.ts'

const HELP = `Usage: npm run conformance -- [options] [case or folder ...]

Runs the cases on our side and compares with what the kernel answered.

  --verbose   one line a case
  --help      this text
`

/** `npm run conformance`. */
export const run: Command = command(check)

function check(root: string, args: readonly string[]): number {
  const { values, positionals } = parsedArgs(args, {
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const totals = { cases: 0, operations: 0, differ: 0, unrecorded: 0 }
  for (const path of findCases(root, positionals)) {
    const verdict = checkCase(loadCase(root, path))
    totals.cases++
    totals.operations += verdict.operations
    if (verdict.kind === 'differs') totals.differ++
    if (verdict.kind === 'unrecorded') totals.unrecorded++
    if (verdict.kind !== 'same' || values.verbose) process.stdout.write(describe(verdict))
  }
  const unrecorded = totals.unrecorded === 0 ? '' : `, ${totals.unrecorded} without answers`
  process.stdout.write(
    `conformance: ${totals.cases} cases, ${totals.operations} operations, ${totals.differ} differ${unrecorded}\n`,
  )
  return totals.differ + totals.unrecorded === 0 ? 0 : 1
}
