// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { IommufdError } from '../iommufd/error.ts'
import type { FaultGroupView } from '../iommufd/iommufd.ts'
import type { World } from '../trace/world.ts'
import { type FaultLoopOptions, type LoopCounts, NO_LOOP_COSTS } from './fault-loop.ts'
import { WELL_BEHAVED } from './misbehaviour.ts'
import { isTransient, persist } from './transient.ts'

/** Reads that may fail for a transient reason before the loop gives up. */
const READ_FAILURES_MAX = 10_000

/**
 * The same handler written with `for await`: batches of whole groups, up to `inFlightMax` of them worked on at a time,
 * each answered after the time its work took. Returns when the queue's descriptor is closed.
 */
export class AsyncFaultLoop {
  readonly counts: LoopCounts
  readonly #world: World
  readonly #options: FaultLoopOptions

  constructor(world: World, options: FaultLoopOptions) {
    assert(options.inFlightMax >= 1, 'a fault loop works on at least one group at a time')
    this.counts = { groups: 0, success: 0, invalid: 0, refused: 0 }
    this.#world = world
    this.#options = options
  }

  async run(): Promise<LoopCounts> {
    for (let failures = 0; ; failures++) {
      try {
        await this.#serve()
        return this.counts
      } catch (thrown) {
        if (failures === READ_FAILURES_MAX || !isTransient(thrown)) throw thrown
      }
    }
  }

  async #serve(): Promise<void> {
    const { queue, inFlightMax } = this.#options
    for await (const groups of queue) {
      for (let first = 0; first < groups.length; first += inFlightMax) {
        const alive = await this.#handleSome(groups.slice(first, first + inFlightMax))
        if (!alive) return
      }
    }
  }

  /** `false`: the handler has died. */
  async #handleSome(groups: readonly FaultGroupView[]): Promise<boolean> {
    if (groups.length === 1) return await this.#handle(groups[0]!)
    const alive = await Promise.all(groups.map((group) => this.#handle(group)))
    return !alive.includes(false)
  }

  async #handle(group: FaultGroupView): Promise<boolean> {
    const { counts } = this
    const { kind, after, delayNanos } = this.#options.misbehaviour ?? WELL_BEHAVED
    const wrong = counts.groups >= after && kind !== 'none'
    counts.groups++
    if (wrong && kind === 'dies-after') {
      this.#options.onDeath?.()
      return false
    }
    const costs = this.#options.costs ?? NO_LOOP_COSTS
    const { ok, nanos } = this.#repair(group)
    const total =
      nanos + costs.handlerNanos + costs.systemCallNanos + (wrong && kind === 'slow' ? delayNanos : 0)
    if (total > 0) await this.#world.scheduler.sleep(total)
    if (!wrong || kind === 'slow') this.#respond(group, ok)
    else this.#respondWrongly(group, kind)
    return true
  }

  #repair(group: FaultGroupView): { ok: boolean; nanos: number } {
    let ok = true
    let nanos = 0
    for (const record of group.records) {
      const pager = this.#options.route.pagerFor(record.dev_id, record.pasid)
      ok = pager !== undefined && pager.repair(record.addr_hi, record.addr_lo, record.perm) && ok
      if (pager === undefined) continue
      nanos += pager.spentNanos
      pager.spentNanos = 0
    }
    return { ok, nanos }
  }

  #respond(group: FaultGroupView, ok: boolean): void {
    if (ok) this.counts.success++
    else this.counts.invalid++
    this.#refusable(() => {
      group.respond(ok ? 'success' : 'invalid')
    })
  }

  #respondWrongly(group: FaultGroupView, kind: string): void {
    if (kind === 'never-answers') return
    const words = kind === 'wrong-cookie' ? [group.cookie + 0x10000, 0] : [group.cookie, 2]
    this.#refusable(() => {
      this.#options.queue.write(new Uint8Array(new Int32Array(words).buffer))
    })
  }

  /** The device may have been detached, or the answer came too late: the kernel has answered then. */
  #refusable(write: () => void): void {
    try {
      persist(write)
    } catch (thrown) {
      if (!(thrown instanceof IommufdError)) throw thrown
      this.counts.refused++
    }
  }
}
