// SPDX-License-Identifier: MIT
/** Cases by way of an unmodified program: the replayer under `iopf run`. */
import { GuestError, type Replayer } from '../kernel/replayer.ts'
import type { ProgramResult } from '../program/program.ts'
import { answersOf } from '../record/answers.ts'
import type { Verdict } from '../record/check-case.ts'
import { firstDifference } from '../record/compare.ts'
import { type LoadedCase, readRecording } from '../record/files.ts'
import { withoutNumbers } from './numbers.ts'
import { startSession } from './session.ts'

/** In one run, one after the other, as on the real kernel. A run that ends is followed by another. Throws `HostError`. */
export async function checkThroughRun(root: string, cases: readonly LoadedCase[]): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  let session: Replayer | undefined
  for (const loaded of cases) {
    session ??= startSession(root)
    try {
      const [result] = await session.run([loaded.encoded.program])
      verdicts.push(verdictOf(loaded, result))
    } catch (error) {
      if (!(error instanceof GuestError)) throw error
      verdicts.push(ended(loaded, error.message))
      session = undefined
    }
  }
  await session?.close()
  return verdicts
}

function ended({ test, encoded }: LoadedCase, why: string): Verdict {
  const { length: operations } = encoded.program.operations
  const difference = { operation: 0, line: 0, text: 'the run ended', details: [why.trim()] }
  return { file: test.file, operations, kind: 'differs', difference }
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
  const { ended: early } = result
  const details = early?.operation === difference.operation ? [early.why] : difference.details
  return { ...common, kind: 'differs', difference: { ...difference, details } }
}
