// SPDX-License-Identifier: MIT
import { List } from '../../../base/list.ts'
import type { Clock } from '../../../sim/clock.ts'
import { EVENTS, REQUEST_LAST } from '../../../trace/events.ts'
import type { Histogram } from '../../../trace/histogram.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { World } from '../../../trace/world.ts'
import * as messages from '../../pci/messages.ts'
import { PRG_IGNORED, PRG_INDICES, Pri, type PriListener } from '../../pci/pri.ts'
import type { Channel } from './channel.ts'
import type { DmaEngineConfig } from './config.ts'
import type { DmaEngineCounters } from './counters.ts'
import type { TranslationCache } from './translation-cache.ts'
import type { Upstream } from './upstream.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { PRG_INVALID_REQUEST, PRG_SUCCESS } = messages

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
  readonly #clock: Clock
  readonly #trace: Recorder
  readonly #rid: number
  readonly #cache: TranslationCache
  readonly #upstream: Upstream
  readonly #counters: DmaEngineCounters
  readonly #channels: readonly Channel[]
  readonly #histogram: Histogram | undefined
  readonly #groupPages: number
  readonly #privateData: boolean
  readonly #retryNanos: number
  // By group index.
  readonly #channelOf: Int32Array
  readonly #private0: Int32Array
  readonly #private1: Int32Array
  readonly #startedAt: Float64Array

  constructor(world: World, parts: PageFaultParts) {
    const { config } = parts
    this.pri = new Pri(config.pri ?? { capacity: 1, responsePasidRequired: false }, this)
    this.waiters = new List<Channel>('waiting for credits')
    this.#world = world
    this.#clock = world.clock
    this.#trace = world.trace
    this.#rid = parts.rid
    this.#cache = parts.cache
    this.#upstream = parts.upstream
    this.#counters = parts.counters
    this.#channels = parts.channels
    this.#histogram = parts.histogram
    this.#groupPages = config.groupPages
    this.#privateData = config.privateData
    this.#retryNanos = config.latencies.retry
    this.#channelOf = new Int32Array(PRG_INDICES).fill(NO_CHANNEL)
    this.#private0 = new Int32Array(PRG_INDICES)
    this.#private1 = new Int32Array(PRG_INDICES)
    this.#startedAt = new Float64Array(PRG_INDICES)
  }

  /** The channel's page is missing: asks for it and for pages behind it, or waits for credits to do so. */
  ask(channel: Channel, hi: number, lo: number, access: number): void {
    const { first } = this.waiters
    const mayAsk = first === undefined || first === channel
    const grpid = mayAsk && this.pri.credits > 0 ? this.pri.openGroup(channel.pasid) : -1
    if (grpid < 0) {
      if (channel.list !== undefined) return
      this.#counters.creditWaits++
      this.waiters.pushLast(channel)
      return
    }
    this.#open(grpid, channel)
    this.#send(channel, grpid, hi, lo, access)
    if (this.#trace.enabled) this.#traceCredits()
    if (channel.list !== undefined) this.leaveWaiters(channel)
  }

  /** A PRG Response arrived. */
  respond(pasid: number, grpid: number, code: number, private0: number, private1: number): void {
    const trace = this.#trace
    const effective = this.pri.respond(pasid, grpid, code)
    if (effective === PRG_IGNORED) {
      this.#unexpected(grpid, code)
      return
    }
    this.#count(effective)
    if (trace.enabled)
      trace.emit(EVENTS.prg_response, trace.flowOf(this.#rid, grpid), this.#rid, pasid, grpid, code)
    if (trace.openFlows > 0) trace.closeFlow(this.#rid, grpid)
    if (this.#privateData) this.#checkPrivateData(grpid, private0, private1)
    this.#histogram?.record(this.#clock.now - this.#startedAt[grpid]!)
    if (trace.enabled) this.#traceCredits()
    this.#deliver(grpid, effective)
    if (this.waiters.first !== undefined) this.wakeWaiter()
  }

  /** The channel no longer waits for its group; the response will be accepted and change nothing. */
  forget(channel: Channel): void {
    if (channel.grpid >= 0) this.#channelOf[channel.grpid] = NO_CHANNEL
    channel.grpid = -1
    if (channel.list !== undefined) this.leaveWaiters(channel)
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
    if (first !== undefined && this.pri.credits > 0 && !first.scheduled) first.wake()
  }

  groupDropped(grpid: number): void {
    this.#counters.groupsDropped++
    this.#trace.closeFlow(this.#rid, grpid)
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
    channel.grpid = grpid
    this.#channelOf[grpid] = channel.index
    this.#startedAt[grpid] = this.#clock.now
    this.#counters.groups++
    if (this.#privateData) {
      this.#private0[grpid] = channel.transfer!.serial
      this.#private1[grpid] = grpid + 1
    }
    if (this.#trace.enabled) this.#trace.openFlow(this.#rid, grpid)
  }

  /** The missing page, then those behind it that are missing too, as far as the group, the credits and the data go. */
  #send(channel: Channel, grpid: number, hi: number, lo: number, access: number): void {
    const { pri } = this
    let left = this.#groupPages === 1 ? 0 : Math.ceil(((lo & 0xfff) + channel.remaining) / 4096) - 1
    let pageHi = hi
    let pageLo = lo & ~0xfff
    let nextHi = pageHi
    let nextLo = pageLo
    for (let asked = 1; ; asked++) {
      pri.takeCredit(grpid)
      if (asked === this.#groupPages || pri.credits === 0) left = 0
      let found = false
      while (!found && left > 0) {
        left--
        nextLo = (nextLo + 4096) | 0
        if (nextLo === 0) nextHi = (nextHi + 1) | 0
        found = this.#cache.find(channel.pasid, nextHi, nextLo, access) < 0
      }
      this.#request(channel, grpid, pageHi, pageLo, access, !found)
      if (!found) return
      pageHi = nextHi
      pageLo = nextLo
    }
  }

  #request(channel: Channel, grpid: number, hi: number, lo: number, access: number, last: boolean): void {
    const { request } = this.#upstream
    this.#counters.pageRequests++
    channel.transfer!.faultsTaken++
    if (this.#trace.enabled) this.#traceRequest(channel, grpid, hi, lo, access, last)
    request.pasid = channel.pasid
    request.addressHi = hi
    request.addressLo = lo
    request.grpid = grpid
    request.access = access
    request.last = last
    if (this.#privateData) {
      request.private0 = this.#private0[grpid]!
      request.private1 = this.#private1[grpid]!
    }
    this.#upstream.pageRequest()
  }

  #deliver(grpid: number, code: number): void {
    const channel = this.#takeChannel(grpid)
    if (channel === undefined) {
      this.#counters.lateResponses++
    } else if (code === PRG_SUCCESS) {
      channel.attempts++
      channel.retrying = 1
      const base = this.#retryNanos
      channel.wakeAfter(base === 0 ? 0 : this.#world.decisions.latency('retry', base))
    } else {
      channel.endSoon(code === PRG_INVALID_REQUEST ? 'invalid' : 'failure')
    }
  }

  #takeChannel(grpid: number): Channel | undefined {
    const index = this.#channelOf[grpid]!
    if (index === NO_CHANNEL) return undefined
    this.#channelOf[grpid] = NO_CHANNEL
    const channel = this.#channels[index]!
    channel.grpid = -1
    return channel
  }

  #count(code: number): void {
    const counters = this.#counters
    if (code === PRG_SUCCESS) counters.success++
    else if (code === PRG_INVALID_REQUEST) counters.invalid++
    else counters.failure++
  }

  #unexpected(grpid: number, code: number): void {
    const counters = this.#counters
    const trace = this.#trace
    if (this.pri.responseFailure && !this.pri.enabled) counters.ignoredResponses++
    else counters.unexpectedPrgi++
    if (trace.enabled) trace.emit(EVENTS.prg_unexpected, 0, this.#rid, grpid, code)
  }

  #checkPrivateData(grpid: number, private0: number, private1: number): void {
    if (private0 === this.#private0[grpid] && private1 === this.#private1[grpid]) return
    this.#counters.privateDataMismatch++
  }

  #traceRequest(
    channel: Channel,
    grpid: number,
    hi: number,
    lo: number,
    access: number,
    last: boolean,
  ): void {
    const trace = this.#trace
    const flow = trace.flowOf(this.#rid, grpid)
    const flags = access | (last ? REQUEST_LAST : 0)
    trace.emit(EVENTS.page_request, flow, this.#rid, channel.pasid, hi, lo, grpid, flags)
  }

  #traceCredits(): void {
    this.#trace.emit(EVENTS.credits, 0, this.#rid, this.pri.credits, this.pri.allocation)
  }
}
