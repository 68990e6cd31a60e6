// SPDX-License-Identifier: MIT
import { List } from '../../../base/list.ts'
import { EVENTS, REQUEST_LAST } from '../../../trace/events.ts'
import type { Histogram } from '../../../trace/histogram.ts'
import type { World } from '../../../trace/world.ts'
import { PRG_INVALID_REQUEST, PRG_SUCCESS } from '../../pci/messages.ts'
import { PRG_IGNORED, PRG_INDICES, Pri, type PriListener } from '../../pci/pri.ts'
import type { Channel } from './channel.ts'
import type { DmaEngineConfig } from './config.ts'
import type { DmaEngineCounters } from './counters.ts'
import type { TranslationCache } from './translation-cache.ts'
import type { Upstream } from './upstream.ts'

/** What page faults work with. */
export interface PageFaultParts {
  readonly rid: number
  readonly config: DmaEngineConfig
  readonly cache: TranslationCache
  readonly upstream: Upstream
  readonly counters: DmaEngineCounters
  readonly channels: readonly Channel[]
  /** Time from a group's first request to its response. */
  readonly histogram: Histogram | undefined
}

const NO_CHANNEL = -1

/** The PRI client: groups of page requests, who waits for which, and who waits for credits (first come first served). */
export class PageFaults implements PriListener {
  readonly pri: Pri
  /** Channels that wait for credits or a group index, oldest first. */
  readonly waiters: List<Channel>
  readonly #world: World
  readonly #rid: number
  readonly #parts: PageFaultParts
  // By group index.
  readonly #channelOf: Int32Array
  readonly #private0: Int32Array
  readonly #private1: Int32Array
  readonly #startedAt: Float64Array

  constructor(world: World, parts: PageFaultParts) {
    this.pri = new Pri(parts.config.pri ?? { capacity: 1, responsePasidRequired: false }, this)
    this.waiters = new List<Channel>('waiting for credits')
    this.#world = world
    this.#rid = parts.rid
    this.#parts = parts
    this.#channelOf = new Int32Array(PRG_INDICES).fill(NO_CHANNEL)
    this.#private0 = new Int32Array(PRG_INDICES)
    this.#private1 = new Int32Array(PRG_INDICES)
    this.#startedAt = new Float64Array(PRG_INDICES)
  }

  /** The channel's page is missing: asks for it and for pages behind it, or waits for credits to do so. */
  ask(channel: Channel, hi: number, lo: number, access: number): void {
    const mayAsk = this.waiters.first === undefined || this.waiters.first === channel
    const grpid = mayAsk && this.pri.credits > 0 ? this.pri.openGroup(channel.pasid) : -1
    if (grpid < 0) {
      if (channel.list !== undefined) return
      this.#parts.counters.creditWaits++
      this.waiters.pushLast(channel)
      return
    }
    channel.grpid = grpid
    this.#open(grpid, channel)
    this.#send(channel, grpid, hi, lo, access)
    this.#traceCredits()
    this.leaveWaiters(channel)
  }

