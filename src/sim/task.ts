// SPDX-License-Identifier: MIT
import type { Waits } from './waits.ts'

/** An asynchronous function that runs between steps. */
export class Task<T> {
  readonly name: string
  /** Finished, in whichever way. */
  settled = false
  readonly #waits: Waits
  readonly #promise: Promise<T>
  #joiners = 0
  #joined: boolean

  /** Through `scheduler.spawn`. `joined`: its failure is somebody's already. */
  constructor(waits: Waits, name: string, body: () => Promise<T>, joined: boolean) {
    this.name = name
    this.#waits = waits
    this.#joined = joined
    waits.tasks.add(this)
    this.#promise = this.#start(body)
    this.#promise.catch(() => undefined)
  }

  /** The outcome, for code outside all tasks. */
  get outcome(): Promise<T> {
    return this.#promise
  }

  /** Parks the calling task until this one has finished; its failure becomes the caller's. */
  join(): Promise<T> {
    this.#joined = true
    if (!this.settled) {
      this.#joiners++
      this.#waits.begin(this)
    }
    return this.#promise
  }

  async #start(body: () => Promise<T>): Promise<T> {
    try {
      return await body()
    } catch (error) {
      if (!this.#joined) this.#waits.failure ??= { error }
      throw error
    } finally {
      this.settled = true
      this.#waits.tasks.delete(this)
      this.#waits.end(this, this.#joiners)
      this.#joiners = 0
    }
  }
}
