// SPDX-License-Identifier: MIT
/** Compares a run with what its scenario expects. */
import type { ExpectSection, Range } from '../../scenario/document.ts'
import type { RunResult } from '../../scenario/result.ts'
import { formatNanos } from '../scenario/quantity.ts'

export interface Expectation {
  /** Key of `expect`. */
  readonly name: string
  readonly ok: boolean
  readonly got: string
  readonly expected: string
}

export interface Digests {
  readonly source: string | undefined
  readonly destination: string | undefined
}

export function checkExpectations(
  expect: ExpectSection,
  run: RunResult,
  digests: Digests,
): readonly Expectation[] {
  const { responses, ...counts } = run.faults
  const numbers: readonly (readonly [name: string, range: Range | undefined, got: number])[] = [
    ['pageRequests', expect.pageRequests, counts.pageRequests],
    ['groups', expect.groups, counts.groups],
    ['unrecoverable', expect.unrecoverable, counts.unrecoverable],
    ['success', expect.success, responses.success],
    ['invalid', expect.invalid, responses.invalid],
    ['failure', expect.failure, responses.failure],
    ['overflows', expect.overflows, counts.overflows],
    ['evictions', expect.evictions, run.pager.evictions],
    ['timeouts', expect.timeouts, counts.timeouts],
    ['quotaRefusals', expect.quotaRefusals, counts.quotaRefusals],
  ]
  const times: readonly (readonly [name: string, range: Range | undefined, got: number])[] = [
    ['p50', expect.p50, run.latency.p50],
    ['p90', expect.p90, run.latency.p90],
    ['p99', expect.p99, run.latency.p99],
    ['p999', expect.p999, run.latency.p999],
    ['virtualTime', expect.virtualTime, run.virtualNanos],
  ]
  return [
    ...checkDigests(expect, digests),
    ...checkTransfers(expect, run),
    ...numbers.flatMap(([name, range, got]) => checkRange(name, range, got, String)),
    ...times.flatMap(([name, range, got]) => checkRange(name, range, got, formatNanos)),
  ]
}

function checkDigests({ digests: expected }: ExpectSection, digests: Digests): Expectation[] {
  if (expected === 'any') return []
  const got = digests.source === digests.destination ? 'equal' : 'different'
  return [{ name: 'digests', ok: got === expected, got, expected }]
}

function checkTransfers({ transfers: expected }: ExpectSection, { transfers }: RunResult): Expectation[] {
  if (expected === 'any') return []
  const ok = expected === 'failed' ? transfers.failed > 0 : transfers.failed === 0
  const got = `${transfers.completed} completed, ${transfers.failed} failed`
  return [{ name: 'transfers', ok, got, expected: expected === 'failed' ? 'some failed' : 'all completed' }]
}

function checkRange(
  name: string,
  range: Range | undefined,
  got: number,
  show: (value: number) => string,
): Expectation[] {
  if (range === undefined) return []
  const { min = 0, max = Infinity } = range
  const bounds = [
    ...(range.min === undefined ? [] : [`at least ${show(range.min)}`]),
    ...(range.max === undefined ? [] : [`at most ${show(range.max)}`]),
  ]
  return [{ name, ok: got >= min && got <= max, got: show(got), expected: bounds.join(', ') || 'anything' }]
}
