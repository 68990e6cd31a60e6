// SPDX-License-Identifier: MIT
import { PAGE_BYTES } from '../../base/u64.ts'
import type { Scenario } from '../../scenario/document.ts'
import { formatBytes } from '../scenario/quantity.ts'
import { complaintAt, type LoadedScenario } from '../scenario/load.ts'

/**
 * The least resident set with which devices get on: source and destination of every transfer in flight, with what comes
 * along in its group and by fault-around. With less, each page evicts one that a device is about to use, for ever.
 */
export function leastResidentBytes({ machine, process }: Scenario, sourceBytes: number): number {
  const { faultAround } = process.handler
  const pagesAtOnce = machine.devices.map(
    (device) => device.transfersInFlight * (device.groupPages + faultAround),
  )
  const all = pagesAtOnce.reduce((sum, pages) => sum + pages, 0)
  return 2 * PAGE_BYTES * Math.min(all, Math.ceil(sourceBytes / PAGE_BYTES))
}

/** Throws CliError (input) where the scenario could never end. */
export function checkResidentLimit(loaded: LoadedScenario, sourceBytes: number): void {
  const { mode, residentLimit } = loaded.scenario.process.handler
  const least = leastResidentBytes(loaded.scenario, sourceBytes)
  if (mode === 'sva' || residentLimit === 'none' || residentLimit >= least) return
  const complain = complaintAt(loaded, ['process', 'handler', 'residentLimit'])
  const why = 'twice the pages of all transfers in flight, with their groups and faultAround'
  throw complain(formatBytes(residentLimit), `at least ${least} bytes (${formatBytes(least)}): ${why}`)
}
