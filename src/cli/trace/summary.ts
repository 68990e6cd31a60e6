// SPDX-License-Identifier: MIT
/** `iopf trace summary`: what a trace holds, without opening it elsewhere. */
import { type Histogram } from '../../trace/histogram.ts'
import { summarize, type TraceSummary } from '../../trace/summary.ts'
import { EXIT_OK } from '../exit.ts'
import { histogramLines } from '../histogram-text.ts'
import type { Invocation } from '../options.ts'
import { formatNanos } from '../scenario/quantity.ts'
import { writeOut } from '../terminal.ts'
import { readTrace } from './read.ts'

export async function run(invocation: Invocation): Promise<number> {
  const { trace, seed } = readTrace(invocation.arguments[0]!)
  const summary = summarize(trace)
  await writeOut(invocation.flag('json') ? summaryJson(summary, seed) : summaryText(summary, seed))
  return EXIT_OK
}

/** One document; keys are only ever added. */
function summaryJson(summary: TraceSummary, seed: number | undefined): string {
  const { events, lost, answered, unanswered } = summary
  const document = {
    schemaVersion: 1,
    seed: seed ?? null,
    events,
    lost,
    virtualNanos: summary.lastNanos - summary.firstNanos,
    counts: Object.fromEntries(summary.counts),
    groups: { answered: answered.count, unanswered },
    latencyNanos: answered.summary(),
    hops: summary.hops.map(({ from, to, latency }) => ({
      from,
      to,
      count: latency.count,
      latencyNanos: latency.summary(),
    })),
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

function summaryText(summary: TraceSummary, seed: number | undefined): string {
  const { answered, unanswered, lost } = summary
  const seedText = seed === undefined ? '' : `, seed ${seed}`
  const lines = [
    `${summary.events} events in ${formatNanos(summary.lastNanos - summary.firstNanos)} of virtual time${seedText}`,
    ...(lost > 0 ? [`${lost} events were lost`] : []),
    '',
    ...countLines(summary),
    '',
    `${answered.count} page request groups answered, ${unanswered} not.`,
    ...(answered.count > 0 ? latencyLines(answered) : []),
    ...hopLines(summary),
  ]
  return `${lines.join('\n')}\n`
}

function countLines({ counts }: TraceSummary): string[] {
  const rows = [...counts].toSorted(([, a], [, b]) => b - a)
  const width = Math.max(0, ...rows.map(([name]) => name.length))
  return rows.map(([name, count]) => `  ${name.padEnd(width)}  ${String(count).padStart(10)}`)
}

function latencyLines(answered: Histogram): string[] {
  const buckets = answered
    .buckets()
    .map(({ from, to, count }) => ({ fromNanos: from, toNanos: to + 1, count }))
  return [
    'From the first request to the response at the device:',
    ...histogramLines({ count: answered.count, ...answered.summary(), buckets }),
  ]
}

/** Where the time goes: each hop with its own percentiles. */
function hopLines({ hops }: TraceSummary): string[] {
  if (hops.length === 0) return []
  const names = hops.map(({ from, to }) => `${from} -> ${to}`)
  const width = Math.max(...names.map((name) => name.length))
  const rows = hops.map(({ latency }, index) => {
    const { p50, p99, max } = latency.summary()
    const columns = [p50, p99, max].map((nanos) => formatNanos(nanos).padStart(9)).join('  ')
    return `  ${names[index]!.padEnd(width)}  ${String(latency.count).padStart(8)}  ${columns}`
  })
  return ['', `  ${'hop'.padEnd(width)}  ${'groups'.padStart(8)}        p50        p99        max`, ...rows]
}
