// SPDX-License-Identifier: MIT
/** What `iopf run` tells after the program. */
import type { FaultSummary, RunSummary } from '../../host/bridge/run-plan.ts'
import { NOTES, type Verdict } from '../../host/bridge/watch/verdicts.ts'
import { formatNanos } from '../scenario/quantity.ts'
import type { Paint } from '../terminal.ts'

/** `isWhole`: everything; else what was wrong. */
export function runReport(summary: RunSummary, isWhole: boolean, paint: Paint): string {
  const verdicts = isWhole ? summary.verdicts : summary.verdicts.filter(({ rule }) => !NOTES.has(rule))
  const lost = summary.verdictsLost > 0 ? [`iopf: ${summary.verdictsLost} more of that kind`] : []
  const lines = [
    ...(isWhole ? countLines(summary) : []),
    ...verdicts.map((verdict) => verdictLine(verdict, paint)),
    ...lost,
  ]
  return lines.map((line) => `${line}\n`).join('')
}

function countLines({ counts, faults, answers, pinnedPages, broken }: RunSummary): string[] {
  const served = counts.calls - counts.proceeded
  const by = Object.entries(answers?.program ?? {}).map(([code, count]) => `${count} ${code}`)
  return [
    `iopf: ${served} system calls served, ${counts.proceeded} passed on`,
    `iopf: answers of the program: ${by.length === 0 ? 'none' : by.join(', ')}; of the kernel: ${answers?.kernel ?? 0}`,
    ...(faults === undefined ? [] : faultLines(faults)),
    ...(pinnedPages === 0 ? [] : [`iopf: ${pinnedPages} pages are still pinned`]),
    `iopf: ${broken === 0 ? 'every rule of fault handling was kept' : `${broken} times a rule of fault handling was broken`}`,
  ]
}

function faultLines({ answered, unanswered, latencyNanos, hops }: FaultSummary): string[] {
  const { p50, p99, max } = latencyNanos
  const times = [p50, p99, max].map((nanos) => formatNanos(nanos))
  const took = answered === 0 ? '' : `, in real time p50 ${times[0]}, p99 ${times[1]}, max ${times[2]}`
  const width = Math.max(0, ...hops.map(({ from, to }) => from.length + to.length + 4))
  return [
    `iopf: page request groups: ${answered} answered, ${unanswered} not${took}`,
    ...hops.map((hop) => {
      const columns = [hop.latencyNanos.p50, hop.latencyNanos.p99, hop.latencyNanos.max]
      const values = columns.map((nanos) => formatNanos(nanos).padStart(9)).join('  ')
      return `iopf:   ${`${hop.from} -> ${hop.to}`.padEnd(width)}  ${String(hop.count).padStart(8)}  ${values}`
    }),
  ]
}

function verdictLine({ rule, pid, fd, text }: Verdict, paint: Paint): string {
  const place = pid === 0 ? '' : ` (process ${pid}, descriptor ${fd})`
  return `iopf: ${paint(NOTES.has(rule) ? 'yellow' : 'red', rule)}: ${text}${place}`
}
