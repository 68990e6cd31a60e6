// SPDX-License-Identifier: MIT
import type { HugePages } from './huge-pages.ts'
import type { SelftestRecording } from './recording.ts'
import type { TestVerdict } from './tap.ts'

/** `missing`: the program ended before the test. */
export type OurVerdict = TestVerdict | 'missing'

export interface Row {
  readonly name: string
  /** `undefined`: it depends on how many huge pages there are. */
  readonly kernel: TestVerdict | undefined
  readonly ours: OurVerdict
  readonly differs: boolean
}

/** A row for each test of the recording, and for each that it does not know. */
export function compareVerdicts(
  { tests, withoutHugePages }: SelftestRecording,
  ours: ReadonlyMap<string, TestVerdict>,
  hugePages: HugePages,
): Row[] {
  const names = new Set([...Object.keys(tests), ...ours.keys()])
  return [...names].map((name) => {
    const own = ours.get(name) ?? 'missing'
    const other = hugePages === 'enough' ? undefined : withoutHugePages[name]
    const isOpen = other !== undefined && hugePages === 'some'
    const kernel = isOpen ? undefined : (other ?? tests[name])
    return { name, kernel, ours: own, differs: !isOpen && own !== kernel }
  })
}

export interface Totals {
  readonly pass: number
  readonly skip: number
  readonly fail: number
  readonly missing: number
  readonly differ: number
}

export function totalsOf(rows: readonly Row[]): Totals {
  const count = (verdict: OurVerdict): number => rows.filter(({ ours }) => ours === verdict).length
  return {
    pass: count('pass'),
    skip: count('skip'),
    fail: count('fail'),
    missing: count('missing'),
    differ: rows.filter(({ differs }) => differs).length,
  }
}
