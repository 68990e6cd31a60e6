// SPDX-License-Identifier: MIT
import type { EncodedCase } from '../format/encoded.ts'
import type { RecordedAnswer } from './answers.ts'

/** The first place where two runs of a case differ. */
export interface Difference {
  /** Index of the operation. */
  readonly operation: number
  /** Line in the case file; 0: not written there. */
  readonly line: number
  readonly text: string
  /** Each line names a field, or what was returned, with both sides. */
  readonly details: readonly string[]
}

export function firstDifference(
  { labels }: EncodedCase,
  kernel: readonly RecordedAnswer[],
  ours: readonly RecordedAnswer[],
): Difference | undefined {
  for (let operation = 0; operation < Math.max(kernel.length, ours.length); operation++) {
    const details = detailsOf(kernel[operation], ours[operation])
    if (details.length === 0) continue
    const label = labels[operation]
    return { operation, line: label?.line ?? 0, text: label?.text ?? '', details }
  }
  return undefined
}

function detailsOf(kernel: RecordedAnswer | undefined, ours: RecordedAnswer | undefined): string[] {
  if (kernel === undefined) return ['the kernel has no answer: record the case anew']
  if (ours === undefined) return ['we have no answer']
  if (kernel.operation !== ours.operation) return ['the case has changed: record it anew']
  const details: string[] = []
  if (kernel.returned !== ours.returned) {
    details.push(`returned: kernel ${kernel.returned}, ours ${ours.returned}`)
  }
  const [theirs = {}, own = {}] = [kernel.wrote, ours.wrote]
  for (const name of new Set([...Object.keys(theirs), ...Object.keys(own)])) {
    if (theirs[name] === own[name]) continue
    details.push(`${name}: kernel ${theirs[name] ?? 'left it'}, ours ${own[name] ?? 'left it'}`)
  }
  return details
}
