// SPDX-License-Identifier: MIT
import { EVENTS } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { World } from '../../../trace/world.ts'
import type { Ats } from '../../pci/ats.ts'
import * as messages from '../../pci/messages.ts'
import { type AtsStatus, Translation, type TranslationAgent } from '../../pci/messages.ts'
import type { Channel, Side } from './channel.ts'
import type { DmaEngineConfig } from './config.ts'
import type { DmaEngineCounters } from './counters.ts'
import type { PageFaults } from './page-faults.ts'
import type { StalledTransactions } from './stalled-transactions.ts'
import type { TranslationCache } from './translation-cache.ts'
import { inRange } from './translation-cache.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { ATS_SUCCESS } = messages

/** What a channel learns about the page that it wants. */
export const RESOLVED = 0
/** It waits: for time to pass, a response, or credits. */
export const WAITING = 1
/** No translation, and no way to ask for one. */
export const REFUSED = 2
/** Success too often without a translation. */
export const EXHAUSTED = 3

const NONE_KEPT = -1
const PAGE = 4096

export interface TranslationClientParts {
  readonly rid: number
  readonly agent: TranslationAgent
  readonly config: DmaEngineConfig
  readonly ats: Ats
  readonly cache: TranslationCache
  readonly faults: PageFaults
  readonly stalls: StalledTransactions
  readonly counters: DmaEngineCounters
  readonly channels: readonly Channel[]
}

/** How an engine gets from an address to a frame: what the channel holds, the cache, ATS, and page requests. */
export class TranslationClient {
  readonly #world: World
  readonly #trace: Recorder
  readonly #rid: number
  readonly #agent: TranslationAgent
  readonly #ats: Ats
  readonly #cache: TranslationCache
  readonly #faults: PageFaults
  readonly #stalls: StalledTransactions
  readonly #counters: DmaEngineCounters
  readonly #channels: readonly Channel[]
  readonly #retriesMax: number
  /** 0: translation requests and moving pages take no time. */
  readonly #spendsTime: number
  readonly #atsNanos: number
  readonly #dmaNanos: number
  readonly #result: Translation
  /** Status of the completion in `#result` that `lookAhead` has not used, and whose page it is. */
  #keptStatus: AtsStatus | typeof NONE_KEPT
  #keptHi: number
  #keptLo: number

  constructor(world: World, parts: TranslationClientParts) {
    this.#world = world
    this.#trace = world.trace
    this.#rid = parts.rid
    this.#agent = parts.agent
    this.#ats = parts.ats
    this.#cache = parts.cache
    this.#faults = parts.faults
    this.#stalls = parts.stalls
    this.#counters = parts.counters
    this.#channels = parts.channels
    this.#retriesMax = parts.config.retriesMax
    this.#spendsTime = parts.config.latencies.ats + parts.config.latencies.dma
    this.#atsNanos = parts.config.latencies.ats
    this.#dmaNanos = parts.config.latencies.dma
    this.#result = new Translation()
    this.#keptStatus = NONE_KEPT
    this.#keptHi = this.#keptLo = 0
  }

