// SPDX-License-Identifier: MIT
/** `iopf simulate`: loads a scenario, runs it between the user's files, reports. */
import type { RunResult, ScenarioIo } from '../../scenario/result.ts'
import { isErrno } from '../../base/errno.ts'
import { IommufdError } from '../../iommufd/error.ts'
import { CliError, EXIT_INPUT, EXIT_OK, EXIT_SIGINT, EXIT_THRESHOLD } from '../exit.ts'
import { digestOf } from '../files/digest.ts'
import type { Invocation } from '../options.ts'
import { Progress } from '../progress.ts'
import { jsonReport, type Report, seedLine, textReport } from '../report.ts'
import { noteSeed, reproducer } from '../reproduce.ts'
import { type LoadedScenario, loadScenario } from '../scenario/load.ts'
import { parseSeed } from '../seed.ts'
import { painter, writeOut } from '../terminal.ts'
import { checkExpectations, type Digests } from './expectations.ts'
import { Interruption } from '../interruption.ts'
import { RunFiles } from './run-files.ts'

export async function run(invocation: Invocation): Promise<number> {
  const loaded = load(invocation)
  const { name, seed } = loaded.scenario
  noteSeed(seed)
  const files = new RunFiles(loaded, { tracePath: invocation.text('trace'), force: invocation.flag('force') })
  const interruption = new Interruption()
  try {
    if (!invocation.flag('json')) await writeOut(seedLine(name, seed))
    const report = await simulate(invocation, loaded, files, interruption)
    process.exitCode = report.run.stopped ? EXIT_SIGINT : report.ok ? EXIT_OK : EXIT_THRESHOLD
    const text = invocation.flag('json') ? jsonReport(report) : textReport(report, await painter(invocation))
    await writeOut(text)
    return process.exitCode
  } finally {
    interruption.end()
    files.end()
  }
}

function load(invocation: Invocation): LoadedScenario {
  const seed = parseSeed(invocation.text('seed'))
  const loaded = loadScenario(invocation.arguments[0]!, invocation.list('set'))
  return seed === undefined ? loaded : { ...loaded, scenario: { ...loaded.scenario, seed } }
}

async function simulate(
  invocation: Invocation,
  { scenario }: LoadedScenario,
  files: RunFiles,
  interruption: Interruption,
): Promise<Report> {
  const { runScenario } = await import('../../scenario/run.ts')
  const started = performance.now()
  const progress = invocation.flag('quiet') ? undefined : progressOf(scenario.name, files)
  const io = ioOf(files, interruption, progress)
  const result = await runScenario(scenario, io)
    .catch((error: unknown) => {
      throw explainRunFailure(error)
    })
    .finally(() => progress?.end())
  const digests = result.stopped ? NO_DIGESTS : await digestsOf(files, interruption)
  const wallMillis = Math.round(performance.now() - started)
  await saveTrace(files, result, scenario.seed)
  const run = digests === undefined ? { ...result, stopped: true } : result
  if (run.stopped) files.commitStopped()
  else files.commit()
  const expectations = checkExpectations(scenario.expect, run, digests ?? NO_DIGESTS)
  return {
    scenario: scenario.name,
    seed: scenario.seed,
    sourceBytes: files.source.lengthBytes,
    run,
    digests: digests ?? NO_DIGESTS,
    expectations: run.stopped ? [] : expectations,
    ok: !run.stopped && expectations.every((expectation) => expectation.ok),
    wallMillis,
    reproduce: reproducer(),
  }
}

const NO_DIGESTS: Digests = { source: undefined, destination: undefined }

function progressOf(label: string, files: RunFiles): Progress {
  const totalBytes = files.source.lengthBytes
  return new Progress({ stream: process.stderr, label, totalBytes, now: () => performance.now() })
}

function ioOf(files: RunFiles, interruption: Interruption, progress: Progress | undefined): ScenarioIo {
  return {
    source: files.source,
    destination: files.destination,
    isTraced: files.trace !== undefined,
    checkpoint: (bytesDone) => {
      progress?.update(bytesDone)
      return interruption.mayGoOn()
    },
  }
}

/** Undefined: interrupted meanwhile. */
async function digestsOf(files: RunFiles, interruption: Interruption): Promise<Digests | undefined> {
  const pause = (): Promise<boolean> => interruption.mayGoOn()
  const source = await digestOf(files.source, pause)
  const destination = source === undefined ? undefined : await digestOf(files.destination, pause)
  return destination === undefined ? undefined : { source, destination }
}

async function saveTrace(files: RunFiles, { trace }: RunResult, seed: number): Promise<void> {
  if (files.trace === undefined || trace === undefined) return
  const { exportNdjson } = await import('../../trace/export-ndjson.ts')
  for (const piece of exportNdjson(trace, { seed })) files.trace.write(piece)
}

const SCARCITY = new Set<string>(['ENOMEM', 'ENOSPC', 'EFAULT'])

/** The machine could not do what the scenario says; everything else is not expected. */
function explainRunFailure(error: unknown): unknown {
  const isTyped = error instanceof IommufdError
  if (!isTyped && !isErrno(error)) return error
  const what = isTyped ? error.message : error.code
  const advice = 'next: give machine.memory more, or process.handler.residentLimit less\n'
  const next = SCARCITY.has(error.code) ? advice : ''
  return new CliError(EXIT_INPUT, `the scenario cannot be carried out: ${what}\n${next}${reproducer()}`)
}
