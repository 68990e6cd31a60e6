// SPDX-License-Identifier: MIT
/** Starts and questions the process that runs our side of a line. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const WORKER = fileURLToPath(new URL('./worker.mjs', import.meta.url))

export class Ours {
  #child

  constructor(module, params) {
    this.#child = fork(WORKER, [JSON.stringify({ module, params })], { execArgv: ['--expose-gc'] })
  }

  async #answer() {
    const stopped = new AbortController()
    const exit = once(this.#child, 'exit', { signal: stopped.signal }).then(([code, signal]) => {
      throw new Error(`our side ended early (${signal ?? `exit ${code}`})`)
    })
    try {
      const [message] = await Promise.race([once(this.#child, 'message', { signal: stopped.signal }), exit])
      if (message.error !== undefined) throw new Error(message.error)
      return message
    } finally {
      exit.catch(() => {})
      stopped.abort()
    }
  }

  async ready() {
    await this.#answer()
  }

  /** CPU nanoseconds an operation, over all threads of the process. */
  async time(operations) {
    const answer = this.#answer()
    this.#child.send({ operations, count: false })
    return (await answer).nanos
  }

  /** Scavenges while the operations ran, and by how many bytes the heap grew. */
  async scavenges(operations) {
    const answer = this.#answer()
    this.#child.send({ operations, count: true })
    return answer
  }

  stop() {
    if (this.#child.connected) this.#child.disconnect()
  }
}
