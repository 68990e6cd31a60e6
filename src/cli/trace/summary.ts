// SPDX-License-Identifier: MIT
/** `iopf trace summary`: what a trace holds, without opening it elsewhere. */
import { EVENT_NAMES } from '../../trace/events.ts'
import { Histogram } from '../../trace/histogram.ts'
import { RecordedEvent, type Recorder } from '../../trace/recorder.ts'
import { EXIT_OK } from '../exit.ts'
import { histogramLines } from '../histogram-text.ts'
import type { Invocation } from '../options.ts'
import { formatNanos } from '../scenario/quantity.ts'
import { writeOut } from '../terminal.ts'
import { readTrace } from './read.ts'

export async function run(invocation: Invocation): Promise<number> {
  const { trace, seed } = readTrace(invocation.arguments[0]!)
  const summary = summarise(trace, seed)
  await writeOut(invocation.flag('json') ? summaryJson(summary) : summaryText(summary))
  return EXIT_OK
}

export interface TraceSummary {
  readonly seed: number | undefined
  readonly events: number
  /** Time from the first event to the last. */
  readonly virtualNanos: number
  /** Number of events by name, most frequent first. */
  readonly counts: readonly (readonly [name: string, count: number])[]
  /** Page request groups, from their first event to their last. */
  readonly flows: Histogram
}

export function summarise(trace: Recorder, seed: number | undefined): TraceSummary {
  const counts = new Float64Array(EVENT_NAMES.length)
  const firstNanos = new Float64Array(trace.flowCount + 1).fill(-1)
  const lastNanos = new Float64Array(trace.flowCount + 1)
  const event = new RecordedEvent()
  let begin = 0
  for (let index = 0; index < trace.length; index++) {
    trace.read(index, event)
    if (index === 0) begin = event.nanos
    counts[event.event]! += 1
    if (firstNanos[event.flow]! < 0) firstNanos[event.flow] = event.nanos
    lastNanos[event.flow] = event.nanos
  }
  const flows = new Histogram()
  for (let flow = 1; flow <= trace.flowCount; flow++) {
    if (firstNanos[flow]! >= 0) flows.record(lastNanos[flow]! - firstNanos[flow]!)
  }
  const named = EVENT_NAMES.map((name, number) => [name, counts[number]!] as const)
  const present = named.filter(([, count]) => count > 0).toSorted(([, a], [, b]) => b - a)
  return { seed, events: trace.length, virtualNanos: event.nanos - begin, counts: present, flows }
}

function summaryJson({ seed, events, virtualNanos, counts, flows }: TraceSummary): string {
  const document = {
    schemaVersion: 1,
    seed: seed ?? null,
    events,
    virtualNanos,
    counts: Object.fromEntries(counts),
    flows: { count: flows.count, latencyNanos: flows.summary() },
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

function summaryText({ seed, events, virtualNanos, counts, flows }: TraceSummary): string {
  const width = Math.max(0, ...counts.map(([name]) => name.length))
  const buckets = flows.buckets().map(({ from, to, count }) => ({ fromNanos: from, toNanos: to + 1, count }))
  const lines = [
    `${events} events in ${formatNanos(virtualNanos)} of virtual time${seed === undefined ? '' : `, seed ${seed}`}`,
    '',
    ...counts.map(([name, count]) => `  ${name.padEnd(width)}  ${String(count).padStart(10)}`),
    '',
    `${flows.count} page request groups, from their first event to their last:`,
    ...histogramLines({ count: flows.count, ...flows.summary(), buckets }),
  ]
  return `${lines.join('\n')}\n`
}
