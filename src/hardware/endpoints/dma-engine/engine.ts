// SPDX-License-Identifier: MIT
import { assert, broken } from '../../../base/assert.ts'
import { List } from '../../../base/list.ts'
import type { Alarm } from '../../../sim/clock.ts'
import type { Histogram } from '../../../trace/histogram.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { World } from '../../../trace/world.ts'
import type { PhysicalMemory } from '../../memory.ts'
import { Ats } from '../../pci/ats.ts'
import type { ConfigSpace } from '../../pci/config-layout.ts'
import { type CapabilityRegisters, FunctionConfigSpace } from '../../pci/config-space.ts'
import * as messages from '../../pci/messages.ts'
import type { PciFunction, TranslationAgent } from '../../pci/messages.ts'
import { PasidCapability } from '../../pci/pasid.ts'
import type { Pri } from '../../pci/pri.ts'
import { type Channel, OP_COPY, OP_FILL, OP_WRITE } from './channel.ts'
import type { DmaEngineConfig } from './config.ts'
import { DmaEngineCounters } from './counters.ts'
import { EngineTrace } from './engine-trace.ts'
import { LongCopies } from './long-copies.ts'
import { PageFaults } from './page-faults.ts'
import { ReadyChannels } from './ready-channels.ts'
import { StalledTransactions } from './stalled-transactions.ts'
import type { Transfer, TransferStatus } from './transfer.ts'
import { TranslationCache } from './translation-cache.ts'
import { EXHAUSTED, REFUSED, RESOLVED, TranslationClient } from './translation-client.ts'
import { Upstream } from './upstream.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { ACCESS_PRIV, NO_PASID } = messages

const PAGE = 4096
const LENGTH_BYTES_MAX = 2 ** 53 - 1

export interface DmaEngineParts {
  readonly name: string
  readonly rid: number
  readonly agent: TranslationAgent
  readonly memory: PhysicalMemory
  readonly config: DmaEngineConfig
  /** Receives the time from a group's first page request to its response. */
  readonly histogram?: Histogram
}

/**
 * A device that moves bytes. It translates through its cache and ATS, asks for missing pages with PRI, and goes on when
 * they are there. Transfers proceed in steps, each up to `burstPages` pages a step.
 */
export class DmaEngine implements PciFunction {
  readonly name: string
  readonly rid: number
  readonly ats: Ats
  readonly pri: Pri
  readonly pasid: PasidCapability
  readonly configSpace: ConfigSpace
  readonly counters: DmaEngineCounters
  readonly cache: TranslationCache
  /** Transfers beyond those in flight, oldest first. */
  readonly queued: List<Transfer>
  readonly #recorder: Recorder
  readonly #trace: EngineTrace
  readonly #config: DmaEngineConfig
  readonly #upstream: Upstream
  readonly #faults: PageFaults
  readonly #channels: readonly Channel[]
  /** Idle channels by index, oldest first: a ring. */
  readonly #idle: Int32Array
  #idleFirst: number
  #idleCount: number
  readonly #ready: ReadyChannels
  readonly #longCopies: LongCopies
  readonly #burstPages: number
  readonly #memory: PhysicalMemory
  /** Submitted while nothing is accepted: they end in a step of their own. */
  readonly #refused: List<Transfer>
  readonly #refusal: Alarm
  readonly #translations: TranslationClient
  readonly #stalls: StalledTransactions
  /** PASIDs whose last transfers are being waited for, and who is told. */
  readonly #stopping: Map<number, (() => void) | undefined>
  #refusing: boolean
  #removed: boolean
  #serial: number

