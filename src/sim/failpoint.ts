// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { SWEEP_RUNS_MAX } from '../base/limits.ts'
import type { Decisions } from './decisions.ts'

/**
 * Places where an operation may fail (an allocation, a copy to the user): `if (failpoints.hit('alloc_group')) throw
 * ENOMEM`. One per world. Off by default; then a hit costs one field test and is not counted.
 */
export class Failpoints {
  enabled = false
  /** Hits since the last mode was set. */
  hits = 0
  /** Hits that failed since the last mode was set. */
  failures = 0
  /** Name of the point that failed last. */
  lastFailed: string | undefined = undefined
  /** Called for each failure, before `hit` returns. */
  onFailure: ((name: string) => void) | undefined = undefined
  #decisions: Decisions | undefined = undefined
  #target = 0
  #targetName: string | undefined = undefined
  #targetHits = 0
  readonly #counts = new Map<string, number>()

  /** Whether the operation at `name` (kernel-style snake_case) fails this time. */
  hit(name: string): boolean {
    return this.enabled && this.#count(name)
  }

  /** Hits of one point since the last mode was set. */
  countOf(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  /** Names of the points hit since the last mode was set, in order of the first hit. */
  names(): string[] {
    return [...this.#counts.keys()]
  }

  /** Nothing fails and nothing is counted; the counts stay readable. */
  off(): void {
    this.enabled = false
  }

  /** Counts, fails nothing. */
  countOnly(): void {
    this.#start(undefined, 0, undefined)
  }

  /** Every hit asks. */
  decide(decisions: Decisions): void {
    this.#start(decisions, 0, undefined)
  }

  /** The n-th hit from now fails (n from 1): of any point, or of the named one. */
  failNth(n: number, name?: string): void {
    assert(Number.isSafeInteger(n) && n >= 1, `hit to fail must be 1 or more, not ${n}`)
    this.#start(undefined, n, name)
  }

  #start(decisions: Decisions | undefined, target: number, targetName: string | undefined): void {
    this.#decisions = decisions
    this.#target = target
    this.#targetName = targetName
    this.#targetHits = 0
    this.hits = 0
    this.failures = 0
    this.lastFailed = undefined
    this.#counts.clear()
    this.enabled = true
  }

  #count(name: string): boolean {
    this.hits++
    this.#counts.set(name, this.countOf(name) + 1)
    if (!this.#fails(name)) return false
    this.failures++
    this.lastFailed = name
    this.onFailure?.(name)
    return true
  }

  #fails(name: string): boolean {
    if (this.#decisions !== undefined) return this.#decisions.fails(name)
    if (this.#targetName !== undefined && this.#targetName !== name) return false
    return ++this.#targetHits === this.#target
  }
}

/**
 * Runs `run` with the first hit failing, then the second, and so on until a run in which nothing failed. `run` builds
 * its world with the failpoints it is given and checks that nothing was left behind. Returns how many hits failed.
 * What `run` throws comes back as the cause of an error that names the failing hit.
 */
export async function sweepFailures(run: (failpoints: Failpoints) => void | Promise<void>): Promise<number> {
  for (let n = 1; n <= SWEEP_RUNS_MAX; n++) {
    const failpoints = new Failpoints()
    failpoints.failNth(n)
    try {
      await run(failpoints)
    } catch (cause) {
      const point = failpoints.lastFailed ?? 'none'
      throw new Error(`run ${n} of the sweep failed (failing point: ${point})`, { cause })
    }
    if (failpoints.failures === 0) return n - 1
  }
  throw new Error(`the sweep did not end within ${SWEEP_RUNS_MAX} runs`)
}
