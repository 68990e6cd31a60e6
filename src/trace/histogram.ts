// SPDX-License-Identifier: MIT
import { assert, broken } from '../base/assert.ts'

/** Buckets per power of two: a value is told from its bucket to 1/128. */
const SUB_BITS = 7
const SUB_COUNT: number = 1 << SUB_BITS
/** Below this every value has a bucket of its own. */
const EXACT_BELOW: number = 2 * SUB_COUNT
/** Values are below 2^53. */
const BUCKETS: number = EXACT_BELOW + (53 - SUB_BITS - 1) * SUB_COUNT
/** Values from 2^31 on lose so many low bits, which no bucket tells apart, to become a 31-bit integer. */
const LARGE_SHIFT = 22
const LARGE: number = 2 ** LARGE_SHIFT

export interface HistogramBucket {
  /** Lowest and highest value of the bucket. */
  readonly from: number
  readonly to: number
  readonly count: number
}

/** Plain data of a histogram; `buckets` holds pairs of bucket number and count. */
export interface HistogramJson {
  readonly version: 1
  readonly min: number
  readonly max: number
  readonly sum: number
  readonly buckets: readonly (readonly [number, number])[]
}

function bucketOf(value: number): number {
  if (value < EXACT_BELOW) return value
  const large = value >= 2147483648
  const scaled = large ? Math.floor(value / LARGE) : value
  const exponent = 31 - Math.clz32(scaled)
  const sub = scaled >>> (exponent - SUB_BITS)
  return EXACT_BELOW + (exponent - SUB_BITS - 1 + (large ? LARGE_SHIFT : 0)) * SUB_COUNT + (sub - SUB_COUNT)
}

function lowestOf(bucket: number): number {
  if (bucket < EXACT_BELOW) return bucket
  const octave = Math.floor((bucket - EXACT_BELOW) / SUB_COUNT)
  return (SUB_COUNT + ((bucket - EXACT_BELOW) % SUB_COUNT)) * 2 ** (octave + 1)
}

/**
 * Counts of whole numbers 0 … 2^53-1 (nanoseconds) in logarithmic buckets: exact below 256, to 1/128 above, whatever
 * the range. `record` allocates nothing; histograms merge.
 */
export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export class Histogram {
  count = 0
  /** Exact. 0 while empty. */
  max = 0
  /** Exact. 0 while empty. */
  min = 0
  /** Exact up to 2^53. */
  sum = 0
  readonly #counts: Float64Array = new Float64Array(BUCKETS)

  record(nanos: number): void {
    if (!(nanos >= 0 && nanos <= Number.MAX_SAFE_INTEGER && Math.floor(nanos) === nanos))
      broken(`a histogram counts whole numbers, not ${nanos}`)
    this.#counts[bucketOf(nanos)]! += 1
    if (this.count === 0 || nanos < this.min) this.min = nanos
    if (nanos > this.max) this.max = nanos
    this.count++
    this.sum += nanos
  }

  merge(other: Histogram): void {
    if (other.count === 0) return
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.#counts[bucket]! += other.#counts[bucket]!
    this.min = this.count === 0 ? other.min : Math.min(this.min, other.min)
    this.max = Math.max(this.max, other.max)
    this.count += other.count
    this.sum += other.sum
  }

  /** Mean; 0 while empty. */
  get mean(): number {
    return this.count === 0 ? 0 : this.sum / this.count
  }

  /**
   * The value that `percent` (0 … 100) of all values do not exceed: the highest of its bucket, never above `max`.
   * 0 while empty.
   */
  percentile(percent: number): number {
    assert(percent >= 0 && percent <= 100, 'percentile must be 0 to 100')
    const rank = Math.max(1, Math.ceil((percent * this.count) / 100))
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]!
      if (seen >= rank) return Math.min(lowestOf(bucket + 1) - 1, this.max)
    }
    return 0
  }

  /** `p50`, `p90`, `p99`, `p999` and `max`. */
  summary(): Percentiles {
    return {
      p50: this.percentile(50),
      p90: this.percentile(90),
      p99: this.percentile(99),
      p999: this.percentile(99.9),
      max: this.max,
    }
  }

  /** The buckets that are not empty, ascending. */
  buckets(): HistogramBucket[] {
    const buckets: HistogramBucket[] = []
    this.#counts.forEach((count, bucket) => {
      if (count > 0) buckets.push({ from: lowestOf(bucket), to: lowestOf(bucket + 1) - 1, count })
    })
    return buckets
  }

  clear(): void {
    this.#counts.fill(0)
    this.count = 0
    this.max = 0
    this.min = 0
    this.sum = 0
  }

  toJSON(): HistogramJson {
    const buckets: [number, number][] = []
    this.#counts.forEach((count, bucket) => {
      if (count > 0) buckets.push([bucket, count])
    })
    return { version: 1, min: this.min, max: this.max, sum: this.sum, buckets }
  }

  /** From what `toJSON` gave; asserts that it is such. */
  static fromJSON(json: HistogramJson): Histogram {
    const histogram = new Histogram()
    for (const [bucket, count] of json.buckets) {
      assert(Number.isInteger(bucket) && bucket >= 0 && bucket < BUCKETS, 'bucket number of a histogram')
      assert(Number.isSafeInteger(count) && count > 0, 'bucket count of a histogram')
      histogram.#counts[bucket]! += count
      histogram.count += count
    }
    histogram.min = json.min
    histogram.max = json.max
    histogram.sum = json.sum
    return histogram
  }
}
