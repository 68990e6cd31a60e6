// SPDX-License-Identifier: MIT
/** Programs on both sides, and where they part. */
import { setImmediate } from 'node:timers/promises'
import { encodeCase } from '../format/encode.ts'
import type { EncodedCase } from '../format/encoded.ts'
import type { Guest } from '../kernel/guest.ts'
import { conformanceMachine } from '../ours/machine.ts'
import { type OurResult, runProgram } from '../ours/runner.ts'
import type { Machine } from '../../src/machine/machine.ts'
import type { Answer, ProgramResult } from '../program/program.ts'
import { answersOf } from '../record/answers.ts'
import { type Difference, firstDifference } from '../record/compare.ts'
import { caseOfSteps, FUZZ_HUGE_PAGES } from './generate.ts'
import type { Step } from './state.ts'

export interface Divergence {
  readonly steps: readonly Step[]
  readonly difference: Difference
  /** The same for divergences that look the same. */
  readonly signature: string
}

export interface SidesResult {
  readonly divergences: readonly (Divergence | undefined)[]
  readonly operations: number
}

/** Our side keeps its machine as long as programs leave it as they found it. */
export class BothSides {
  readonly #guest: Guest
  readonly #extended: boolean
  #machine: Machine | undefined
  #used = 0

  constructor(guest: Guest, extended: boolean) {
    this.#guest = guest
    this.#extended = extended
  }

  /** For each program its divergence, if there is one; and how many operations ran. */
  async run(programs: readonly (readonly Step[])[]): Promise<SidesResult> {
    const encoded = programs.map((steps) => encodeCase(caseOfSteps('random', steps, this.#extended)))
    const theirs = this.#guest.run(encoded.map(({ program }) => program))
    theirs.catch(() => {})
    const ours: OurResult[] = []
    for (const { program } of encoded) {
      ours.push(this.#runOurs(() => runProgram(this.#freshMachine(), program)))
      if (ours.length % 4 === 0) await setImmediate()
    }
    const kernel = await theirs
    const divergences = encoded.map((one, index) => compare(programs[index], one, kernel[index], ours[index]))
    const operations = encoded.reduce((sum, { program }) => sum + program.operations.length, 0)
    return { divergences, operations }
  }

  #runOurs(run: () => OurResult): OurResult {
    const result = run()
    if (result.ended !== undefined || result.left.length > 0) this.#machine = undefined
    return result
  }

  #freshMachine(): Machine {
    if (this.#used++ % 500 === 0) this.#machine = undefined
    this.#machine ??= conformanceMachine(FUZZ_HUGE_PAGES)
    return this.#machine
  }
}

function compare(
  steps: readonly Step[] = [],
  encoded: EncodedCase,
  kernel: ProgramResult | undefined,
  ours: OurResult | undefined,
): Divergence | undefined {
  if (kernel === undefined || ours === undefined) return undefined
  if (same(kernel, ours)) return ours.left.length === 0 ? undefined : divergenceOfLeft(steps, ours.left)
  const found = firstDifference(encoded, answersOf(encoded, kernel), answersOf(encoded, ours))
  if (found === undefined) return undefined
  const { ended } = ours
  const crashed = ended !== undefined && ended.operation === found.operation
  const details = crashed ? [ended.why] : found.details
  const theirEnd = kernel.ended?.operation === found.operation ? [`the kernel: ${kernel.ended.why}`] : []
  const difference = { ...found, details: [...theirEnd, ...details] }
  return { steps, difference, signature: signatureOf(difference) }
}

function divergenceOfLeft(steps: readonly Step[], left: readonly string[]): Divergence {
  const difference = { operation: steps.length, line: 0, text: 'left behind', details: left }
  return { steps, difference, signature: signatureOf(difference) }
}

function same(kernel: ProgramResult, ours: ProgramResult): boolean {
  if (kernel.ended !== undefined || ours.ended !== undefined) return false
  return kernel.answers.every((answer, index) => sameAnswer(answer, ours.answers[index]))
}

function sameAnswer(a: Answer, b: Answer | undefined): boolean {
  if (b === undefined || a.returned !== b.returned) return false
  return a.changed.every((runs, buffer) => {
    const others = b.changed[buffer] ?? []
    if (runs.length !== others.length) return false
    return runs.every(({ offset, bytes }, index) => {
      const other = others[index]
      return other?.offset === offset && Buffer.compare(bytes, other.bytes) === 0
    })
  })
}

/** Without names and numbers. */
function signatureOf({ text, details }: Difference): string {
  const plain = [text.replace(/^\w+ = /, ''), details[0] ?? ''].join(': ')
  return (
    plain
      .split('\n')[0]
      ?.replaceAll(/0x[0-9a-f]+|\b\d+\b/g, 'N')
      .replace(/^\w+ exit/, 'exit') ?? ''
  )
}
