// SPDX-License-Identifier: MIT
import { broken } from '../base/assert.ts'
import { List, type ListNode } from '../base/list.ts'
import type { Alarm, Clock } from './clock.ts'
import type { Decisions } from './decisions.ts'

/** A work item: made once (a pooled object keeps its own), queued again and again. On at most one queue at a time. */
export class Work implements ListNode<Work> {
  readonly run: () => void
  list: List<Work> | undefined = undefined
  next: Work | undefined = undefined
  previous: Work | undefined = undefined
  /** The queue it is on. */
  queue: WorkQueue | undefined = undefined
  /** Made at the first queueing, kept. Used by `WorkQueue` only. */
  alarm: Alarm | undefined = undefined
  /** Position among all queueings of the queue. Used by `WorkQueue` only. */
  sequence = 0

  constructor(run: () => void) {
    this.run = run
  }

  get queued(): boolean {
    return this.list !== undefined
  }
}

/** Unordered workqueue (`alloc_workqueue` with WQ_UNBOUND): each item runs as a step of its own after the latency. */
export class WorkQueue {
  readonly name: string
  readonly #clock: Clock
  readonly #decisions: Decisions
  readonly #latencyNanos: number
  /** Without a bound, as in the kernel: an item is on it once. */
  readonly #items: List<Work>
  #sequence = 0
  #running = 0

  constructor(
    world: { readonly clock: Clock; readonly decisions: Decisions },
    name: string,
    latencyNanos: number,
  ) {
    this.name = name
    this.#clock = world.clock
    this.#decisions = world.decisions
    this.#latencyNanos = latencyNanos
    this.#items = new List<Work>(name)
  }

  /** Number of items queued and not started. */
  get length(): number {
    return this.#items.length
  }

  /** `queue_work`: `false` when the item is queued already. */
  queue(work: Work): boolean {
    if (work.queued) {
      if (work.queue !== this) broken(`work for ${this.name} is still on ${work.queue?.name}`)
      return false
    }
    work.queue = this
    work.sequence = ++this.#sequence
    this.#items.pushLast(work)
    const alarm = (work.alarm ??= this.#clock.createAlarm(this.name, () => work.queue?.start(work)))
    alarm.arm(this.#decisions.latency('work', this.#latencyNanos))
    return true
  }

  /** `flush_workqueue`: runs what was queued before the call, oldest first; what that queues stays queued. */
  flush(): void {
    if (this.#running > 0) broken(`work of ${this.name} flushes its own queue`)
    const until = this.#sequence
    for (;;) {
      const work = this.#items.first
      if (work === undefined || work.sequence > until) return
      this.start(work)
    }
  }

  /** `cancel_work`: `true` when the item was queued and will not run. */
  cancel(work: Work): boolean {
    if (work.queue !== this) return false
    this.#take(work)
    return true
  }

  /** Runs a queued item now: the alarm's, not the public's. */
  start(work: Work): void {
    this.#take(work)
    this.#running++
    try {
      work.run()
    } finally {
      this.#running--
    }
  }

  #take(work: Work): void {
    this.#items.remove(work)
    work.queue = undefined
    work.alarm?.cancel()
  }
}
