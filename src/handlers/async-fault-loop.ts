// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { IommufdError } from '../iommufd/error.ts'
import type { FaultGroupView, GroupAnswer } from '../iommufd/iommufd.ts'
import type { World } from '../trace/world.ts'
import { type FaultLoopCosts, type FaultLoopOptions, type LoopCounts, NO_LOOP_COSTS } from './fault-loop.ts'
import { type Misbehaviour, WELL_BEHAVED } from './misbehaviour.ts'
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
  readonly #costs: FaultLoopCosts
  readonly #misbehaviour: Misbehaviour
  #dead: boolean
  /** Of the group repaired last: the virtual time that its pagers spent. */
  #spentNanos: number

  constructor(world: World, options: FaultLoopOptions) {
    assert(options.inFlightMax >= 1, 'a fault loop works on at least one group at a time')
    this.counts = { groups: 0, success: 0, invalid: 0, refused: 0 }
    this.#world = world
    this.#options = options
    this.#costs = options.costs ?? NO_LOOP_COSTS
    this.#misbehaviour = options.misbehaviour ?? WELL_BEHAVED
    this.#dead = false
    this.#spentNanos = 0
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
        const later = this.#handleSome(groups, first, Math.min(first + inFlightMax, groups.length))
        if (later !== undefined) await later
        if (this.#dead) return
      }
    }
  }

  /** Works on the groups from `first` up to `end` at a time; a promise when that takes virtual time. */
  #handleSome(groups: readonly FaultGroupView[], first: number, end: number): Promise<unknown> | undefined {
    let later: Promise<void>[] | undefined
    for (let index = first; index < end && !this.#dead; index++) {
      const answered = this.#handle(groups[index]!)
      if (answered !== undefined) (later ??= []).push(answered)
    }
    return later === undefined ? undefined : Promise.all(later)
  }

  #handle(group: FaultGroupView): Promise<void> | undefined {
    const { counts } = this
    const { kind, after, delayNanos } = this.#misbehaviour
    const wrong = counts.groups >= after && kind !== 'none'
    counts.groups++
    if (wrong && kind === 'dies-after') {
      this.#dead = true
      this.#options.onDeath?.()
      return undefined
    }
    const ok = this.#repair(group)
    const costs = this.#costs
    const nanos = this.#spentNanos + costs.handlerNanos + costs.systemCallNanos
    const total = wrong && kind === 'slow' ? nanos + delayNanos : nanos
    if (total > 0) return this.#answerLater(group, ok, wrong, total)
    this.#answer(group, ok, wrong)
    return undefined
  }

  async #answerLater(group: FaultGroupView, ok: boolean, wrong: boolean, nanos: number): Promise<void> {
    await this.#world.scheduler.sleep(nanos)
    this.#answer(group, ok, wrong)
  }

  #repair(group: FaultGroupView): boolean {
    const { route } = this.#options
    const { records } = group
    let ok = true
    this.#spentNanos = 0
    for (let index = 0; index < records.length; index++) {
      const record = records[index]!
      const pager = route.pagerFor(record.dev_id, record.pasid)
      ok = pager !== undefined && pager.repair(record.addr_hi, record.addr_lo, record.perm) && ok
      if (pager === undefined) continue
      this.#spentNanos += pager.spentNanos
      pager.spentNanos = 0
    }
    return ok
  }

  #answer(group: FaultGroupView, ok: boolean, wrong: boolean): void {
    const { kind } = this.#misbehaviour
    if (wrong && kind !== 'slow') return this.#respondWrongly(group, kind)
    if (ok) this.counts.success++
    else this.counts.invalid++
    const answer = ok ? 'success' : 'invalid'
    try {
      group.respond(answer)
    } catch (thrown) {
      this.#respondAgain(group, answer, thrown)
    }
  }

  #respondAgain(group: FaultGroupView, answer: GroupAnswer, thrown: unknown): void {
    this.#refusable(() => {
      if (!isTransient(thrown)) throw thrown
      persist(() => group.respond(answer))
    })
  }

  #respondWrongly(group: FaultGroupView, kind: string): void {
    if (kind === 'never-answers') return
    const words = kind === 'wrong-cookie' ? [group.cookie + 0x10000, 0] : [group.cookie, 2]
    this.#refusable(() =>
      persist(() => this.#options.queue.write(new Uint8Array(new Int32Array(words).buffer))),
    )
  }

  /** The device may have been detached, or the answer came too late: the kernel has answered then. */
  #refusable(write: () => void): void {
    try {
      write()
    } catch (thrown) {
      if (!(thrown instanceof IommufdError)) throw thrown
      this.counts.refused++
    }
  }
}
