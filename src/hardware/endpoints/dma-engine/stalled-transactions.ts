// SPDX-License-Identifier: MIT
import type { Clock } from '../../../sim/clock.ts'
import type { Histogram } from '../../../trace/histogram.ts'
import * as messages from '../../pci/messages.ts'
import type { Channel } from './channel.ts'
import type { DmaEngineCounters } from './counters.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { STALL_RETRY } = messages

const NO_CHANNEL = -1
const TRANSACTIONS_INITIAL = 64

export interface StalledTransactionParts {
  readonly clock: Clock
  readonly counters: DmaEngineCounters
  readonly channels: readonly Channel[]
  /** Time from a stall to its end. */
  readonly histogram: Histogram | undefined
}

/** Untranslated requests that wait in the unit: which channel waits for which, counted as a page request group of one page. */
export class StalledTransactions {
  /** Transactions that have not ended, those of aborted transfers included. */
  count = 0
  readonly #parts: StalledTransactionParts
  // By transaction.
  #channelOf: Int32Array = new Int32Array(TRANSACTIONS_INITIAL).fill(NO_CHANNEL)
  #startedAt: Float64Array = new Float64Array(TRANSACTIONS_INITIAL)

  constructor(parts: StalledTransactionParts) {
    this.#parts = parts
  }

  /** The channel waits from now on. */
  wait(channel: Channel, transaction: number): void {
    const { counters, clock } = this.#parts
    while (transaction >= this.#channelOf.length) this.#grow()
    this.#channelOf[transaction] = channel.index
    this.#startedAt[transaction] = clock.now
    channel.stalled = transaction
    channel.transfer!.faultsTaken++
    counters.pageRequests++
    counters.groups++
    this.count++
  }

  /** The unit lets the transaction go on, or aborts it. */
  resumed(transaction: number, outcome: number): void {
    const { counters, clock, channels, histogram } = this.#parts
    histogram?.record(clock.now - this.#startedAt[transaction]!)
    this.count--
    if (outcome === STALL_RETRY) counters.success++
    else counters.invalid++
    const index = this.#channelOf[transaction]!
    if (index === NO_CHANNEL) {
      counters.lateResponses++
      return
    }
    this.#channelOf[transaction] = NO_CHANNEL
    const channel = channels[index]!
    channel.stalled = 0
    if (outcome !== STALL_RETRY) return channel.endSoon('invalid')
    channel.attempts++
    channel.retrying = 1
    channel.wake()
  }

  /** The channel no longer waits: what becomes of its transaction changes nothing. */
  forget(channel: Channel): void {
    this.#channelOf[channel.stalled] = NO_CHANNEL
    channel.stalled = 0
  }

  /** The function is gone: nothing that still waits concerns it any more. */
  drop(): void {
    this.#parts.counters.groupsDropped += this.count
    this.count = 0
    this.#channelOf.fill(NO_CHANNEL)
  }

  #grow(): void {
    const channelOf = new Int32Array(2 * this.#channelOf.length).fill(NO_CHANNEL)
    const startedAt = new Float64Array(2 * this.#startedAt.length)
    channelOf.set(this.#channelOf)
    startedAt.set(this.#startedAt)
    this.#channelOf = channelOf
    this.#startedAt = startedAt
  }
}
