// SPDX-License-Identifier: MIT
/** `iopf run` */
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { inheritedDescriptors } from '../../host/bridge/host-state.ts'
import { CannotStart, type RunEnd, runProgram } from '../../host/bridge/run-program.ts'
import type { RunPlan } from '../../host/bridge/run-plan.ts'
import { HostLacks } from '../../host/sys/native.ts'
import { CliError, EXIT_HOST, EXIT_USAGE, EXIT_VIOLATION } from '../exit.ts'
import { OutputFile } from '../files/output-file.ts'
import type { Invocation } from '../options.ts'
import { noteSeed } from '../reproduce.ts'
import { parseSeed } from '../seed.ts'
import { writeError } from '../terminal.ts'
import { machineFor } from './machine.ts'
import { dieBy, SignalForwarding } from './signals.ts'

const EXIT_NOT_FOUND = 127
const EXIT_NOT_EXECUTABLE = 126
const EXIT_SIGNAL = 128
/** A signal that ends this process does so at once. */
const DEATH_MILLIS = 1000

export async function run(invocation: Invocation): Promise<number> {
  const inherited = inheritedDescriptors()
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw lacks(`it needs Linux on x86-64, this is ${process.platform} on ${process.arch}`)
  const perturb = perturbationOf(invocation)
  const machine = await machineFor(invocation)
  const tracePath = invocation.text('trace')
  const trace = tracePath === undefined ? undefined : new OutputFile(tracePath, invocation.flag('force'))
  const isSummarized = invocation.flag('summary')
  const plan: RunPlan = {
    machine,
    perturb,
    summarize: isSummarized,
    watch: isSummarized || invocation.flag('strict'),
    traceFd: trace?.fd,
  }
  const end = await runIn(plan, invocation.arguments, inherited).catch((error: unknown) => {
    trace?.abort()
    throw explained(error)
  })
  trace?.commit()
  return report(invocation, end)
}

function perturbationOf(invocation: Invocation): RunPlan['perturb'] {
  const seed = parseSeed(invocation.text('seed'))
  if (!invocation.flag('perturb')) {
    if (seed === undefined) return undefined
    throw new CliError(EXIT_USAGE, '--seed: nothing is drawn\nnext: add --perturb')
  }
  noteSeed(seed ?? 1)
  return { seed: seed ?? 1 }
}

async function runIn(plan: RunPlan, words: readonly string[], inherited: readonly number[]): Promise<RunEnd> {
  let pid: number | undefined
  const signals = new SignalForwarding(() => pid)
  try {
    const onStart = (started: number): void => {
      pid = started
    }
    return await runProgram({ words, plan, inherited, onStart })
  } finally {
    signals.end()
  }
}

/** Tells what was asked for, and ends as the program did; `--strict`: 1 when it only seemed to be well. */
async function report(invocation: Invocation, { exitCode, signal, summary }: RunEnd): Promise<number> {
  if (invocation.flag('summary') || summary.broken > 0) {
    const { runReport } = await import('./report.ts')
    const { painter } = await import('../terminal.ts')
    writeError(runReport(summary, invocation.flag('summary'), await painter(invocation)))
  }
  if (signal === null)
    return exitCode === 0 && summary.broken > 0 && invocation.flag('strict')
      ? EXIT_VIOLATION
      : (exitCode ?? 0)
  dieBy(signal)
  await sleep(DEATH_MILLIS)
  return EXIT_SIGNAL + constants.signals[signal]
}

function explained(error: unknown): unknown {
  if (error instanceof HostLacks) return lacks(error.message)
  if (!(error instanceof CannotStart)) return error
  const code = error.code === 'ENOENT' ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE
  return new CliError(code, `the program cannot be started: ${error.message}`)
}

function lacks(why: string): CliError {
  return new CliError(EXIT_HOST, `this host cannot run programs under iopf: ${why}\nnext: iopf doctor`)
}
