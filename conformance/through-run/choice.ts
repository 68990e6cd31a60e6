// SPDX-License-Identifier: MIT
import { hugePagesFree } from '../selftest/huge-pages.ts'
import type { LoadedCase } from '../record/files.ts'

/** Why a case cannot be run on a host's own processes and memory; `undefined`: it can. */
function whyNot({ test, encoded }: LoadedCase, hugePages: number): string | undefined {
  if (test.kernel !== 'plain') return 'for the extended kernel'
  if (encoded.program.operations.some(({ failNth }) => failNth > 0)) return 'with failing allocations'
  if (Number(test.machine.hugePages ?? 0n) > hugePages) return 'with more huge pages than are free'
  return undefined
}

/** The cases that a program under `iopf run` can carry out, and how many others there are. */
export function forRun(cases: readonly LoadedCase[]): [chosen: LoadedCase[], left: string] {
  const hugePages = hugePagesFree()
  const reasons = cases.map((loaded) => whyNot(loaded, hugePages))
  const counts = new Map<string, number>()
  for (const reason of reasons) if (reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const left = [...counts].map(([reason, count]) => `conformance: ${count} cases ${reason} are left out\n`)
  return [cases.filter((_, index) => reasons[index] === undefined), left.join('')]
}
