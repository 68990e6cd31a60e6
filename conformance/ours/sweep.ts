// SPDX-License-Identifier: MIT
/** Every failure point of a program fails once, one after the other: the right errno, and nothing is left behind. */
import { conformanceMachine } from './machine.ts'
import { type CallHooks, type OurResult, runProgram } from './runner.ts'
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

/** At most `runsMax` of the hits are made to fail, spread evenly. */
export function sweepProgram(program: Program, hugePages: number, runsMax: number): SweepResult {
  const machine = conformanceMachine(hugePages)
  const { failpoints } = machine.world
  const hooks: CallHooks = {
    before: () => (failpoints.enabled = true),
    after: () => (failpoints.enabled = false),
  }
  failpoints.countOnly()
  failpoints.off()
  const plain = runProgram(machine, program, hooks)
  const { hits } = failpoints
  const step = Math.max(1, hits / runsMax)
  const problems: SweepProblem[] = []
  let runs = 0
  for (let next = 1; next <= hits && plain.ended === undefined; next += step, runs++) {
    const hit = Math.floor(next)
    failpoints.failNth(hit)
    failpoints.off()
    const result = runProgram(machine, program, hooks)
    const point = failpoints.lastFailed ?? 'none'
    problems.push(...problemsOf(program, plain, result).map((problem) => ({ hit, point, ...problem })))
    if (problems.length > 0) break
  }
  return { hits, runs, problems }
}

type Found = Omit<SweepProblem, 'hit' | 'point'>

function problemsOf(program: Program, plain: OurResult, result: OurResult): Found[] {
  const { ended, left } = result
  if (ended !== undefined) return [{ operation: ended.operation, what: ended.why }]
  if (left.length > 0) return [{ operation: result.answers.length, what: `left behind: ${left.join(', ')}` }]
  const wrong = firstChange(program, plain, result)
  return wrong === undefined ? [] : [wrong]
}

/** The first operation that returned something else must say that memory or a copy failed. */
function firstChange(program: Program, plain: OurResult, result: OurResult): Found | undefined {
  for (const [operation, { returned }] of result.answers.entries()) {
    const usual = plain.answers[operation]?.returned ?? 0n
    if (returned === usual) continue
    if (returned === ENOMEM || returned === EFAULT || isShort(program, operation, returned, usual))
      return undefined
    return { operation, what: `returned ${returned} instead of ${usual}` }
  }
  return undefined
}

/** Reads and writes tell what was done before the failure; polls tell that nothing came. */
function isShort(program: Program, operation: number, returned: bigint, usual: bigint): boolean {
  const code = program.operations[operation]?.code
  if (code === OPERATION.poll) return true
  return (code === OPERATION.read || code === OPERATION.write) && returned >= 0n && returned < usual
}
