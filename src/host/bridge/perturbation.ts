// SPDX-License-Identifier: MIT
import type { MachineConfig, MachineLatencies } from '../../machine/config.ts'
import type { Clock } from '../../sim/clock.ts'
import { seededDecisions } from '../../sim/decisions.ts'
import type { Wake } from './stand-ins.ts'

export interface Perturbation {
  /** 32 bits, unsigned. */
  readonly seed: number
}

/** Real nanoseconds between which the delays of each hop are drawn: a tenth, and ten times. */
const LATENCIES: MachineLatencies = {
  ats: 1_000,
  pageRequest: 50_000,
  interrupt: 10_000,
  workQueue: 20_000,
  wakeUp: 100_000,
  response: 50_000,
  dma: 1_000,
}
const SPREAD = { from: 0.1, to: 10 }

/** Delays of faults, answers and wake-ups, drawn from the seed, and the order of what is due at one instant. */
export function perturbation(
  { seed }: Perturbation,
  clock: Clock,
): Pick<MachineConfig, 'decisions' | 'latencies'> & { readonly wake: Wake } {
  const decisions = seededDecisions(seed, { latencySpread: SPREAD })
  const wake: Wake = (arrived) =>
    clock.createAlarm('wake', arrived).arm(decisions.latency('wake', LATENCIES.wakeUp))
  return { decisions, latencies: LATENCIES, wake }
}
