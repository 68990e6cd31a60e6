// SPDX-License-Identifier: MIT
/** Cases by way of an unmodified program: the replayer under `iopf run`. */
import type { ProgramResult } from '../program/program.ts'
import { answersOf } from '../record/answers.ts'
import type { Verdict } from '../record/check-case.ts'
import { firstDifference } from '../record/compare.ts'
import { type LoadedCase, readRecording } from '../record/files.ts'
import { withoutNumbers } from './numbers.ts'
import { startSession } from './session.ts'

/** In one run, one after the other, as on the real kernel. Throws `HostError`, `GuestError`. */
export async function checkThroughRun(root: string, cases: readonly LoadedCase[]): Promise<Verdict[]> {
  const session = startSession(root)
  try {
    const results = await session.run(cases.map(({ encoded }) => encoded.program))
    return cases.map((loaded, index) => verdictOf(loaded, results[index]))
  } finally {
    await session.close()
  }
}

function verdictOf({ test, encoded, path }: LoadedCase, result: ProgramResult | undefined): Verdict {
  const common = { file: test.file, operations: encoded.program.operations.length }
  const recording = readRecording(path)
  if (recording === undefined || result === undefined) return { ...common, kind: 'unrecorded' }
  const difference = firstDifference(
    encoded,
    withoutNumbers(encoded, recording.answers),
    withoutNumbers(encoded, answersOf(encoded, result)),
  )
  if (difference === undefined) return { ...common, kind: 'same' }
  const { ended } = result
  const details = ended?.operation === difference.operation ? [ended.why] : difference.details
  return { ...common, kind: 'differs', difference: { ...difference, details } }
}
