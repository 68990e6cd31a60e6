// SPDX-License-Identifier: MIT
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { printCase } from '../format/print.ts'
import type { Divergence } from '../fuzz/both-sides.ts'
import { runCampaign } from '../fuzz/campaign.ts'
import { FUZZ_HUGE_PAGES } from '../fuzz/generate.ts'
import { isProfile, PROFILE_NAMES, type ProfileName } from '../fuzz/profiles.ts'
import { type KernelKind, startGuest } from '../kernel/reference.ts'
import { type Command, command, parsedArgs, UsageError } from './command.ts'

const HELP = `Usage: npm run conformance:fuzz -- [options]

Random programs on our side and on the real kernel. A divergence is made small and printed as a case.

  --seed S          first seed (default 1)
  --operations N    stop after so many operations (default 100000)
  --profile P       ${PROFILE_NAMES.join(', ')}, or all (default)
  --kernel K        plain (default) or ext
  --steps N         steps a program (default 60)
  --divergences N   stop after so many different divergences (default 1)
  --keep FOLDER     write each divergence there as a case
  --quiet           no progress
  --help            this text
`

const OPTIONS = {
  seed: { type: 'string', default: '1' },
  operations: { type: 'string', default: '100000' },
  profile: { type: 'string', default: 'all' },
  kernel: { type: 'string', default: 'plain' },
  steps: { type: 'string', default: '60' },
  divergences: { type: 'string', default: '1' },
  keep: { type: 'string' },
  quiet: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

interface Plan {
  readonly seed: number
  readonly operations: number
  readonly profiles: readonly ProfileName[]
  readonly kernel: KernelKind
  readonly steps: number
  readonly divergences: number
  readonly keep: string | undefined
  readonly quiet: boolean
}

/** `npm run conformance:fuzz`. */
export const run: Command = command(async (root, args) => {
  const { values } = parsedArgs(args, OPTIONS)
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const profiles =
    values.profile === 'all' ? PROFILE_NAMES.filter(isProfile) : [values.profile].filter(isProfile)
  if (profiles.length === 0) throw new UsageError(`--profile: ${PROFILE_NAMES.join(', ')} or all`)
  if (values.kernel !== 'plain' && values.kernel !== 'ext') throw new UsageError('--kernel: plain or ext')
  return fuzz(root, {
    seed: numberOf('seed', values.seed),
    operations: numberOf('operations', values.operations),
    profiles,
    kernel: values.kernel,
    steps: numberOf('steps', values.steps),
    divergences: numberOf('divergences', values.divergences),
    keep: values.keep,
    quiet: values.quiet,
  })
})

function numberOf(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0)
    throw new UsageError(`--${name}: a whole number, not ${text}`)
  return number
}

async function fuzz(root: string, plan: Plan): Promise<number> {
  process.stdout.write(`conformance: seed ${plan.seed}\n`)
  const totals = { operations: 0, diverged: 0, usedUp: 0, skipped: 0, warnings: 0 }
  for (const profile of plan.profiles) {
    const share = Math.ceil(plan.operations / plan.profiles.length)
    const done = await runCampaign({
      seed: plan.seed,
      operations: share,
      divergencesMax: plan.divergences,
      profile,
      extended: plan.kernel === 'ext',
      steps: plan.steps,
      startGuest: () => startGuest(root, plan.kernel, FUZZ_HUGE_PAGES),
      onProgress: progressOf(plan, profile, share),
      onDivergence: (divergence, seed) => tell(plan, profile, divergence, seed),
      onWarning: (warning, seed) => {
        totals.warnings++
        process.stdout.write(`the kernel warns, ${profile}, seed ${seed}: ${warning}\n`)
      },
    })
    totals.operations += done.operations
    totals.diverged += done.diverged
    totals.usedUp += done.usedUp
    totals.skipped += done.skipped
  }
  const { operations, diverged, usedUp, skipped, warnings } = totals
  const replay = `--seed ${plan.seed} --operations ${plan.operations} --kernel ${plan.kernel}`
  const warned = warnings === 0 ? '' : `, ${warnings} kernel warnings`
  const left = skipped === 0 ? '' : `, ${skipped} skipped`
  const stale = usedUp === 0 ? '' : `, ${usedUp} only on a kernel already used up`
  process.stdout.write(
    `conformance: ${operations} operations, ${diverged} programs diverge${warned}${stale}${left} (${replay})\n`,
  )
  return diverged === 0 ? 0 : 1
}

/** A line every 10 seconds. */
function progressOf(plan: Plan, profile: string, share: number): (operations: number) => void {
  const start = performance.now()
  let told = start
  return (operations) => {
    const now = performance.now()
    if (plan.quiet || now - told < 10_000) return
    told = now
    const rate = Math.round(operations / ((now - start) / 1000))
    process.stderr.write(`${profile}: ${operations} of ${share} operations, ${rate} a second\n`)
  }
}

function tell(plan: Plan, profile: string, { steps, difference, signature }: Divergence, seed: number): void {
  const text = printCase(signature, plan.kernel, steps.flat())
  const details = difference.details.map((detail) => `#   ${detail.replaceAll('\n', '\n#   ')}`)
  process.stdout.write(`\n# ${profile}, seed ${seed}: ${difference.text}\n${details.join('\n')}\n${text}\n`)
  if (plan.keep !== undefined) writeFileSync(join(plan.keep, `${profile}-${seed}.yaml`), text)
}
