// SPDX-License-Identifier: MIT
import type { Machine, MachineDevice } from '../machine/machine.ts'
import type { Histogram } from '../trace/histogram.ts'
import type { FaultCounts, LatencySummary, PagerCounts, RunResult } from './result.ts'
import type { Workload } from './workload.ts'

export interface Collected {
  readonly machine: Machine
  /** All devices of the scenario, removed ones included. */
  readonly devices: readonly MachineDevice[]
  readonly workload: Workload
  readonly pager: PagerCounts
  readonly stopped: boolean
  readonly virtualNanos: number
  readonly notes: readonly string[]
  readonly traced: boolean
}

export function collectResult(run: Collected): RunResult {
  const { machine, workload } = run
  return {
    stopped: run.stopped,
    bytes: workload.bytesDone,
    transfers: { completed: workload.completed, failed: workload.failed },
    faults: faultCounts(machine, run.devices),
    latency: latencySummary(machine.latency),
    pager: run.pager,
    virtualNanos: run.virtualNanos,
    notes: run.notes,
    trace: run.traced ? machine.world.trace : undefined,
  }
}

function faultCounts(machine: Machine, devices: readonly MachineDevice[]): FaultCounts {
  const ofDevices = (count: (device: MachineDevice) => number): number =>
    devices.reduce((sum, device) => sum + count(device), 0)
  const ofIommus = (count: (iommu: Machine['iommus'][number]) => number): number =>
    machine.iommus.reduce((sum, iommu) => sum + count(iommu), 0)
  return {
    pageRequests: ofDevices(({ engine }) => engine.counters.pageRequests),
    groups: ofDevices(({ engine }) => engine.counters.groups),
    unrecoverable: ofIommus(({ unit }) => unit.faults.recorded + unit.faults.lost),
    responses: {
      success: ofDevices(({ engine }) => engine.counters.success),
      invalid: ofDevices(({ engine }) => engine.counters.invalid),
      failure: ofDevices(({ engine }) => engine.counters.failure),
    },
    overflows: ofIommus(({ unit }) => unit.pageRequests.overflowed),
    timeouts: ofIommus(({ faultQueue }) => faultQueue.timeouts),
    quotaRefusals: ofIommus(({ faultQueue }) => faultQueue.quotaRefusals),
  }
}

function latencySummary(histogram: Histogram): LatencySummary {
  const buckets = histogram
    .buckets()
    .map(({ from, to, count }) => ({ fromNanos: from, toNanos: to + 1, count }))
  return { count: histogram.count, ...histogram.summary(), buckets }
}
