// SPDX-License-Identifier: MIT
/** Runs an unmodified program against a machine: two workers, the one starts it, the other serves it. */
import { closeSync, writeSync } from 'node:fs'
import { Colleague } from './colleague.ts'
import { createHandOver } from './hand-over.ts'
import { originalOpenFilesMax } from './host-state.ts'
import type { LauncherData, LauncherOrder, LauncherReport } from './launcher-worker.ts'
import type { RunPlan, RunSummary } from './run-plan.ts'
import type { ServerData, ServerOrder, ServerReport } from './server-worker.ts'
import { reservedRange } from './reserved-range.ts'

export interface RunRequest {
  /** The program and its arguments. */
  readonly words: readonly string[]
  readonly plan: RunPlan
  /** Descriptors above 2 that the program gets. */
  readonly inherited: readonly number[]
  /** The program runs. */
  readonly onStart?: (pid: number) => void
}

/** How the program ended. */
export interface RunEnd {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly summary: RunSummary
}

/** The program could not be started. */
export class CannotStart extends Error {
  override readonly name = 'CannotStart'
  /** Node's code, for instance ENOENT. */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/**
 * Ends when the program and everything that it started have ended. Throws HostLacks: this host cannot do it; CannotStart.
 */
export async function runProgram(request: RunRequest): Promise<RunEnd> {
  const run = new Run(request)
  try {
    return await run.run()
  } catch (error) {
    await run.abandon()
    throw error
  }
}

class Run {
  readonly #request: RunRequest
  readonly #data: LauncherData
  readonly #server: Colleague<ServerReport>
  readonly #launcher: Colleague<LauncherReport>
  #stop = -1
  #listener = -1
  #pid: number | undefined = undefined

  constructor(request: RunRequest) {
    this.#request = request
    const openFilesMax = originalOpenFilesMax()
    this.#data = {
      words: request.words,
      reserved: reservedRange(openFilesMax),
      openFilesMax,
      inherited: request.inherited,
      handOver: createHandOver(),
    }
    const server: ServerData = { plan: request.plan }
    this.#server = new Colleague('./server-worker.js', server)
    this.#launcher = new Colleague('./launcher-worker.js', this.#data)
  }

  async run(): Promise<RunEnd> {
    const [{ stop }] = await Promise.all([this.#server.report('ready'), this.#launcher.report('ready')])
    this.#stop = stop
    const { handOver, reserved } = this.#data
    const order: ServerOrder = { handOver, reserved }
    this.#server.tell(order)
    this.#order('install')
    this.#listener = (await this.#launcher.report('listening')).fd
    this.#order('start')
    const ended = this.#server.report('ended')
    const end = await Promise.race([this.#programEnd(), neverResolves(ended)])
    await this.#launcher.end()
    const { summary } = await ended
    this.#stop = this.#listener = -1
    if (end instanceof CannotStart) throw end
    return { ...end, summary }
  }

  /** Whatever runs is ended: it could go on neither with us nor without. */
  async abandon(): Promise<void> {
    if (this.#pid !== undefined) kill(this.#pid)
    if (this.#stop >= 0) writeSync(this.#stop, Uint8Array.from([1, 0, 0, 0, 0, 0, 0, 0]))
    if (this.#listener >= 0) tryClose(this.#listener)
    await Promise.all([this.#launcher.end(), this.#server.end()])
  }

  #order(order: LauncherOrder): void {
    this.#launcher.tell(order)
  }

  async #programEnd(): Promise<Omit<RunEnd, 'summary'> | CannotStart> {
    const first = await this.#launcher.next()
    if (first.kind === 'not found') return new CannotStart(first.code, first.message)
    if (first.kind === 'started') {
      this.#pid = first.pid
      this.#request.onStart?.(first.pid)
    }
    const { exitCode, signal } = await this.#launcher.report('ended')
    this.#pid = undefined
    return { exitCode, signal }
  }
}

/** Only the failure of a promise. */
async function neverResolves(promise: Promise<unknown>): Promise<never> {
  await promise
  return new Promise(() => {})
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

function tryClose(fd: number): void {
  try {
    closeSync(fd)
  } catch {
    // The server has closed it.
  }
}
