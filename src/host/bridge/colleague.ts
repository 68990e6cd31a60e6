// SPDX-License-Identifier: MIT
import { Worker } from 'node:worker_threads'
import { assert } from '../../base/assert.ts'
import { HostLacks } from '../sys/native.ts'

interface Report {
  readonly kind: string
}

/** A worker that is asked for one report after the other. */
export class Colleague<R extends Report> {
  readonly #worker: Worker
  readonly #reports: R[] = []
  #waiting: { resolve: (report: R) => void; reject: (error: unknown) => void } | undefined = undefined
  #failure: { error: unknown } | undefined = undefined

  /** `file`: beside this one. */
  constructor(file: string, data: unknown) {
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData: data, trackUnmanagedFds: false })
    this.#worker.on('message', (report: R) => this.#take(report))
    this.#worker.on('error', (error) => this.#fail(error))
  }

  tell(order: unknown): void {
    this.#worker.postMessage(order, [])
  }

  /** The next report. Throws what ended the worker; HostLacks when it says so. */
  async next(): Promise<R> {
    if (this.#failure !== undefined) throw this.#failure.error
    const report =
      this.#reports.shift() ??
      (await new Promise<R>((resolve, reject) => {
        this.#waiting = { resolve, reject }
      }))
    if (report.kind === 'lacks') throw new HostLacks(String(Reflect.get(report, 'message')))
    return report
  }

  /** The next report, which must be of that kind. */
  async report<K extends R['kind']>(kind: K): Promise<Extract<R, { readonly kind: K }>> {
    const report = await this.next()
    assert(isOf(report, kind), `a worker reports ${report.kind}, not ${kind}`)
    return report
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }

  #take(report: R): void {
    if (this.#waiting === undefined) this.#reports.push(report)
    else this.#waiting.resolve(report)
    this.#waiting = undefined
  }

  #fail(error: unknown): void {
    this.#failure = { error }
    this.#waiting?.reject(error)
    this.#waiting = undefined
  }
}

function isOf<R extends Report, K extends R['kind']>(
  report: R,
  kind: K,
): report is Extract<R, { readonly kind: K }> {
  return report.kind === kind
}
