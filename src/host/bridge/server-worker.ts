// SPDX-License-Identifier: MIT
/** Worker that owns the machine and serves the programs' calls. */
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../base/assert.ts'
import type { MachineConfig } from '../../machine/config.ts'
import { createMachine } from '../../machine/machine.ts'
import { HostLacks } from '../sys/native.ts'
import { System } from '../sys/system.ts'
import { inlineMore } from '../v8-flags.ts'
import { Bridge, type BridgeCounts } from './bridge.ts'
import { createLiveClock } from './live-clock.ts'
import type { ReservedRange } from './reserved-range.ts'

/** The server: a thread that owns the machine. */
export interface ServerData {
  readonly machine: MachineConfig
}

export interface ServerOrder {
  readonly listener: number
  readonly reserved: ReservedRange
}

export interface ServerSummary {
  readonly counts: BridgeCounts
  /** Pages of programs that are still pinned. */
  readonly pinnedPages: number
}

export type ServerReport =
  /** `stop`: descriptor that ends the serving when it becomes readable. */
  | { readonly kind: 'ready'; readonly stop: number }
  | { readonly kind: 'serving' }
  | { readonly kind: 'ended'; readonly summary: ServerSummary }
  | { readonly kind: 'lacks'; readonly message: string }

function main(data: ServerData): void {
  const system = new System()
  const stop = system.createEventFd()
  const machine = createMachine({ ...data.machine, clock: createLiveClock() })
  const serve = ({ listener, reserved }: ServerOrder): void => {
    const bridge = new Bridge({ system, machine, listener, reserved })
    report({ kind: 'serving' })
    bridge.serve(stop)
    report({ kind: 'ended', summary: { counts: bridge.counts, pinnedPages: bridge.pages.size } })
    bridge.close()
  }
  parentPort?.once('message', serve)
  report({ kind: 'ready', stop })
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
