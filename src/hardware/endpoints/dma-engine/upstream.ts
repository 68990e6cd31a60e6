// SPDX-License-Identifier: MIT
import type { Alarm } from '../../../sim/clock.ts'
import type { World } from '../../../trace/world.ts'
import { PageRequest, type TranslationAgent } from '../../pci/messages.ts'

/** Int32 of one message: kind, PASID, address (or ITag vector), group and flags, private data. */
const STRIDE = 7
const MESSAGES_INITIAL = 64
const KIND_REQUEST = 0
const KIND_COMPLETION = 1

const ACCESS_SHIFT = 10
const LAST = 1 << 9

/**
 * Posted messages to the unit, first in first out: page requests, Stop Markers, invalidate completions. A completion
 * pushes everything before it ahead of itself, as posted writes do. The queue grows: it holds at most the page
 * requests that credits allow, a Stop Marker a PASID and 32 completions.
 */
export class Upstream {
  /** The message that `pageRequest` sends; its requester id stays. */
  readonly request: PageRequest
  readonly #world: World
  readonly #rid: number
  readonly #agent: TranslationAgent
  readonly #requestNanos: number
  readonly #completionNanos: number
  readonly #alarm: Alarm
  readonly #arriving: PageRequest
  #messages: Int32Array
  #times: Float64Array
  #first: number
  #count: number
  #lastTime: number

  constructor(
    world: World,
    name: string,
    rid: number,
    agent: TranslationAgent,
    latencies: { readonly pageRequest: number; readonly invalidation: number },
  ) {
    this.#world = world
    this.#rid = rid
    this.#agent = agent
    this.#requestNanos = latencies.pageRequest
    this.#completionNanos = latencies.invalidation
    this.#alarm = world.clock.createAlarm(`${name} upstream`, () => this.#arrive())
    this.request = new PageRequest()
    this.#arriving = new PageRequest()
    this.request.rid = this.#arriving.rid = rid
    this.#messages = new Int32Array(MESSAGES_INITIAL * STRIDE)
    this.#times = new Float64Array(MESSAGES_INITIAL)
    this.#first = 0
    this.#count = 0
    this.#lastTime = 0
  }

  get length(): number {
    return this.#count
  }

  /** Sends what the sender has written to `request`. */
  pageRequest(): void {
    const { request } = this
    if (this.#requestNanos === 0 && this.#count === 0) {
      this.#agent.pageRequest(request)
      return
    }
    const flags = request.grpid | (request.access << ACCESS_SHIFT) | (request.last ? LAST : 0)
    const at = this.#append('page-request', this.#requestNanos)
    const messages = this.#messages
    messages[at] = KIND_REQUEST
    messages[at + 1] = request.pasid
    messages[at + 2] = request.addressHi
    messages[at + 3] = request.addressLo
    messages[at + 4] = flags
    messages[at + 5] = request.private0
    messages[at + 6] = request.private1
  }

  invalidateCompletion(itagVector: number): void {
    if (this.#completionNanos === 0) {
      if (this.#count > 0) this.flush()
      this.#agent.invalidateCompletion(this.#rid, itagVector)
      return
    }
    const at = this.#append('invalidation', this.#completionNanos)
    this.#messages[at] = KIND_COMPLETION
    this.#messages[at + 2] = itagVector
  }

  /** Everything on its way arrives now. */
  flush(): void {
    this.#alarm.cancel()
    while (this.#count > 0) this.#deliverFirst()
  }

  /** Everything on its way is lost. */
  clear(): void {
    this.#alarm.cancel()
    this.#count = 0
  }

  /** Room for one message that arrives after the latency, not before those ahead of it. Returns its first int. */
  #append(topic: string, baseNanos: number): number {
    if (this.#count === this.#times.length) this.#grow()
    const index = (this.#first + this.#count++) & (this.#times.length - 1)
    const { clock, decisions } = this.#world
    const due = clock.now + (baseNanos === 0 ? 0 : decisions.latency(topic, baseNanos))
    this.#lastTime = Math.max(this.#lastTime, due)
    this.#times[index] = this.#lastTime
    if (this.#count === 1) this.#alarm.armAt(this.#lastTime)
    return index * STRIDE
  }

  /** What is due arrives, in order, in one step. */
  #arrive(): void {
    const { clock } = this.#world
    while (this.#count > 0 && this.#times[this.#first]! <= clock.now) this.#deliverFirst()
    if (this.#count > 0) this.#alarm.armAt(this.#times[this.#first]!)
  }

  #deliverFirst(): void {
    const messages = this.#messages
    const at = this.#first * STRIDE
    this.#first = (this.#first + 1) & (this.#times.length - 1)
    this.#count--
    if (messages[at] === KIND_COMPLETION) {
      this.#agent.invalidateCompletion(this.#rid, messages[at + 2]!)
      return
    }
    const request = this.#arriving
    const flags = messages[at + 4]!
    request.pasid = messages[at + 1]!
    request.addressHi = messages[at + 2]!
    request.addressLo = messages[at + 3]!
    request.grpid = flags & (LAST - 1)
    request.access = flags >>> ACCESS_SHIFT
    request.last = (flags & LAST) !== 0
    request.private0 = messages[at + 5]!
    request.private1 = messages[at + 6]!
    this.#agent.pageRequest(request)
  }

  #grow(): void {
    const size = this.#times.length
    const messages = new Int32Array(2 * size * STRIDE)
    const times = new Float64Array(2 * size)
    for (let i = 0; i < this.#count; i++) {
      const from = (this.#first + i) & (size - 1)
      messages.set(this.#messages.subarray(from * STRIDE, (from + 1) * STRIDE), i * STRIDE)
      times[i] = this.#times[from]!
    }
    this.#messages = messages
    this.#times = times
    this.#first = 0
  }
}
