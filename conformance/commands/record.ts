// SPDX-License-Identifier: MIT
import type { Guest } from '../kernel/guest.ts'
import { type KernelKind, startGuest } from '../kernel/reference.ts'
import { answersOf } from '../record/answers.ts'
import { findCases, loadCase, type LoadedCase, readRecording, writeRecording } from '../record/files.ts'
import { type Command, command, parsedArgs } from './command.ts'

const HELP = `Usage: npm run conformance:record -- [options] [case or folder ...]

Asks the real kernel, under QEMU, and writes its answers beside each case.

  --missing   only cases that have no answers yet
  --help      this text

Environment: IOPF_KERNEL and IOPF_KERNEL_EXT name the kernel images (conformance/kernel/build.sh makes them).
`

/** `npm run conformance:record`. */
export const run: Command = command(record)

async function record(root: string, args: readonly string[]): Promise<number> {
  const { values, positionals } = parsedArgs(args, {
    missing: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const all = findCases(root, positionals).map((path) => loadCase(root, path))
  const cases = values.missing ? all.filter(({ path }) => readRecording(path) === undefined) : all
  let failed = 0
  for (const [kind, hugePages] of kindsOf(cases)) {
    const chosen = cases.filter(({ test }) => test.kernel === kind && needsHuge(test) === hugePages > 0)
    if (chosen.length > 0) failed += await recordAll(startGuest(root, kind, hugePages), kind, chosen)
  }
  process.stdout.write(`conformance: ${cases.length - failed} cases recorded, ${failed} failed\n`)
  return failed === 0 ? 0 : 1
}

function needsHuge({ machine }: LoadedCase['test']): boolean {
  return machine.hugePages !== undefined
}

function kindsOf(cases: readonly LoadedCase[]): (readonly [KernelKind, number])[] {
  const huge = Math.max(0, ...cases.map(({ test }) => Number(test.machine.hugePages ?? 0n)))
  return [['plain', 0], ['ext', 0], ...(huge > 0 ? [['plain', huge] as const, ['ext', huge] as const] : [])]
}

/** How many could not be recorded. */
async function recordAll(guest: Guest, kind: KernelKind, cases: readonly LoadedCase[]): Promise<number> {
  let failed = 0
  try {
    const kernel = `${await guest.kernelName()} ${kind}`
    const results = await guest.run(cases.map(({ encoded }) => encoded.program))
    cases.forEach(({ test, encoded, path }, index) => {
      const result = results[index]
      if (result === undefined) return
      if (result.ended === undefined) {
        writeRecording(path, { kernel, answers: answersOf(encoded, result) })
        return
      }
      failed++
      const label = encoded.labels[result.ended.operation]
      process.stderr.write(`${test.file}:${label?.line ?? 0}: ${label?.text}: ${result.ended.why}\n`)
    })
    warnAbout(guest.log())
  } finally {
    await guest.close()
  }
  return failed
}

/** A warning of the kernel is worth a look: the case found a bug, or leaves something behind. */
function warnAbout(log: string): void {
  const warnings = log.split('\n').filter((line) => /WARNING|BUG|Oops|Call Trace|leak/.test(line))
  for (const line of new Set(warnings)) process.stderr.write(`the kernel says: ${line}\n`)
}
