// SPDX-License-Identifier: MIT
/** Worker that owns the machine and serves the programs' calls. */
import { closeSync, writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../base/assert.ts'
import { createMachine, type Machine } from '../../machine/machine.ts'
import { exportNdjson } from '../../trace/export-ndjson.ts'
import { HostLacks } from '../sys/native.ts'
import { System } from '../sys/system.ts'
import { inlineMore } from '../v8-flags.ts'
import { Bridge } from './bridge.ts'
import { waitForListener } from './hand-over.ts'
import { createLiveClock } from './live-clock.ts'
import { perturbation } from './perturbation.ts'
import type { ReservedRange } from './reserved-range.ts'
import { type RunPlan, type RunSummary, summaryOf } from './run-plan.ts'
import { ProtocolWatch } from './watch/protocol-watch.ts'

/** The server: a thread that owns the machine. */
export interface ServerData {
  readonly plan: RunPlan
}

export interface ServerOrder {
  /** Where the listener's descriptor will stand. */
  readonly handOver: Int32Array
  readonly reserved: ReservedRange
}

export type ServerReport =
  /** `stop`: descriptor that ends the serving when it becomes readable. */
  | { readonly kind: 'ready'; readonly stop: number }
  | { readonly kind: 'ended'; readonly summary: RunSummary }
  | { readonly kind: 'lacks'; readonly message: string }

function main({ plan }: ServerData): void {
  const system = new System()
  // An ADDFD that answers and is interrupted has answered 0.
  system.blockSignals()
  const stop = system.createEventFd()
  const { perturb } = plan
  const clock = createLiveClock()
  const { wake, ...options } = perturb === undefined ? {} : perturbation(perturb, clock)
  const recorded = plan.summarize || plan.traceFd !== undefined
  const machine = createMachine({ ...plan.machine, ...options, clock, trace: recorded })
  const { trace } = machine.world
  const watch = plan.watch ? new ProtocolWatch(trace, recorded) : undefined
  parentPort?.once('message', ({ handOver, reserved }: ServerOrder) => {
    const listener = waitForListener(handOver)
    if (listener === undefined) return
    const bridge = new Bridge({ system, machine, listener, reserved, watch, ...(wake && { wake }) })
    bridge.serve(stop)
    bridge.close()
    closeSync(stop)
    writeTrace(machine, plan)
    report({ kind: 'ended', summary: summaryOf(bridge, plan, watch) })
  })
  report({ kind: 'ready', stop })
}

function writeTrace({ world }: Machine, { traceFd, perturb }: RunPlan): void {
  if (traceFd === undefined) return
  for (const piece of exportNdjson(world.trace, perturb === undefined ? {} : { seed: perturb.seed })) {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
    for (let done = 0; done < bytes.length; ) done += writeSync(traceFd, bytes, done)
  }
}

function report(message: ServerReport): void {
  parentPort?.postMessage(message, [])
}

assert(parentPort !== null, 'this file is a worker')
try {
  inlineMore()
  const data: ServerData = workerData
  main(data)
} catch (error) {
  if (!(error instanceof HostLacks)) throw error
  report({ kind: 'lacks', message: error.message })
}
