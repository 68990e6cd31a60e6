// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { EINVAL, isErrno } from '../base/errno.ts'
import { HwptPageResponse, HwptPgfault } from '../iommufd/abi/index.ts'
import type { FaultQueue } from '../iommufd/iommufd.ts'
import type { Alarm } from '../sim/clock.ts'
import type { World } from '../trace/world.ts'
import { FaultRecords, Responses } from './fault-records.ts'
import { type Misbehaviour, WELL_BEHAVED } from './misbehaviour.ts'
import type { Pager } from './pager.ts'
import { isTransient } from './transient.ts'

const RECORD_BYTES = HwptPgfault.SIZE
const RESPONSE_BYTES = HwptPageResponse.SIZE

/** Finds the pager of an address space. `pasid` 0: traffic without PASID. */
export interface PagerRoute {
  pagerFor(deviceId: number, pasid: number): Pager | undefined
}

export interface FaultLoopCosts {
  /** Entry and exit of one read or write. */
  readonly systemCallNanos: number
  /** The handler's own work for one group. */
  readonly handlerNanos: number
}

export const NO_LOOP_COSTS: FaultLoopCosts = { systemCallNanos: 0, handlerNanos: 0 }

export interface FaultLoopOptions {
  readonly queue: FaultQueue
  readonly route: PagerRoute
  /** Fault records read at once. Grows when one group is larger. */
  readonly batchRecords: number
  /** Groups read and not yet answered, at most; a group larger than the batch is read all the same. */
  readonly inFlightMax: number
  readonly costs?: FaultLoopCosts
  readonly misbehaviour?: Misbehaviour
  /** Called once when the `dies-after` misbehaviour strikes. */
  readonly onDeath?: () => void
}

/** Answers of a handler that does its work in an order of its own; what both styles of loop count. */
export interface LoopCounts {
  groups: number
  success: number
  invalid: number
  /** Answers that write(2) refused with EINVAL. */
  refused: number
}

/**
 * A user-space fault handler as people write it, synchronous: woken by poll, it reads a batch of whole groups, repairs
 * their pages, and writes the answers after the time that took. Nothing is read while `inFlightMax` groups are unanswered.
 */
export class FaultLoop {
  readonly counts: LoopCounts
  readonly #options: FaultLoopOptions
  readonly #queue: FaultQueue
  readonly #route: PagerRoute
  readonly #costs: FaultLoopCosts
  readonly #misbehaviour: Misbehaviour
  /** Groups handled well before it misbehaves. */
  readonly #goodGroups: number
  readonly #records: FaultRecords
  #responses: Responses
  readonly #work: Alarm
  #working: boolean
  #stopped: boolean

  constructor(world: World, options: FaultLoopOptions) {
    assert(
      options.batchRecords >= 1 && options.inFlightMax >= 1,
      'a fault loop reads at least one record at a time',
    )
    this.counts = { groups: 0, success: 0, invalid: 0, refused: 0 }
    this.#options = options
    this.#queue = options.queue
    this.#route = options.route
    this.#costs = options.costs ?? NO_LOOP_COSTS
    const { kind, after } = (this.#misbehaviour = options.misbehaviour ?? WELL_BEHAVED)
    this.#goodGroups = kind === 'none' ? Infinity : after
    this.#records = new FaultRecords(Math.min(options.batchRecords, options.inFlightMax))
    this.#responses = new Responses(this.#records.capacity)
    this.#work = world.clock.createAlarm('handler', () => {
      this.#working = false
      this.#answer()
      this.#serve()
    })
    this.#working = false
    this.#stopped = false
  }

  start(): void {
    this.#options.queue.onReadable(() => {
      if (!this.#working) this.#serve()
    })
  }

  /** Reads nothing more; groups read and not answered stay outstanding (detach the devices before). */
  stop(): void {
    this.#stopped = true
    this.#work.cancel()
    this.#options.queue.onReadable(undefined)
  }

  /** Reads and repairs until the queue is empty or time has to pass. */
  #serve(): void {
    while (!this.#stopped) {
      const records = this.#read()
      if (records === 0) return
      const nanos = this.#repairAll(records)
      if (nanos > 0) {
        this.#working = true
        this.#work.arm(nanos)
        return
      }
      this.#answer()
    }
  }

  #read(): number {
    for (;;) {
      try {
        return this.#queue.readBytes(this.#records.bytes) / RECORD_BYTES
      } catch (thrown) {
        if (thrown === EINVAL) this.#grow()
        else if (!isTransient(thrown)) throw thrown
      }
    }
  }

  /** For a group larger than the buffer; nothing is unanswered at this point. */
  #grow(): void {
    this.#records.grow()
    this.#responses = new Responses(this.#records.capacity)
  }

  /** Repairs every group of the batch and prepares its answer; returns the virtual time of the work. */
  #repairAll(records: number): number {
    const list = this.#records
    let nanos = 2 * this.#costs.systemCallNanos
    let ok = true
    for (let index = 0; index < records && !this.#stopped; index++) {
      const pager = this.#route.pagerFor(list.deviceId(index), list.pasid(index))
      if (pager === undefined) ok = false
      else {
        ok = pager.repair(list.addressHi(index), list.addressLo(index), list.perm(index)) && ok
        if (pager.spentNanos !== 0) {
          nanos += pager.spentNanos
          pager.spentNanos = 0
        }
      }
      const cookie = list.cookie(index)
      if (index + 1 < records && list.cookie(index + 1) === cookie) continue
      nanos += this.#costs.handlerNanos + this.#prepare(cookie, ok)
      ok = true
    }
    return nanos
  }

  /** Queues the answer of a group, as far as the handler behaves; returns the delay it adds. */
  #prepare(cookie: number, ok: boolean): number {
    const { counts } = this
    counts.groups++
    if (ok) counts.success++
    else counts.invalid++
    const code = ok ? 0 : 1
    if (counts.groups > this.#goodGroups) return this.#misbehave(cookie, code)
    this.#responses.push(cookie, code)
    return 0
  }

  #misbehave(cookie: number, code: number): number {
    const { kind, delayNanos } = this.#misbehaviour
    if (kind === 'slow') {
      this.#responses.push(cookie, code)
      return delayNanos
    }
    if (kind === 'wrong-cookie') this.#responses.push(cookie + 0x10000, code)
    else if (kind === 'invalid-code') this.#responses.push(cookie, 2)
    else if (kind === 'dies-after') this.#die()
    return 0
  }

  #die(): void {
    if (this.#stopped) return
    this.stop()
    this.#options.onDeath?.()
  }

  /** Writes all answers; one that is refused is dropped, the rest is tried again, as write(2) wants it. */
  #answer(): void {
    const responses = this.#responses
    while (responses.count > 0 && !this.#stopped) {
      try {
        const taken = this.#queue.writeBytes(responses.bytes, responses.count * RESPONSE_BYTES)
        responses.drop(taken / RESPONSE_BYTES)
      } catch (thrown) {
        if (!isErrno(thrown)) throw thrown
        if (isTransient(thrown)) continue
        this.counts.refused++
        responses.drop(1)
      }
    }
  }
}
