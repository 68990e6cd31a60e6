// SPDX-License-Identifier: MIT
/** `iopf explore`: many small random scenarios, watched; every violation with the line that replays it. */
import { type CampaignResult, type CaseResult, runCampaign } from '../../explore/campaign.ts'
import { CliError, EXIT_OK, EXIT_SIGINT, EXIT_USAGE, EXIT_VIOLATION } from '../exit.ts'
import { Interruption } from '../interruption.ts'
import type { Invocation } from '../options.ts'
import { parseSeed, SEED_MAX } from '../seed.ts'
import { painter, writeError, writeOut } from '../terminal.ts'
import { formatSeconds } from '../progress.ts'

const COUNT_DEFAULT = 1_000
const PROGRESS_MILLIS = 10_000

export async function run(invocation: Invocation): Promise<number> {
  const first = parseSeed(invocation.text('seed')) ?? 1
  const count = parseCount(invocation.text('count'), first)
  const isJson = invocation.flag('json')
  if (!isJson) await writeOut(`seeds ${first} to ${first + count - 1}\n`)
  const interruption = new Interruption()
  const watcher = new CaseWatcher(count, invocation.flag('quiet'), interruption)
  const result = await runCampaign(first, count, (one) => watcher.after(one)).finally(() =>
    interruption.end(),
  )
  const isWhole = result.cases === count
  const failed = result.failures.length > 0
  process.exitCode = failed ? EXIT_VIOLATION : isWhole ? EXIT_OK : EXIT_SIGINT
  await writeOut(
    isJson ? campaignJson(first, count, result) : campaignText(result, isWhole, await painter(invocation)),
  )
  return process.exitCode
}

function parseCount(text: string | undefined, first: number): number {
  if (text === undefined) return Math.min(COUNT_DEFAULT, SEED_MAX - first + 1)
  const count = /^[1-9]\d{0,9}$/.test(text) ? Number(text) : Number.NaN
  if (first + count - 1 <= SEED_MAX) return count
  throw new CliError(
    EXIT_USAGE,
    `--count: got ${JSON.stringify(text)}, expected 1 to ${SEED_MAX - first + 1}`,
  )
}

/** Progress, and an ear for signals. */
class CaseWatcher {
  readonly #count: number
  readonly #isQuiet: boolean
  readonly #interruption: Interruption
  readonly #started: number = performance.now()
  #shownAt: number = this.#started
  #done = 0

  constructor(count: number, isQuiet: boolean, interruption: Interruption) {
    this.#count = count
    this.#isQuiet = isQuiet
    this.#interruption = interruption
  }

  after(_result: CaseResult): Promise<boolean> {
    this.#done++
    const now = performance.now()
    if (!this.#isQuiet && now - this.#shownAt >= PROGRESS_MILLIS) {
      this.#shownAt = now
      const rate = this.#done / ((now - this.#started) / 1000)
      const eta = formatSeconds((this.#count - this.#done) / rate)
      writeError(`explore: ${this.#done} of ${this.#count} seeds, ${rate.toFixed(0)} a second, ETA ${eta}\n`)
    }
    return this.#interruption.mayGoOn()
  }
}

function replay(seed: number): string {
  return `iopf explore --seed ${seed} --count 1`
}

function campaignJson(
  first: number,
  count: number,
  { cases, pageRequests, failures }: CampaignResult,
): string {
  const document = {
    schemaVersion: 1,
    ok: failures.length === 0 && cases === count,
    seed: first,
    count,
    cases,
    pageRequests,
    failures: failures.map(({ seed, violations }) => ({ seed, violations, replay: replay(seed) })),
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

function campaignText(
  { cases, pageRequests, failures }: CampaignResult,
  isWhole: boolean,
  paint: Awaited<ReturnType<typeof painter>>,
): string {
  const lines = failures.flatMap(({ seed, violations }) => [
    `${paint('red', 'violated')}  seed ${seed}`,
    ...violations.map((violation) => `  ${violation}`),
    `  replay: ${replay(seed)}`,
  ])
  const verdict = failures.length === 0 ? 'every rule held' : `${failures.length} seeds violated a rule`
  const partial = isWhole ? '' : ', stopped before the end'
  return `${[...lines, `${cases} scenarios, ${pageRequests} page requests: ${verdict}${partial}`].join('\n')}\n`
}
