// SPDX-License-Identifier: MIT
/** Signals while a program runs: ours are the program's. */
import { readFileSync } from 'node:fs'

const FORWARDED: readonly NodeJS.Signals[] = [
  'SIGTERM',
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGWINCH',
]
/** The terminal sends these to its whole foreground group, the program included. */
const FROM_TERMINAL: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT']

const HARMLESS: ReadonlySet<NodeJS.Signals> = new Set<NodeJS.Signals>(['SIGCONT', 'SIGWINCH'])

/** Passes signals on to the program until `end`. */
export class SignalForwarding {
  readonly #handlers: [signal: NodeJS.Signals, handler: () => void][] = []

  constructor(pidOf: () => number | undefined) {
    for (const signal of FORWARDED) this.#on(signal, () => send(pidOf(), signal))
    for (const signal of FROM_TERMINAL) {
      this.#on(signal, () => {
        if (!isInForeground(readStat())) send(pidOf(), signal)
      })
    }
  }

  end(): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler)
  }

  #on(signal: NodeJS.Signals, handler: () => void): void {
    process.on(signal, handler)
    this.#handlers.push([signal, handler])
  }
}

/** As long as there is no program the signal is for us. */
function send(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) {
    if (!HARMLESS.has(signal)) dieBy(signal)
    return
  }
  try {
    process.kill(pid, signal)
  } catch {
    // It has just ended.
  }
}

function readStat(): string {
  try {
    return readFileSync('/proc/self/stat', 'utf8')
  } catch {
    return ''
  }
}

/** From /proc/self/stat: the process group is the terminal's foreground group. */
export function isInForeground(stat: string): boolean {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [group, foreground] = [fields[2], fields[5]]
  return foreground !== undefined && foreground === group
}

/** Ends this process by the signal that ended the program, so that whoever waits sees the same. */
export function dieBy(signal: NodeJS.Signals): void {
  // Node ignores it; a listener that goes leaves the default behind.
  if (signal === 'SIGPIPE') process.on(signal, () => {})
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}
