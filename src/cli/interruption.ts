// SPDX-License-Identifier: MIT
/** SIGINT: the first stops the run at its next checkpoint, the second ends the process at once. SIGTERM ends at once. */
import { EXIT_SIGINT } from './exit.ts'
import { removeUnfinishedFiles } from './files/output-file.ts'
import { writeError } from './terminal.ts'

const EXIT_SIGTERM = 143
/** Longest time between two looks at signals. */
const YIELD_MILLIS = 20

export class Interruption {
  #isAsked = false
  #yieldedAt: number = performance.now()
  readonly #onInterrupt = (): void => {
    if (this.#isAsked) endAtOnce(EXIT_SIGINT)
    this.#isAsked = true
    writeError('\niopf: stopping; a second interrupt ends at once\n')
  }
  readonly #onTerminate = (): void => endAtOnce(EXIT_SIGTERM)

  constructor() {
    process.on('SIGINT', this.#onInterrupt)
    process.on('SIGTERM', this.#onTerminate)
  }

  /** Lets signals in now and then. False: stop. */
  async mayGoOn(): Promise<boolean> {
    const now = performance.now()
    if (now - this.#yieldedAt >= YIELD_MILLIS) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      this.#yieldedAt = performance.now()
    }
    return !this.#isAsked
  }

  end(): void {
    process.off('SIGINT', this.#onInterrupt)
    process.off('SIGTERM', this.#onTerminate)
  }
}

function endAtOnce(exitCode: number): never {
  removeUnfinishedFiles()
  process.exit(exitCode)
}