  constructor(world: World, parts: DmaEngineParts) {
    const { name, rid, agent, memory, config } = parts
    this.name = name
    this.rid = rid
    this.#recorder = world.trace
    this.#trace = new EngineTrace(world.trace, rid)
    this.#memory = memory
    this.#config = config
    this.#burstPages = config.burstPages
    this.counters = new DmaEngineCounters()
    this.cache = new TranslationCache(config.atcEntries)
    this.queued = new List<Transfer>(`${name} queued transfers`)
    this.#refused = new List<Transfer>(`${name} refused transfers`)
    this.#refusal = world.clock.createAlarm(`${name} refusal`, () => this.#refuse())
    this.#stopping = new Map()
    this.#refusing = this.#removed = false
    this.#serial = 0
    this.#ready = new ReadyChannels(world, name, config.transfersInFlightMax, (channel) =>
      this.#step(channel),
    )
    this.#channels = this.#ready.channels
    this.#idle = Int32Array.from(this.#channels, ({ index }) => index)
    this.#idleFirst = 0
    this.#idleCount = this.#idle.length
    this.#upstream = new Upstream(world, name, rid, agent, config.latencies)
    this.#faults = new PageFaults(world, {
      rid,
      config,
      cache: this.cache,
      upstream: this.#upstream,
      counters: this.counters,
      channels: this.#channels,
      histogram: parts.histogram,
    })
    this.pri = this.#faults.pri
    this.ats = new Ats(config.ats ?? { invalidateQueueDepth: 32 }, () => this.#translations.invalidateAll())
    this.pasid = new PasidCapability(config.pasid ?? { width: 1, exec: false, priv: false }, this.ats)
    this.configSpace = this.#createConfigSpace()
    const shared = { counters: this.counters, channels: this.#channels }
    this.#stalls = new StalledTransactions({ ...shared, clock: world.clock, histogram: parts.histogram })
    this.#translations = new TranslationClient(world, {
      rid,
      agent,
      config,
      ats: this.ats,
      cache: this.cache,
      faults: this.#faults,
      stalls: this.#stalls,
      ...shared,
    })
    this.#longCopies = new LongCopies(world.trace, this.#memory, this.#translations, this.counters)
  }

  /** Page requests without a response, and transactions that wait in the unit. */
  get outstandingRequests(): number {
    return this.pri.outstandingRequests + this.#stalls.count
  }

  /** Transfers that run. */
  get inFlight(): number {
    return this.#channels.length - this.#idleCount
  }

  /** Nothing runs, waits, or is on its way to the unit; late responses may still be due. */
  get idle(): boolean {
    return this.inFlight === 0 && this.queued.length === 0 && this.#upstream.length === 0
  }

  /** Starts the transfer, or queues it behind those in flight. Its `onDone` is called in a later step. */
  submit(transfer: Transfer): void {
    assert(transfer.status !== 'queued' && transfer.status !== 'running', 'transfer submitted twice')
    if (!(transfer.lengthBytes >= 0 && transfer.lengthBytes <= LENGTH_BYTES_MAX))
      broken(`transfer of ${transfer.lengthBytes} bytes`)
    transfer.serial = ++this.#serial
    transfer.bytesDone = transfer.faultsTaken = transfer.retries = 0
    transfer.status = 'queued'
    this.counters.transfers++
    if (this.#recorder.enabled) this.#trace.start(transfer)
    if (this.#refusing || this.#isStopping(transfer.pasid)) {
      this.#refused.pushLast(transfer)
      this.#refusal.arm(0)
    } else if (this.#idleCount > 0) {
      this.#begin(transfer)
    } else {
      this.queued.pushLast(transfer)
    }
  }

  /** Ends the transfer now; page requests on their way stay outstanding until they are answered. */
  abort(transfer: Transfer): void {
    if (transfer.status === 'queued') {
      transfer.list!.remove(transfer)
      this.#conclude(transfer, 'aborted')
    } else if (transfer.status === 'running') {
      const channel = this.#channels.find((candidate) => candidate.transfer === transfer)
      assert(channel !== undefined, 'running transfer without a channel')
      this.#finish(channel, 'aborted')
    }
  }

  /**
   * The function stops using the PASID: its transfers are aborted (or awaited: `finish`), then a Stop Marker follows
   * their page requests. `onStopped` is called when the marker has been sent.
   */
  stopPasid(pasid: number, how: 'abort' | 'finish' = 'abort', onStopped?: () => void): void {
    this.#stopping.set(pasid, onStopped)
    if (how === 'abort') this.#abortWhere(pasid)
    this.#completeStop(pasid)
  }

  /** Aborts everything and takes no more transfers until `start`. */
  stop(): void {
    this.#refusing = true
    this.#abortWhere(undefined)
  }

  start(): void {
    assert(!this.#removed, `${this.name} was removed`)
    this.#refusing = false
  }

  /** Leaves the bus without notice: nothing is sent, answered or remembered any more. */
  remove(): void {
    this.stop()
    this.#removed = true
    this.#upstream.clear()
    this.#stalls.drop()
    this.pri.restart()
    this.ats.restart()
    this.pasid.restart()
    this.cache.clear()
    this.#stopping.clear()
  }

  invalidateRequest(pasid: number, hi: number, lo: number, shift: number, itag: number): void {
    if (this.#removed) return
    this.counters.invalidations++
    this.cache.invalidate(pasid, hi, lo, shift)
    if (this.inFlight > 0) this.#translations.dropHolds(pasid, hi, lo, shift)
    this.#upstream.invalidateCompletion(1 << itag)
  }

  pageGroupResponse(pasid: number, grpid: number, code: number, private0: number, private1: number): void {
    if (!this.#removed) this.#faults.respond(pasid, grpid, code, private0, private1)
  }

  transactionResumed(transaction: number, outcome: number): void {
    if (!this.#removed) this.#stalls.resumed(transaction, outcome)
  }

  #createConfigSpace(): ConfigSpace {
    const capabilities: CapabilityRegisters[] = []
    if (this.#config.ats !== undefined) capabilities.push(this.ats)
    if (this.#config.pri !== undefined) capabilities.push(this.pri)
    if (this.#config.pasid !== undefined) capabilities.push(this.pasid)
    return new FunctionConfigSpace(capabilities)
  }

  /** On the channel that has been idle longest. */
  #begin(transfer: Transfer): void {
    const channel = this.#channels[this.#idle[this.#idleFirst]!]!
    this.#idleFirst = this.#idleFirst + 1 === this.#idle.length ? 0 : this.#idleFirst + 1
    this.#idleCount--
    transfer.status = 'running'
    const { pasid } = transfer
    const prefix = transfer.privileged && pasid !== NO_PASID ? this.pasid.prefixAccess : 0
    channel.begin(transfer, prefix & ACCESS_PRIV)
    if (pasid !== NO_PASID && !this.pasid.allows(pasid)) channel.ending = 'unrecoverable'
    channel.wake()
  }

  #makeIdle(channel: Channel): void {
    const next = this.#idleFirst + this.#idleCount++
    this.#idle[next < this.#idle.length ? next : next - this.#idle.length] = channel.index
    if (this.queued.length > 0) this.#begin(this.queued.shift()!)
  }

  #step(channel: Channel): void {
    if (channel.ending !== undefined) {
      this.#finish(channel, channel.ending)
      return
    }
    for (let moved = 0; moved < this.#burstPages && channel.remaining > 0; moved++) {
      if (channel.remaining > PAGE) moved += this.#longCopies.copy(channel, this.#burstPages - moved - 1)
      if (this.#movePage(channel) === 0) return
    }
    const nanos = this.#translations.pay(channel, 0)
    if (channel.remaining === 0 && nanos === 0) this.#finish(channel, 'done')
    else channel.wakeAfter(nanos)
  }

  /** Bytes moved; 0: the channel waits for something, or its transfer has ended. */
  #movePage(channel: Channel): number {
    let length = channel.remaining
    for (let i = 0; i < 2; i++) {
      const side = i === 0 ? channel.source : channel.destination
      if (side.access !== 0) {
        const outcome = side.held ? RESOLVED : this.#translations.resolve(channel, side)
        if (outcome !== RESOLVED) return this.#unresolved(channel, outcome)
        length = Math.min(length, side.room)
      }
    }
    const transfer = channel.transfer!
    if (!this.#moveBytes(channel, transfer, length)) {
      this.#finish(channel, 'bus-error')
      return 0
    }
    if (this.#recorder.enabled) this.#trace.dma(channel, length)
    if (length === channel.remaining) channel.remaining = 0
    else channel.advance(length)
    channel.unpaidPages++
    transfer.bytesDone += length
    this.counters.pagesMoved++
    this.counters.bytesMoved += length
    return length
  }

  /** The channel waits for a translation, or its transfer ends without one. */
  #unresolved(channel: Channel, outcome: number): 0 {
    if (outcome === REFUSED) this.#finish(channel, 'unrecoverable')
    else if (outcome === EXHAUSTED) this.#finish(channel, 'retries')
    return 0
  }

  #moveBytes(channel: Channel, transfer: Transfer, length: number): boolean {
    const { source, destination } = channel
    switch (channel.op) {
      case OP_COPY:
        return this.#memory.copy(destination.frame, destination.offset, source.frame, source.offset, length)
      case OP_FILL:
        return this.#memory.fill(destination.frame, destination.offset, length, transfer.value)
      case OP_WRITE: {
        const { frame, offset } = destination
        return this.#memory.write(frame, offset, transfer.buffer, transfer.bytesDone, length)
      }
      default:
        return this.#memory.read(source.frame, source.offset, transfer.buffer, transfer.bytesDone, length)
    }
  }

  #finish(channel: Channel, status: TransferStatus): void {
    const transfer = channel.transfer!
    this.#ready.sleep(channel)
    if (channel.waits) this.#faults.forget(channel)
    if (channel.stalled !== 0) this.#stalls.forget(channel)
    channel.transfer = undefined
    this.#makeIdle(channel)
    this.#conclude(transfer, status)
  }

  /** Last act for a transfer: it may be submitted again from its `onDone`. */
  #conclude(transfer: Transfer, status: TransferStatus): void {
    transfer.status = status
    if (this.#recorder.enabled) this.#trace.done(transfer)
    if (this.#stopping.size > 0) this.#completeStop(transfer.pasid)
    transfer.onDone?.(transfer)
  }

  /** Those of the PASID, or all. */
  #abortWhere(pasid: number | undefined): void {
    for (;;) {
      const transfer = this.#find(pasid)
      if (transfer === undefined) return
      this.abort(transfer)
    }
  }

  /** The oldest queued transfer (or one that runs) of the PASID, or of any. */
  #find(pasid: number | undefined): Transfer | undefined {
    for (let queued = this.queued.first; queued !== undefined; queued = queued.next) {
      if (pasid === undefined || queued.pasid === pasid) return queued
    }
    for (const { transfer } of this.#channels) {
      if (transfer !== undefined && (pasid === undefined || transfer.pasid === pasid)) return transfer
    }
    return undefined
  }

  #refuse(): void {
    for (let count = this.#refused.length; count > 0; count--) {
      const transfer = this.#refused.shift()
      if (transfer !== undefined) this.#conclude(transfer, 'aborted')
    }
  }

  #isStopping(pasid: number): boolean {
    return this.#stopping.size > 0 && this.#stopping.has(pasid)
  }

  /** Sends the Stop Marker once no transfer uses the PASID. */
  #completeStop(pasid: number): void {
    if (!this.#stopping.has(pasid)) return
    if (this.#find(pasid) !== undefined) return
    const onStopped = this.#stopping.get(pasid)
    this.#stopping.delete(pasid)
    if (pasid !== NO_PASID && this.pri.enabled) this.#sendStopMarker(pasid)
    onStopped?.()
  }

  #sendStopMarker(pasid: number): void {
    this.counters.stopMarkers++
    if (this.#recorder.enabled) this.#trace.stopMarker(pasid)
    const { request } = this.#upstream
    request.pasid = pasid
    request.addressHi = request.addressLo = 0
    request.grpid = request.access = 0
    request.private0 = request.private1 = 0
    request.last = true
    this.#upstream.pageRequest()
  }
}
