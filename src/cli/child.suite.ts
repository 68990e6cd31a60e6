// SPDX-License-Identifier: MIT
/** Runs the built command as a child process, as a user does. */
import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT: string = resolve(fileURLToPath(import.meta.url), '../../..')
export const MAIN: string = resolve(ROOT, 'dist/cli/main.js')

export interface Finished {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface ChildOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Called as soon as the child runs. */
  readonly onStart?: (child: ChildProcess) => void
}

/** Colours off unless the environment given says otherwise. */
export function iopf(words: readonly string[], options: ChildOptions = {}): Promise<Finished> {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '', FORCE_COLOR: '', ...options.env }
  const child = spawn(process.execPath, [MAIN, ...words], {
    cwd: options.cwd ?? ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  options.onStart?.(child)
  return new Promise((resolvePromise, reject) => {
    child.on('error', reject)
    child.on('close', (exitCode, signal) => resolvePromise({ exitCode, signal, stdout, stderr }))
  })
}
