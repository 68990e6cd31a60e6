// SPDX-License-Identifier: MIT
/** What a run is made of and what it leaves: plain data that the threads hand each other. */
import type { MachineConfig } from '../../machine/config.ts'
import type { Percentiles } from '../../trace/histogram.ts'
import { summarize } from '../../trace/summary.ts'
import type { Bridge, BridgeCounts } from './bridge.ts'
import type { Perturbation } from './perturbation.ts'
import type { Answers, ProtocolWatch } from './watch/protocol-watch.ts'
import type { Verdict } from './watch/verdicts.ts'

export interface RunPlan {
  /** Without clock, decisions and failpoints, which are not data. */
  readonly machine: MachineConfig
  /** Delays are drawn. */
  readonly perturb: Perturbation | undefined
  /** The summary has the faults' hops. */
  readonly summarize: boolean
  /** The program's handling of faults is looked at. */
  readonly watch: boolean
  /** Descriptor that the trace is written to, as NDJSON. */
  readonly traceFd: number | undefined
}

export interface HopSummary {
  readonly from: string
  readonly to: string
  readonly count: number
  readonly latencyNanos: Percentiles
}

export interface FaultSummary {
  readonly answered: number
  readonly unanswered: number
  /** From the first page request of a group to the response at the device, in real time. */
  readonly latencyNanos: Percentiles
  readonly hops: readonly HopSummary[]
}

export interface RunSummary {
  readonly counts: BridgeCounts
  /** Pages of programs that are still pinned. */
  readonly pinnedPages: number
  readonly faults: FaultSummary | undefined
  readonly answers: Answers | undefined
  readonly verdicts: readonly Verdict[]
  /** Verdicts that were not kept. */
  readonly verdictsLost: number
  /** Verdicts about something that is wrong. */
  readonly broken: number
}

export function summaryOf(bridge: Bridge, plan: RunPlan, watch: ProtocolWatch | undefined): RunSummary {
  return {
    counts: bridge.counts,
    pinnedPages: bridge.pages.size,
    faults: plan.summarize ? faultsOf(bridge) : undefined,
    answers: watch?.answers,
    verdicts: watch?.verdicts ?? [],
    verdictsLost: watch?.lost ?? 0,
    broken: watch?.broken ?? 0,
  }
}

function faultsOf({ machine }: Bridge): FaultSummary {
  const { answered, unanswered, hops } = summarize(machine.world.trace)
  return {
    answered: answered.count,
    unanswered,
    latencyNanos: answered.summary(),
    hops: hops.map(({ from, to, latency }) => ({
      from,
      to,
      count: latency.count,
      latencyNanos: latency.summary(),
    })),
  }
}
