// SPDX-License-Identifier: MIT
import type { Guest } from '../kernel/guest.ts'
import { BothSides, type Divergence } from './both-sides.ts'
import { type FuzzOptions, generateSteps } from './generate.ts'
import { shrink } from './shrink.ts'

export interface CampaignOptions extends FuzzOptions {
  readonly seed: number
  readonly operations: number
  /** Ends after so many different divergences. */
  readonly divergencesMax: number
  readonly startGuest: () => Guest
  readonly onProgress: (operations: number) => void
  readonly onDivergence: (divergence: Divergence, seed: number) => void
  readonly onWarning: (text: string, seeds: readonly [first: number, last: number]) => void
}

const BATCH = 64

/** Returns how many operations ran and how many programs diverged. */
export async function runCampaign(
  options: CampaignOptions,
): Promise<{ operations: number; diverged: number }> {
  const seen = new Set<string>()
  let guest = options.startGuest()
  let [operations, diverged, seed] = [0, 0, options.seed]
  try {
    while (operations < options.operations && seen.size < options.divergencesMax) {
      const seeds = Array.from({ length: BATCH }, (_, index) => seed + index)
      seed += BATCH
      const sides = new BothSides(guest, options.extended)
      const batch = await sides.run(seeds.map((one) => generateSteps(one, options)))
      operations += batch.operations
      let isDirty = hasWarned(guest, (text) => options.onWarning(text, [seed - BATCH, seed - 1]))
      for (const [index, divergence] of batch.divergences.entries()) {
        if (divergence === undefined) continue
        diverged++
        if (seen.has(divergence.signature) || seen.size >= options.divergencesMax) continue
        seen.add(divergence.signature)
        options.onDivergence(await shrink(sides, divergence), seeds[index] ?? 0)
        isDirty = true
      }
      options.onProgress(operations)
      if (!isDirty) continue
      await guest.close()
      guest = options.startGuest()
    }
  } finally {
    await guest.close()
  }
  return { operations, diverged }
}

/** Warnings that leave nothing behind: the mock's page table is asked to map without permissions. */
const HARMLESS = /iommu_pt\.h/

/** A kernel that has warned may be out of order: it is not asked again. */
function hasWarned(guest: Guest, tell: (text: string) => void): boolean {
  const lines = guest.kernelLog().split('\n')
  const warnings = lines.filter((line) => /WARNING:|BUG:|Oops/.test(line) && !HARMLESS.test(line))
  for (const warning of new Set(warnings)) tell(warning)
  return warnings.length > 0
}
