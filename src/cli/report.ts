// SPDX-License-Identifier: MIT
/** What a run prints: text for people, one JSON document for programs. */
import type { RunResult } from '../scenario/result.ts'
import { histogramLines } from './histogram-text.ts'
import { formatBytes, formatNanos } from './scenario/quantity.ts'
import type { Digests, Expectation } from './simulate/expectations.ts'
import type { Paint } from './terminal.ts'

export interface Report {
  readonly scenario: string
  readonly seed: number
  readonly sourceBytes: number
  readonly run: RunResult
  readonly digests: Digests
  readonly expectations: readonly Expectation[]
  readonly ok: boolean
  readonly wallMillis: number
  readonly reproduce: string
}

export const REPORT_SCHEMA_VERSION = 1

/** One document; keys are only ever added. `digests` are null where the run was stopped. */
export function jsonReport(report: Report): string {
  const { run, digests } = report
  const { responses, pageRequests, groups, unrecoverable, overflows, timeouts, quotaRefusals } = run.faults
  const { p50, p90, p99, p999, max, count } = run.latency
  const document = {
    schemaVersion: REPORT_SCHEMA_VERSION,
    ok: report.ok,
    scenario: report.scenario,
    seed: report.seed,
    bytes: run.bytes,
    digests: { source: digests.source ?? null, destination: digests.destination ?? null },
    faults: { pageRequests, groups, unrecoverable, responses, overflows, timeouts, quotaRefusals },
    latencyNanos: { p50, p90, p99, p999, max, count },
    virtualNanos: run.virtualNanos,
    wallMillis: report.wallMillis,
    stopped: run.stopped,
    transfers: run.transfers,
    pager: run.pager,
    notes: run.notes,
    expectations: report.expectations,
    reproduce: report.reproduce,
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

/** Everything after the line with the seed, which is printed before the run. */
export function textReport(report: Report, paint: Paint): string {
  const blocks = [
    storyLines(report),
    report.run.notes.map((note) => `- ${note}`),
    latencyLines(report.run),
    digestLines(report, paint),
    expectationLines(report, paint),
    [paint('dim', report.reproduce)],
  ]
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

export function seedLine(scenario: string, seed: number): string {
  return `${scenario}: seed ${seed}\n`
}

function storyLines({ run, sourceBytes, wallMillis }: Report): string[] {
  const { faults, transfers, pager } = run
  const { success, invalid, failure } = faults.responses
  const all = transfers.completed + transfers.failed
  const failed = transfers.failed === 0 ? '' : `; ${transfers.failed} of ${plural(all, 'transfer')} failed`
  const moved = `${formatBytes(run.bytes)} of ${formatBytes(sourceBytes)} arrived by DMA in ${plural(transfers.completed, 'transfer')}${failed}.`
  return [
    ...(run.stopped ? ['Stopped before the end: what follows is partial.'] : []),
    moved,
    `The devices sent ${plural(faults.pageRequests, 'page request')} in ${plural(faults.groups, 'group')}.`,
    `Answers: ${success} success, ${invalid} invalid, ${failure} failure.`,
    `The pager brought in ${plural(pager.pagesIn, 'page')}, wrote back ${pager.pagesOut}, evicted ${pager.evictions}; at most ${formatBytes(pager.residentBytesMax)} were resident.`,
    ...troubleLines(faults),
    `Virtual time ${formatNanos(run.virtualNanos)}, wall time ${formatNanos(Math.round(wallMillis * 1e6))}.`,
  ]
}

function troubleLines(faults: RunResult['faults']): string[] {
  const troubles: readonly (readonly [count: number, text: string])[] = [
    [faults.unrecoverable, 'unrecoverable faults'],
    [faults.overflows, 'page requests found the ring full'],
    [faults.timeouts, 'groups were answered by the response timeout'],
    [faults.quotaRefusals, 'groups were refused by the quota'],
  ]
  return troubles.flatMap(([count, text]) => (count > 0 ? [`${count} ${text}.`] : []))
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function latencyLines({ latency }: RunResult): string[] {
  if (latency.count === 0) return ['No group was answered, so there is no latency.']
  return ['Latency of a group, from its first request to its response:', ...histogramLines(latency)]
}

function digestLines({ digests }: Report, paint: Paint): string[] {
  const { source, destination } = digests
  if (source === undefined || destination === undefined) return []
  const verdict = source === destination ? paint('green', 'equal') : paint('red', 'different')
  return [`SHA-256 source       ${source}`, `SHA-256 destination  ${destination}  ${verdict}`]
}

function expectationLines({ expectations, run }: Report, paint: Paint): string[] {
  if (run.stopped) return []
  return expectations.map(({ name, ok, got, expected }) =>
    ok
      ? `${paint('green', 'ok')}      ${name}: ${got}`
      : `${paint('red', 'missed')}  ${name}: got ${got}, expected ${expected}`,
  )
}
