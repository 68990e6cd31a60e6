// SPDX-License-Identifier: MIT
import { isErrno } from '../base/errno.ts'
import { functionSource, bytesSource } from '../handlers/page-source.ts'
import { IommufdError } from '../iommufd/error.ts'
import type { Scenario } from '../scenario/document.ts'
import { type RunOptions, runScenario } from '../scenario/run.ts'
import type { Failpoints } from '../sim/failpoint.ts'
import { randomScenario } from './random-scenario.ts'
import { Watch } from './watch.ts'

export interface CaseResult {
  readonly seed: number
  /** Empty: everything held. */
  readonly violations: readonly string[]
  readonly pageRequests: number
}

export interface CampaignResult {
  readonly cases: number
  readonly pageRequests: number
  readonly failures: readonly CaseResult[]
}

/** Byte `index` of what scenarios copy: no page is like another. */
export function patternByte(index: number): number {
  return (index * 31 + (index >>> 8) * 7 + (index >>> 16) * 13 + 1) & 0xff
}

/** The random scenario of the seed, watched. */
export async function runCase(seed: number): Promise<CaseResult> {
  return await watchScenario(randomScenario(seed))
}

/** Runs a scenario and checks everything that must hold, whatever happens in it. */
export async function watchScenario(scenario: Scenario, failpoints?: Failpoints): Promise<CaseResult> {
  const length = scenario.workload.source.kind === 'file' ? 0 : scenario.workload.source.lengthBytes
  const destination = new Uint8Array(length)
  let watch: Watch | undefined
  const options: RunOptions = {
    ...(failpoints === undefined ? {} : { failpoints }),
    onMachine: (machine) => (watch = new Watch(machine, scenario.policy.privateData)),
    onQueue: (queue) => watch?.watchQueue(queue),
  }
  const io = {
    source: functionSource(length, fillPattern(length)),
    destination: bytesSource(destination),
    isTraced: false,
    checkpoint: (): Promise<boolean> => Promise.resolve(true),
  }
  let pageRequests = 0
  const violations: string[] = []
  try {
    const result = await runScenario(scenario, io, options)
    pageRequests = result.faults.pageRequests
    if (result.transfers.failed === 0) checkBytes(destination, violations)
  } catch (thrown) {
    if (!isErrno(thrown) && !(thrown instanceof IommufdError)) {
      violations.push(thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown))
    }
  }
  watch?.finish()
  return { seed: scenario.seed, violations: [...violations, ...(watch?.violations ?? [])], pageRequests }
}

/** Seeds `first` … `first + count - 1`, in order. `onCase` may stop the campaign with `false`. */
export async function runCampaign(
  first: number,
  count: number,
  onCase?: (result: CaseResult) => boolean | Promise<boolean>,
): Promise<CampaignResult> {
  const failures: CaseResult[] = []
  let cases = 0
  let pageRequests = 0
  for (let seed = first; seed < first + count; seed++) {
    const result = await runCase(seed)
    cases++
    pageRequests += result.pageRequests
    if (result.violations.length > 0) failures.push(result)
    if (onCase !== undefined && !(await onCase(result))) break
  }
  return { cases, pageRequests, failures }
}

function fillPattern(length: number): (page: number, into: Uint8Array, at: number) => void {
  return (page, into, at) => {
    for (let offset = 0; offset < 4096; offset++) {
      const index = page * 4096 + offset
      into[at + offset] = index < length ? patternByte(index) : 0
    }
  }
}

function checkBytes(destination: Uint8Array, violations: string[]): void {
  const wrong = destination.findIndex((byte, index) => byte !== patternByte(index))
  if (wrong >= 0) violations.push(`all transfers succeeded, but byte ${wrong} is ${destination[wrong]}`)
}
