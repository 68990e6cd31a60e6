// SPDX-License-Identifier: MIT
/** Every failure point of a program fails once, one after the other: the right errno, and nothing is left behind. */
import type { Machine } from '../../src/machine/machine.ts'
import type { Failpoints } from '../../src/sim/failpoint.ts'
import { conformanceMachine } from './machine.ts'
import { type OurResult, runProgram } from './runner.ts'
import { OPERATION, type Program } from '../program/program.ts'

const ENOMEM = -12n
const EFAULT = -14n

export interface SweepProblem {
  /** Which hit failed, from 1, and at which point. */
  readonly hit: number
  readonly point: string
  readonly operation: number
  readonly what: string
}

export interface SweepResult {
  readonly hits: number
  readonly runs: number
  readonly problems: readonly SweepProblem[]
}

export interface SweepLimits {
  readonly runs: number
  /** About so long, by the time of a run without failures. */
  readonly millis: number
}

/** As many of the hits as the limits allow are made to fail, spread evenly. Ends at the first that goes wrong. */
export function sweepProgram(program: Program, hugePages: number, limits: SweepLimits): SweepResult {
  const sweep = new Sweep(program, hugePages)
  sweep.countHits()
  const start = performance.now()
  const hits = sweep.countHits()
  const affordable = Math.max(1, limits.millis / (performance.now() - start))
  const step = Math.max(1, hits / Math.min(limits.runs, affordable))
  let runs = 0
  for (let next = 1; next <= hits; next += step, runs++) {
    const problem = sweep.fail(Math.floor(next))
    if (problem !== undefined) return { hits, runs: runs + 1, problems: [problem] }
  }
  return { hits, runs, problems: [] }
}

class Sweep {
  readonly #program: Program
  readonly #machine: Machine
  #plain: OurResult | undefined
  #operation = 0
  #failed: number | undefined

  constructor(program: Program, hugePages: number) {
    this.#program = program
    this.#machine = conformanceMachine(hugePages)
    this.#failpoints.onFailure = () => (this.#failed = this.#operation)
  }

  /** Failure points that a run without failures comes by. */
  countHits(): number {
    this.#failpoints.countOnly()
    this.#plain = this.#run()
    return this.#plain.ended === undefined ? this.#failpoints.hits : 0
  }

  /** Lets one hit fail, from 1. */
  fail(hit: number): SweepProblem | undefined {
    this.#failed = undefined
    this.#failpoints.failNth(hit)
    const result = this.#run()
    const found = this.#problemOf(result)
    return found === undefined ? undefined : { hit, point: this.#failpoints.lastFailed ?? 'none', ...found }
  }

  get #failpoints(): Failpoints {
    return this.#machine.world.failpoints
  }

  /** Only system calls fail, not what the process does itself. */
  #run(): OurResult {
    const failpoints = this.#failpoints
    failpoints.off()
    return runProgram(this.#machine, this.#program, {
      before: (operation) => {
        this.#operation = operation
        failpoints.enabled = true
      },
      after: () => failpoints.off(),
    })
  }

  /** The call must say that memory or a copy failed, or have done without. */
  #problemOf({ ended, left, answers }: OurResult): Omit<SweepProblem, 'hit' | 'point'> | undefined {
    if (ended !== undefined) return { operation: ended.operation, what: ended.why }
    if (left.length > 0) return { operation: answers.length, what: `left behind: ${left.join(', ')}` }
    const operation = this.#failed
    if (operation === undefined) return undefined
    const returned = answers[operation]?.returned ?? 0n
    const usual = this.#plain?.answers[operation]?.returned ?? 0n
    if (returned === ENOMEM || returned === EFAULT || returned === usual) return undefined
    if (isShort(this.#program, operation, returned, usual)) return undefined
    return { operation, what: `returned ${returned} instead of ${usual}` }
  }
}

/** Reads and writes tell what was done before the failure. */
function isShort(program: Program, operation: number, returned: bigint, usual: bigint): boolean {
  const code = program.operations[operation]?.code
  return (code === OPERATION.read || code === OPERATION.write) && returned >= 0n && returned < usual
}
