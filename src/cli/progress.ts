// SPDX-License-Identifier: MIT
/** How far a run is, on standard error: one line that changes on a terminal, a line every 10 s elsewhere. */
import { formatBytes } from './scenario/quantity.ts'

export interface ProgressStream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

export interface ProgressOptions {
  readonly stream: ProgressStream
  readonly label: string
  readonly totalBytes: number
  /** Milliseconds, never back. */
  readonly now: () => number
}

const TERMINAL_MILLIS = 100
const LOG_MILLIS = 10_000

export class Progress {
  readonly #options: ProgressOptions
  readonly #started: number
  #shownAt: number
  #isShown = false

  constructor(options: ProgressOptions) {
    this.#options = options
    this.#started = options.now()
    this.#shownAt = this.#started
  }

  update(bytesDone: number): void {
    const { stream, now } = this.#options
    const at = now()
    const isTerminal = stream.isTTY === true
    if (at - this.#shownAt < (isTerminal ? TERMINAL_MILLIS : LOG_MILLIS)) return
    this.#shownAt = at
    const line = this.#line(bytesDone, (at - this.#started) / 1000)
    if (isTerminal) stream.write(`\r\u001b[K${line.slice(0, Math.max(20, (stream.columns ?? 80) - 1))}`)
    else stream.write(`${line}\n`)
    this.#isShown = isTerminal
  }

  /** Takes the terminal's line away. */
  end(): void {
    if (this.#isShown) this.#options.stream.write('\r\u001b[K')
    this.#isShown = false
  }

  #line(bytesDone: number, seconds: number): string {
    const { label, totalBytes } = this.#options
    const percent = totalBytes === 0 ? 100 : Math.floor((100 * bytesDone) / totalBytes)
    const rate = seconds > 0 ? bytesDone / seconds : 0
    const eta = rate > 0 ? formatSeconds((totalBytes - bytesDone) / rate) : '--:--'
    const done = `${formatBytes(bytesDone)} of ${formatBytes(totalBytes)}`
    return `${label}: ${done}, ${percent} %, ${formatBytes(rate)}/s, ETA ${eta}`
  }
}

/** `02:05`, `1:02:05` */
export function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds)
  const minutes = `${twoDigits(Math.floor(whole / 60) % 60)}:${twoDigits(whole % 60)}`
  return whole < 3600 ? minutes : `${Math.floor(whole / 3600)}:${minutes}`
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}
