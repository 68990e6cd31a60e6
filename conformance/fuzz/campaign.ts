// SPDX-License-Identifier: MIT
import type { Guest } from '../kernel/guest.ts'
import { GuestError } from '../kernel/replayer.ts'
import { BothSides, type Divergence, type SidesResult } from './both-sides.ts'
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
  readonly onWarning: (warning: string, seed: number) => void
}

export interface CampaignTotals {
  operations: number
  /** Programs that diverge on a kernel just booted. */
  diverged: number
  /** Programs that diverged only on a kernel that earlier programs had used up: locked memory that it never gave back. */
  usedUp: number
  /** Programs that left a device behind in the kernel: the rest of that boot says nothing. */
  skipped: number
}

const BATCH = 64

export function runCampaign(options: CampaignOptions): Promise<CampaignTotals> {
  return new Campaign(options).run()
}

class Campaign {
  readonly #options: CampaignOptions
  readonly #totals: CampaignTotals = { operations: 0, diverged: 0, usedUp: 0, skipped: 0 }
  readonly #seen = new Set<string>()
  #guest: Guest
  #sides: BothSides

  constructor(options: CampaignOptions) {
    this.#options = options
    this.#guest = options.startGuest()
    this.#sides = new BothSides(this.#guest, options.extended)
  }

  async run(): Promise<CampaignTotals> {
    const { operations, divergencesMax, onProgress } = this.#options
    try {
      let { seed } = this.#options
      while (this.#totals.operations < operations && this.#seen.size < divergencesMax) {
        await this.#runBatch(Array.from({ length: BATCH }, (_, index) => seed + index))
        seed += BATCH
        onProgress(this.#totals.operations)
      }
    } finally {
      await this.#guest.close()
    }
    return this.#totals
  }

  /** A kernel that has warned may be out of order: the batch is run again, one program at a time. */
  async #runBatch(seeds: readonly number[]): Promise<void> {
    const batch = await this.#tryRun(seeds)
    if (batch !== undefined) return this.#count(seeds, batch)
    await this.#restart()
    for (const seed of seeds) await this.#runSingle(seed)
  }

  async #runSingle(seed: number): Promise<void> {
    const single = await this.#tryRun([seed])
    if (single !== undefined) return this.#count([seed], single)
    const warnings = warningsOf(this.#guest)
    if (warnings.length === 0 || warnings.some((warning) => LEFT_BEHIND.test(warning))) this.#totals.skipped++
    else for (const warning of new Set(warnings)) this.#options.onWarning(warning, seed)
    await this.#restart()
  }

  /** `undefined`: the kernel warned or died. */
  async #tryRun(seeds: readonly number[]): Promise<SidesResult | undefined> {
    try {
      const result = await this.#sides.run(seeds.map((seed) => generateSteps(seed, this.#options)))
      return warningsOf(this.#guest).length === 0 ? result : undefined
    } catch (error) {
      if (error instanceof GuestError) return undefined
      throw error
    }
  }

  async #count(seeds: readonly number[], { operations, divergences }: SidesResult): Promise<void> {
    this.#totals.operations += operations
    for (const [index, found] of divergences.entries()) await this.#diverged(found, seeds[index] ?? 0)
  }

  /** What a fresh kernel does not show is not a difference of the program's. */
  async #diverged(found: Divergence | undefined, seed: number): Promise<void> {
    if (found === undefined) return
    await this.#restart()
    const divergence = (await this.#tryRun([seed]))?.divergences[0]
    if (divergence === undefined) {
      this.#totals.usedUp++
      return
    }
    this.#totals.diverged++
    const { divergencesMax, onDivergence } = this.#options
    if (this.#seen.has(divergence.signature) || this.#seen.size >= divergencesMax) return
    this.#seen.add(divergence.signature)
    onDivergence(await shrink(this.#sides, divergence), seed)
    if (warningsOf(this.#guest).length > 0) await this.#restart()
  }

  async #restart(): Promise<void> {
    await this.#guest.close()
    this.#guest = this.#options.startGuest()
    this.#sides = new BothSides(this.#guest, this.#options.extended)
  }
}

/** A mock device went with PASIDs attached: the selftest driver does not take that. */
const LEFT_BEHIND = /iommufd_device_unbind|__iommu_group_free_device|iommufd_fops_release/

/** They leave nothing behind: a map without permissions into the mock's page table, a flush of a device without a queue. */
const HARMLESS = /iommu_pt\.h|iopf_queue_flush_dev/

function warningsOf(guest: Guest): string[] {
  const lines = guest.log().split('\n')
  return lines.filter((line) => /WARNING:|BUG:|Oops/.test(line) && !HARMLESS.test(line))
}