  /** A PRG Response arrived. */
  respond(pasid: number, grpid: number, code: number, private0: number, private1: number): void {
    const outstanding = this.pri.isOutstanding(grpid)
    const { trace } = this.#world
    const flow = outstanding ? trace.flowOf(this.#rid, grpid) : 0
    const effective = this.pri.respond(pasid, grpid, code)
    if (effective === PRG_IGNORED) {
      this.#unexpected(grpid, code)
      return
    }
    this.#count(effective)
    if (trace.enabled) trace.emit(EVENTS.prg_response, flow, this.#rid, pasid, grpid, code)
    trace.closeFlow(this.#rid, grpid)
    this.#checkPrivateData(grpid, private0, private1)
    this.#parts.histogram?.record(this.#world.clock.now - this.#startedAt[grpid]!)
    this.#traceCredits()
    this.#deliver(grpid, effective)
    this.wakeWaiter()
  }

  /** The channel no longer waits for its group; the response will be accepted and change nothing. */
  forget(channel: Channel): void {
    if (channel.grpid >= 0) this.#channelOf[channel.grpid] = NO_CHANNEL
    channel.grpid = -1
    this.leaveWaiters(channel)
  }

  /** The channel needs no credits any more (or has taken them): the next one may try. */
  leaveWaiters(channel: Channel): void {
    if (channel.list !== this.waiters) return
    this.waiters.remove(channel)
    this.wakeWaiter()
  }

  /** The oldest waiter tries again, in a step of its own. */
  wakeWaiter(): void {
    const first = this.waiters.first
    if (first !== undefined && this.pri.credits > 0 && !first.alarm.armed) first.alarm.arm(0)
  }

  groupDropped(grpid: number): void {
    this.#parts.counters.groupsDropped++
    this.#world.trace.closeFlow(this.#rid, grpid)
    const channel = this.#takeChannel(grpid)
    if (channel !== undefined) channel.endSoon('failure')
  }

  requestsStopped(): void {
    for (;;) {
      const channel = this.waiters.shift()
      if (channel === undefined) return
      channel.endSoon('failure')
    }
  }

  #open(grpid: number, channel: Channel): void {
    this.#channelOf[grpid] = channel.index
    this.#startedAt[grpid] = this.#world.clock.now
    this.#parts.counters.groups++
    if (this.#parts.config.privateData) {
      this.#private0[grpid] = channel.transfer!.serial
      this.#private1[grpid] = grpid + 1
    }
    if (this.#world.trace.enabled) this.#world.trace.openFlow(this.#rid, grpid)
  }

  /** The missing page, then those behind it that are missing too, as far as the group, the credits and the data go. */
  #send(channel: Channel, grpid: number, hi: number, lo: number, access: number): void {
    const { config, cache } = this.#parts
    let left = Math.ceil(((lo & 0xfff) + channel.remaining) / 4096) - 1
    let pageHi = hi
    let pageLo = lo & ~0xfff
    let nextHi = pageHi
    let nextLo = pageLo
    for (let asked = 1; ; asked++) {
      this.pri.takeCredit(grpid)
      let found = false
      while (!found && left > 0 && asked < config.groupPages && this.pri.credits > 0) {
        left--
        nextLo = (nextLo + 4096) | 0
        if (nextLo === 0) nextHi = (nextHi + 1) | 0
        found = cache.find(channel.pasid, nextHi, nextLo, access) < 0
      }
      this.#request(channel, grpid, pageHi, pageLo, access, !found)
      if (!found) return
      pageHi = nextHi
      pageLo = nextLo
    }
  }

  #request(channel: Channel, grpid: number, hi: number, lo: number, access: number, last: boolean): void {
    const { trace } = this.#world
    this.#parts.counters.pageRequests++
    channel.transfer!.faultsTaken++
    if (trace.enabled) {
      const flow = trace.flowOf(this.#rid, grpid)
      const flags = access | (last ? REQUEST_LAST : 0)
      trace.emit(EVENTS.page_request, flow, this.#rid, channel.pasid, hi, lo, grpid, flags)
    }
    const private0 = this.#private0[grpid]!
    const private1 = this.#private1[grpid]!
    this.#parts.upstream.pageRequest(channel.pasid, hi, lo, grpid, access, last, private0, private1)
  }

  #deliver(grpid: number, code: number): void {
    const channel = this.#takeChannel(grpid)
    if (channel === undefined) {
      this.#parts.counters.lateResponses++
    } else if (code === PRG_SUCCESS) {
      channel.attempts++
      channel.retrying = true
      const base = this.#parts.config.latencies.retry
      channel.alarm.arm(base === 0 ? 0 : this.#world.decisions.latency('retry', base))
    } else {
      channel.endSoon(code === PRG_INVALID_REQUEST ? 'invalid' : 'failure')
    }
  }

  #takeChannel(grpid: number): Channel | undefined {
    const index = this.#channelOf[grpid]!
    if (index === NO_CHANNEL) return undefined
    this.#channelOf[grpid] = NO_CHANNEL
    const channel = this.#parts.channels[index]!
    channel.grpid = -1
    return channel
  }

  #count(code: number): void {
    const { counters } = this.#parts
    if (code === PRG_SUCCESS) counters.success++
    else if (code === PRG_INVALID_REQUEST) counters.invalid++
    else counters.failure++
  }

  #unexpected(grpid: number, code: number): void {
    const { counters } = this.#parts
    const { trace } = this.#world
    if (this.pri.responseFailure && !this.pri.enabled) counters.ignoredResponses++
    else counters.unexpectedPrgi++
    if (trace.enabled) trace.emit(EVENTS.prg_unexpected, 0, this.#rid, grpid, code)
  }

  #checkPrivateData(grpid: number, private0: number, private1: number): void {
    if (private0 === this.#private0[grpid] && private1 === this.#private1[grpid]) return
    if (this.#parts.config.privateData) this.#parts.counters.privateDataMismatch++
  }

  #traceCredits(): void {
    const { trace } = this.#world
    if (trace.enabled) trace.emit(EVENTS.credits, 0, this.#rid, this.pri.credits, this.pri.allocation)
  }
}
