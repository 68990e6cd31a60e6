// SPDX-License-Identifier: MIT
/** `iopf doctor` */
import { EXIT_HOST, EXIT_OK } from '../exit.ts'
import type { Invocation } from '../options.ts'
import { type Paint, painter, writeOut } from '../terminal.ts'
import { type Check, runChecks } from './checks.ts'

export async function run(invocation: Invocation): Promise<number> {
  const checks = runChecks()
  const ok = checks.every((check) => check.status !== 'failed')
  process.exitCode = ok ? EXIT_OK : EXIT_HOST
  const json = `${JSON.stringify({ schemaVersion: 1, ok, checks }, undefined, 2)}\n`
  await writeOut(invocation.flag('json') ? json : doctorText(checks, await painter(invocation)))
  return process.exitCode
}

const STYLES = { ok: 'green', missing: 'yellow', failed: 'red' } as const

export function doctorText(checks: readonly Check[], paint: Paint): string {
  const width = Math.max(...checks.map((check) => check.name.length))
  const lines = checks.flatMap(({ name, status, found, neededFor, cure }) => {
    const line = `${paint(STYLES[status], status.padEnd(7))}  ${name.padEnd(width)}  ${found}`
    return cure === undefined ? [line] : [line, `         needed for: ${neededFor}`, `         cure: ${cure}`]
  })
  return `${lines.join('\n')}\n`
}
