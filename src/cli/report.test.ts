// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { scenarioOf } from '../scenario/defaults.ts'
import type { ExpectSection } from '../scenario/document.ts'
import type { LatencyBucket, RunResult } from '../scenario/result.ts'
import { mergeBuckets } from './histogram-text.ts'
import { jsonReport, type Report, textReport } from './report.ts'
import { checkExpectations } from './simulate/expectations.ts'
import { plain } from './terminal.ts'

const RUN: RunResult = {
  stopped: false,
  bytes: 8_192,
  transfers: { completed: 1, failed: 0 },
  faults: {
    pageRequests: 3,
    groups: 2,
    unrecoverable: 0,
    responses: { success: 2, invalid: 0, failure: 0 },
    overflows: 0,
    timeouts: 0,
    quotaRefusals: 0,
  },
  latency: {
    count: 2,
    p50: 30_000,
    p90: 40_000,
    p99: 40_000,
    p999: 40_000,
    max: 40_000,
    buckets: [
      { fromNanos: 30_000, toNanos: 30_128, count: 1 },
      { fromNanos: 40_000, toNanos: 40_256, count: 1 },
    ],
  },
  pager: { pagesIn: 2, pagesOut: 1, evictions: 0, residentBytesMax: 8_192 },
  virtualNanos: 123_456,
  notes: ['detach dma0 at 5 us'],
  trace: undefined,
}

const REPORT: Report = {
  scenario: 'x',
  seed: 7,
  sourceBytes: 8_192,
  run: RUN,
  digests: { source: 'aa', destination: 'aa' },
  expectations: [
    { name: 'digests', ok: true, got: 'equal', expected: 'equal' },
    { name: 'p99', ok: false, got: '40.0 us', expected: 'at most 10.0 us' },
  ],
  ok: false,
  wallMillis: 35,
  reproduce: 'reproduce: iopf simulate x.yaml --seed 7',
}

describe('the JSON report', () => {
  const document: unknown = JSON.parse(jsonReport(REPORT))

  it('has the stable keys', () => {
    expect(document).toMatchObject({
      schemaVersion: 1,
      ok: false,
      scenario: 'x',
      seed: 7,
      bytes: 8_192,
      digests: { source: 'aa', destination: 'aa' },
      faults: {
        pageRequests: 3,
        groups: 2,
        unrecoverable: 0,
        responses: { success: 2, invalid: 0, failure: 0 },
      },
      latencyNanos: { p50: 30_000, p90: 40_000, p99: 40_000, p999: 40_000, max: 40_000 },
      virtualNanos: 123_456,
      wallMillis: 35,
    })
  })

  it('has nothing that is not documented', () => {
    const stable = 'schemaVersion ok scenario seed bytes digests faults latencyNanos virtualNanos wallMillis'
    const added = 'stopped transfers pager notes expectations reproduce'
    expect(Object.keys(Object(document))).toEqual(`${stable} ${added}`.split(' '))
  })

  it('has null digests where the run was stopped', () => {
    const digests = { source: undefined, destination: undefined }
    const stopped: unknown = JSON.parse(jsonReport({ ...REPORT, digests, run: { ...RUN, stopped: true } }))
    expect(stopped).toMatchObject({ stopped: true, digests: { source: null, destination: null } })
  })
})

describe('the text report', () => {
  const text = textReport(REPORT, plain)

  it.each([
    '8.00 KiB of 8.00 KiB arrived by DMA in 1 transfer.',
    'The devices sent 3 page requests in 2 groups.',
    'Answers: 2 success, 0 invalid, 0 failure.',
    '- detach dma0 at 5 us',
    'p50 30.0 us, p90 40.0 us, p99 40.0 us, p999 40.0 us, max 40.0 us',
    'SHA-256 source       aa',
    'SHA-256 destination  aa  equal',
    'ok      digests: equal',
    'missed  p99: got 40.0 us, expected at most 10.0 us',
  ])('says: %s', (line) => {
    expect(text).toContain(line)
  })

  it('ends with the line that reproduces the run', () => {
    expect(text.trimEnd().split('\n').at(-1)).toBe('reproduce: iopf simulate x.yaml --seed 7')
  })

  it('says that it is partial where the run was stopped', () => {
    expect(textReport({ ...REPORT, run: { ...RUN, stopped: true } }, plain)).toMatch(
      /^Stopped before the end/,
    )
  })

  it('does without a histogram where nothing was answered', () => {
    const latency = { ...RUN.latency, count: 0, buckets: [] }
    expect(textReport({ ...REPORT, run: { ...RUN, latency } }, plain)).toContain('there is no latency')
  })
})

describe('the histogram', () => {
  const buckets: LatencyBucket[] = Array.from({ length: 500 }, (_, index) => {
    const fromNanos = Math.floor(1_000 * 1.02 ** index)
    return { fromNanos, toNanos: Math.floor(1_000 * 1.02 ** (index + 1)), count: index + 1 }
  })

  it('has at most so many rows, without a group lost or a gap made', () => {
    for (const rows of [1, 5, 12, 100]) {
      const merged = mergeBuckets(buckets, rows)
      expect(merged.length).toBeLessThanOrEqual(rows)
      expect(merged.reduce((sum, { count }) => sum + count, 0)).toBe(125_250)
      expect(merged.map(({ fromNanos }) => fromNanos).slice(1)).toEqual(
        merged.map(({ toNanos }) => toNanos).slice(0, -1),
      )
    }
  })

  it('leaves a few buckets as they are', () => {
    expect(mergeBuckets(buckets.slice(0, 3), 12)).toEqual(buckets.slice(0, 3))
  })
})

describe('expectations', () => {
  const digests = { source: 'a', destination: 'a' }
  const missed = (expect_: Partial<ExpectSection>, run = RUN, own = digests): string[] => {
    const section: ExpectSection = { ...scenarioOf().expect, ...expect_ }
    return checkExpectations(section, run, own)
      .filter(({ ok }) => !ok)
      .map(({ name }) => name)
  }

  it('are met by a good run', () => {
    expect(missed({})).toEqual([])
  })

  it.each([
    [{ pageRequests: { min: 4 } }, ['pageRequests']],
    [{ pageRequests: { min: 3, max: 3 } }, []],
    [{ success: { max: 1 } }, ['success']],
    [{ p99: { max: 40_000 } }, []],
    [{ p99: { max: 39_999 } }, ['p99']],
    [{ virtualTime: { min: 200_000 } }, ['virtualTime']],
    [{ transfers: 'failed' }, ['transfers']],
    [{ digests: 'different' }, ['digests']],
    [
      { overflows: { min: 1 }, evictions: { min: 1 }, timeouts: { min: 1 } },
      ['overflows', 'evictions', 'timeouts'],
    ],
  ] satisfies [Partial<ExpectSection>, string[]][])('%j misses %j', (section, names) => {
    expect(missed(section)).toEqual(names)
  })

  it('of equal digests are missed by different ones', () => {
    expect(missed({}, RUN, { source: 'a', destination: 'b' })).toEqual(['digests'])
  })
})
