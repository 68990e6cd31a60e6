// SPDX-License-Identifier: MIT
/** A latency histogram in plain characters: one line a range, so that it can be searched and compared. */
import type { LatencyBucket, LatencySummary } from '../scenario/result.ts'
import { formatNanos } from './scenario/quantity.ts'

const ROWS_MAX = 12
const BAR_MAX = 40

export function histogramLines(latency: LatencySummary): string[] {
  const rows = mergeBuckets(latency.buckets, ROWS_MAX)
  const most = Math.max(...rows.map((row) => row.count))
  const bars = rows.map((row) => {
    const range = `${formatNanos(row.fromNanos).padStart(8)} to ${formatNanos(row.toNanos).padStart(8)}`
    return `  ${range}  ${String(row.count).padStart(8)}  ${'#'.repeat(Math.ceil((BAR_MAX * row.count) / most))}`
  })
  const points = (['p50', 'p90', 'p99', 'p999', 'max'] as const).map(
    (key) => `${key} ${formatNanos(latency[key])}`,
  )
  return [...bars, `  ${points.join(', ')}`]
}

/** At most `rows` rows: ranges grow by a factor, the smallest power of 2^(1/8) with which they fit. */
export function mergeBuckets(buckets: readonly LatencyBucket[], rows: number): readonly LatencyBucket[] {
  let merged = buckets
  for (let eighths = 1; merged.length > rows; eighths *= 2) merged = joinWithin(buckets, 8 / eighths)
  return merged
}

/** Joins buckets whose starts lie within the same of `parts` parts of a power of two. */
function joinWithin(buckets: readonly LatencyBucket[], parts: number): LatencyBucket[] {
  const joined: LatencyBucket[] = []
  let group = Number.NaN
  for (const bucket of buckets) {
    const own = Math.floor(Math.log2(Math.max(1, bucket.fromNanos)) * parts)
    const last = joined.at(-1)
    if (last !== undefined && own === group) {
      joined[joined.length - 1] = { ...last, toNanos: bucket.toNanos, count: last.count + bucket.count }
    } else joined.push(bucket)
    group = own
  }
  return joined
}