  /**
   * Makes the side hold the translation of its page: from the cache, by an ATS Translation Request, or, when that gives
   * none, by a page request.
   */
  resolve(channel: Channel, side: Side): number {
    const { pasid } = channel
    const { hi, lo } = side
    const access = side.access | channel.prefixAccess
    if (!this.#ats.enabled) return this.#untranslated(channel, side, access)
    const frame = this.#cache.find(pasid, hi, lo, access)
    if (frame >= 0) {
      side.hold(frame)
      if (channel.retrying !== 0 || channel.list !== undefined) this.#progress(channel)
      return RESOLVED
    }
    if (this.#spendsTime !== 0 && !this.#timeSpent(channel)) return WAITING
    const result = this.#result
    this.#counters.translationRequests++
    if (channel.retrying !== 0) this.#countRetry(channel, hi, lo)
    let status: AtsStatus
    if (this.#trace.enabled) status = this.#askTraced(channel, hi, lo, access, result)
    else if (this.#keptStatus !== NONE_KEPT) status = this.#askUnlessKept(pasid, hi, lo, access, result)
    else status = this.#agent.translationRequest(this.#rid, pasid, hi, lo, access, result)
    if (status !== ATS_SUCCESS) return REFUSED
    if ((result.access & access) !== access) return this.#fault(channel, hi, lo, access)
    if (result.shift >= 12) {
      this.#cache.insert(pasid, hi, lo, result.frame, result.access)
      side.hold(result.frame)
    } else {
      side.use(result)
    }
    if (channel.list !== undefined) this.#faults.leaveWaiters(channel)
    return RESOLVED
  }

  /**
   * Frames of the side's page and of those behind it, up to `count`: from the cache, or by Translation Requests where
   * these take no time. Stops at the first page that is not simply there and whole, and returns how many there are.
   */
  lookAhead(channel: Channel, side: Side, frames: Int32Array, count: number): number {
    if (!this.#ats.enabled) return 0
    const { pasid } = channel
    const access = side.access | channel.prefixAccess
    const { hi, lo } = side
    for (let done = 0; ; done++) {
      const nextLo = (lo + done * PAGE) | 0
      const nextHi = nextLo >>> 0 < lo >>> 0 ? (hi + 1) | 0 : hi
      done = this.#cache.findRun(pasid, nextHi, nextLo, access, frames, done, count)
      if (done === count) return count
      const missingLo = (lo + done * PAGE) | 0
      const frame = this.#askAhead(pasid, missingLo >>> 0 < lo >>> 0 ? (hi + 1) | 0 : hi, missingLo, access)
      if (frame < 0) return done
      frames[done] = frame
    }
  }

  /** Drops the translations of a range that channels hold. */
  dropHolds(pasid: number, hi: number, lo: number, shift: number): void {
    for (const channel of this.#channels) {
      if (channel.transfer === undefined || channel.pasid !== pasid) continue
      const { source, destination } = channel
      if (inRange(source.heldHi, source.heldLo, hi, lo, shift)) source.drop()
      if (inRange(destination.heldHi, destination.heldLo, hi, lo, shift)) destination.drop()
    }
  }

  invalidateAll(): void {
    this.#cache.clear()
    for (const channel of this.#channels) channel.dropHolds()
  }

  /** Nanoseconds to spend now: a hop, and moving the pages since the last payment. */
  pay(channel: Channel, hopNanos: number): number {
    const moving = channel.unpaidPages * this.#dmaNanos
    channel.unpaidPages = 0
    if (hopNanos === 0 && moving === 0) return 0
    const { decisions } = this.#world
    return (
      (hopNanos === 0 ? 0 : decisions.latency('ats', hopNanos)) +
      (moving === 0 ? 0 : decisions.latency('dma', moving))
    )
  }

  #untranslated(channel: Channel, side: Side, access: number): number {
    const result = this.#result
    const { hi, lo } = side
    if (channel.attempts > this.#retriesMax) return EXHAUSTED
    if (channel.retrying !== 0) this.#countRetry(channel, hi, lo)
    if (this.#agent.untranslatedRequest(this.#rid, channel.pasid, hi, lo, access, result)) {
      side.use(result)
      return RESOLVED
    }
    if (result.stalled === 0) return REFUSED
    this.#stalls.wait(channel, result.stalled)
    result.stalled = 0
    return WAITING
  }

  /** `false`: the channel's alarm is armed for the time that the request takes. */
  #timeSpent(channel: Channel): boolean {
    if (!channel.paid) {
      const nanos = this.pay(channel, this.#atsNanos)
      if (nanos > 0) {
        channel.paid = true
        channel.alarm.arm(nanos)
        return false
      }
    }
    channel.paid = false
    return true
  }

  /** Frame of a page that is not in the cache, or -1: then the completion is kept for who asks for the same page next. */
  #askAhead(pasid: number, hi: number, lo: number, access: number): number {
    if (this.#spendsTime !== 0) return -1
    const result = this.#result
    const status = this.#agent.translationRequest(this.#rid, pasid, hi, lo, access, result)
    if (status === ATS_SUCCESS && (result.access & access) === access && result.shift >= 12) {
      this.#counters.translationRequests++
      this.#cache.insert(pasid, hi, lo, result.frame, result.access)
      return result.frame
    }
    this.#keptStatus = status
    this.#keptHi = hi
    this.#keptLo = lo
    return -1
  }

  #askUnlessKept(pasid: number, hi: number, lo: number, access: number, result: Translation): AtsStatus {
    const status = this.#keptStatus
    this.#keptStatus = NONE_KEPT
    if (status !== NONE_KEPT && this.#keptHi === hi && this.#keptLo === lo) return status
    return this.#agent.translationRequest(this.#rid, pasid, hi, lo, access, result)
  }

  #askTraced(channel: Channel, hi: number, lo: number, access: number, result: Translation): AtsStatus {
    const trace = this.#trace
    const rid = this.#rid
    trace.emit(EVENTS.ats_request, 0, rid, channel.pasid, hi, lo, access)
    const status = this.#agent.translationRequest(rid, channel.pasid, hi, lo, access, result)
    trace.emit(EVENTS.ats_completion, 0, rid, status, hi, lo, result.access, result.shift)
    return status
  }

  #countRetry(channel: Channel, hi: number, lo: number): void {
    const trace = this.#trace
    const transfer = channel.transfer!
    channel.retrying = 0
    transfer.retries++
    this.#counters.retries++
    if (trace.enabled) trace.emit(EVENTS.retry, 0, this.#rid, channel.pasid, hi, lo, transfer.serial)
  }

  #fault(channel: Channel, hi: number, lo: number, access: number): number {
    if (!this.#faults.pri.enabled) return REFUSED
    if (channel.attempts > this.#retriesMax) return EXHAUSTED
    this.#faults.ask(channel, hi, lo, access)
    return WAITING
  }

  #progress(channel: Channel): void {
    channel.retrying = 0
    if (channel.list !== undefined) this.#faults.leaveWaiters(channel)
  }
}
