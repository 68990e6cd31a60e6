// SPDX-License-Identifier: MIT
import type { Verdict } from '../record/check-case.ts'

/** A verdict for people: where, then each difference on a line. */
export function describe(verdict: Verdict): string {
  const { file } = verdict
  if (verdict.kind === 'unrecorded') return `${file}: no answers: npm run conformance:record -- ${file}\n`
  if (verdict.kind !== 'differs') return `${file}: same\n`
  const { line, text, details } = verdict.difference
  return [`${file}:${line}: ${text}`, ...details.map((detail) => `    ${detail}`), ''].join('\n')
}
