// SPDX-License-Identifier: MIT
import { conformanceMachine } from '../ours/machine.ts'
import { runProgram } from '../ours/runner.ts'
import { answersOf } from './answers.ts'
import { type Difference, firstDifference } from './compare.ts'
import { type LoadedCase, readRecording } from './files.ts'

interface Common {
  readonly file: string
  readonly operations: number
}

export type Verdict =
  | (Common & { readonly kind: 'same' })
  | (Common & { readonly kind: 'unrecorded' })
  | (Common & { readonly kind: 'differs'; readonly difference: Difference })

/** Runs a case on a new machine of ours and compares with the kernel's answers. */
export function checkCase({ test, encoded, path }: LoadedCase): Verdict {
  const common = { file: test.file, operations: encoded.program.operations.length }
  const recording = readRecording(path)
  if (recording === undefined) return { ...common, kind: 'unrecorded' }
  const machine = conformanceMachine(Number(test.machine.hugePages ?? 0n))
  const result = runProgram(machine, encoded.program)
  const difference = firstDifference(encoded, recording.answers, answersOf(encoded, result))
  if (difference === undefined) return verdictOfLeft(common, result.left)
  const { ended } = result
  if (ended === undefined || ended.operation !== difference.operation) {
    return { ...common, kind: 'differs', difference }
  }
  return { ...common, kind: 'differs', difference: { ...difference, details: [ended.why] } }
}

/** A case that leaves something behind differs at its end. */
function verdictOfLeft(common: Common, left: readonly string[]): Verdict {
  if (left.length === 0) return { ...common, kind: 'same' }
  const difference = { operation: common.operations, line: 0, text: 'left behind', details: left }
  return { ...common, kind: 'differs', difference }
}
