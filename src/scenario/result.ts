// SPDX-License-Identifier: MIT
/** Where the scenario runner and the command meet: what a run is given, and what it hands back. Plain data both ways. */
import type { PageSource } from '../handlers/page-source.ts'
import type { Recorder } from '../trace/recorder.ts'

/** What the world outside gives to a run. */
export interface ScenarioIo {
  readonly source: PageSource
  /** Has `writePage`, and holds every byte that reached the destination when the run returns. */
  readonly destination: PageSource
  /** Record every hop; `RunResult.trace` hands the recorder back. */
  readonly isTraced: boolean
  /**
   * Called between steps, at least every few thousand of them: shows progress, lets signals in. `false`: stop now and
   * return what there is, with `stopped` set.
   */
  checkpoint(bytesDone: number): Promise<boolean>
}

/** Latency of groups from the first page request to the response, log buckets. */
export interface LatencySummary {
  readonly count: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
  /** Ascending, non-empty buckets only: nanoseconds from (inclusive) to (exclusive), and how many groups. */
  readonly buckets: readonly LatencyBucket[]
}

export interface LatencyBucket {
  readonly fromNanos: number
  readonly toNanos: number
  readonly count: number
}

export interface RunResult {
  /** The run was stopped from outside before its end. */
  readonly stopped: boolean
  /** Bytes of completed transfers. */
  readonly bytes: number
  readonly transfers: { readonly completed: number; readonly failed: number }
  readonly faults: FaultCounts
  readonly latency: LatencySummary
  readonly pager: PagerCounts
  readonly virtualNanos: number
  /** What happened out of the ordinary, one sentence each, in order; at most a few dozen. */
  readonly notes: readonly string[]
  /** The recorder of the run's world where `ScenarioIo.isTraced` asked for it. */
  readonly trace: Recorder | undefined
}

export interface FaultCounts {
  /** Page Request Messages that reached a unit. */
  readonly pageRequests: number
  /** Complete groups. */
  readonly groups: number
  readonly unrecoverable: number
  /** Responses as the devices received them. */
  readonly responses: { readonly success: number; readonly invalid: number; readonly failure: number }
  /** Page requests that found their unit's ring full. */
  readonly overflows: number
  /** Groups answered by the response timeout, and groups refused by the quota. */
  readonly timeouts: number
  readonly quotaRefusals: number
}

export interface PagerCounts {
  readonly pagesIn: number
  readonly pagesOut: number
  readonly evictions: number
  readonly residentBytesMax: number
}
