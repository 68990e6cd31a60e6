// SPDX-License-Identifier: MIT
/**
 * Worker whose own thread is put behind the filter: what it starts inherits it, no other thread has it. From the
 * installation on it must not open files or use the thread pool, whose threads would be behind the filter too.
 */
import { spawn } from 'node:child_process'
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../base/assert.ts'
import { HostLacks } from '../sys/native.ts'
import { RLIMIT_NOFILE } from '../sys/numbers.ts'
import { System } from '../sys/system.ts'
import { buildFilter } from './filter.ts'
import { FILTER_FLAGS } from './notifications.ts'
import { NO_LISTENER } from './hand-over.ts'
import type { ReservedRange } from './reserved-range.ts'

/** The launcher: a thread behind the filter, which starts the program. */
export interface LauncherData {
  readonly words: readonly string[]
  readonly reserved: ReservedRange
  /** Soft limit of open files that the program gets. */
  readonly openFilesMax: number
  /** Descriptors above 2 that the program gets. */
  readonly inherited: readonly number[]
  /** Where the server waits for the descriptor that it is to serve. */
  readonly handOver: Int32Array
}

/** To the launcher, in this order. */
export type LauncherOrder = 'install' | 'start'

export type LauncherReport =
  | { readonly kind: 'ready' }
  /** The filter is there. */
  | { readonly kind: 'listening'; readonly fd: number }
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'ended'; readonly exitCode: number | null; readonly signal: NodeJS.Signals | null }
  | { readonly kind: 'not found'; readonly code: string; readonly message: string }
  | { readonly kind: 'lacks'; readonly message: string }

function main(data: LauncherData): void {
  const system = new System()
  // A handler of Node's writes to a pipe and holds a lock meanwhile: here that would wait for the server.
  system.blockSignals()
  const filter = buildFilter(data.reserved)
  parentPort?.on('message', (order: LauncherOrder) => {
    if (order === 'install') install(system, filter, data.handOver)
    else start(system, data)
  })
  report({ kind: 'ready' })
}

/** Even to report is a call that waits for the server from now on: it learns of the listener through shared memory. */
function install(system: System, filter: Uint8Array, handOver: Int32Array): void {
  const fd = system.installFilter(filter, FILTER_FLAGS)
  Atomics.store(handOver, 0, fd < 0 ? NO_LISTENER : fd)
  Atomics.notify(handOver, 0)
  report(fd < 0 ? { kind: 'lacks', message: explain(-fd) } : { kind: 'listening', fd })
}

const EBUSY = 16
const EPERM = 1

function explain(errno: number): string {
  if (errno === EBUSY)
    return 'seccomp user notifications are taken: iopf runs in a sandbox that uses them itself; next: run it outside'
  if (errno === EPERM) return 'this sandbox forbids seccomp(2); next: allow it, or run outside'
  return `seccomp(2) refused the filter (errno ${errno}); next: use Linux 5.19 or later with CONFIG_SECCOMP_FILTER`
}

/** Limits belong to the whole process: ours is put back at once. */
function start(system: System, { words, openFilesMax, inherited }: LauncherData): void {
  const [program = '', ...rest] = words
  const own = system.softLimit(0, RLIMIT_NOFILE) ?? openFilesMax
  for (const fd of inherited) system.keepOnExec(fd)
  if (openFilesMax < own) system.setSoftLimit(RLIMIT_NOFILE, openFilesMax)
  const child = spawn(program, rest, { stdio: [0, 1, 2] })
  if (openFilesMax < own) system.setSoftLimit(RLIMIT_NOFILE, own)
  child.on('error', (error: NodeJS.ErrnoException) => {
    report({ kind: 'not found', code: error.code ?? '', message: error.message })
  })
  child.on('exit', (exitCode, signal) => report({ kind: 'ended', exitCode, signal }))
  if (child.pid !== undefined) report({ kind: 'started', pid: child.pid })
}

function report(message: LauncherReport): void {
  parentPort?.postMessage(message, [])
}

assert(parentPort !== null, 'this file is a worker')
try {
  const data: LauncherData = workerData
  main(data)
} catch (error) {
  if (!(error instanceof HostLacks)) throw error
  report({ kind: 'lacks', message: error.message })
}
