// SPDX-License-Identifier: MIT
/** `iopf run` */
import { setTimeout as sleep } from 'node:timers/promises'
import { constants } from 'node:os'
import { CannotStart, type RunEnd, runProgram } from '../../host/bridge/run-program.ts'
import { HostLacks } from '../../host/sys/native.ts'
import type { MachineConfig } from '../../machine/config.ts'
import { CliError, EXIT_HOST } from '../exit.ts'
import type { Invocation } from '../options.ts'
import { dieBy, SignalForwarding } from './signals.ts'

const EXIT_NOT_FOUND = 127
const EXIT_NOT_EXECUTABLE = 126
const EXIT_SIGNAL = 128
/** A signal that ends this process does so at once. */
const DEATH_MILLIS = 1000

const DEFAULT_MACHINE: MachineConfig = {
  iommus: [{ name: 'iommu0', model: 'simple' }],
  devices: [
    { name: 'edu0', kind: 'edu', iommu: 'iommu0' },
    { name: 'dma0', kind: 'dma-engine', iommu: 'iommu0' },
  ],
}

/** What a kernel built for testing has. */
const MOCK_MACHINE: MachineConfig = { iommus: [{ name: 'mock0', model: 'mock' }], devices: [] }

export async function run(invocation: Invocation): Promise<number> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw lacks(`it needs Linux on x86-64, this is ${process.platform} on ${process.arch}`)
  let pid: number | undefined
  const signals = new SignalForwarding(() => pid)
  const end = await runProgram({
    words: invocation.arguments,
    machine: invocation.flag('mock') ? MOCK_MACHINE : DEFAULT_MACHINE,
    onStart: (started) => {
      pid = started
    },
  }).catch(explain)
  signals.end()
  return exitLike(end)
}

/** The same end as the program's. */
async function exitLike({ exitCode, signal }: RunEnd): Promise<number> {
  if (signal === null) return exitCode ?? 0
  dieBy(signal)
  await sleep(DEATH_MILLIS)
  return EXIT_SIGNAL + constants.signals[signal]
}

function explain(error: unknown): never {
  if (error instanceof HostLacks) throw lacks(error.message)
  if (error instanceof CannotStart) {
    const code = error.code === 'ENOENT' ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE
    throw new CliError(code, `the program cannot be started: ${error.message}`)
  }
  throw error
}

function lacks(why: string): CliError {
  return new CliError(EXIT_HOST, `this host cannot run programs under iopf: ${why}\nnext: iopf doctor`)
}
