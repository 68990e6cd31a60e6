// SPDX-License-Identifier: MIT
import type { Alarm } from '../../sim/clock.ts'
import type { World } from '../../trace/world.ts'
import type { PciFunction } from '../pci/messages.ts'
import type { Functions } from './functions.ts'

/** Int32 of one message: requester id, PASID, group index, code, private data. */
const STRIDE = 6
const MESSAGES_INITIAL = 64

/**
 * PRG Responses on their way to the functions, first in first out. Those of one instant arrive in one step; where
 * decisions are asked for, each in a step of its own, so that others can come between. The queue grows: it holds at most
 * the groups outstanding at all functions and what one command ring repeats.
 */
export class ResponseLink {
  delivered: number
  readonly #world: World
  readonly #functions: Functions
  readonly #latencyNanos: number
  readonly #alarm: Alarm
  #messages: Int32Array
  #times: Float64Array
  #first: number
  #count: number
  #lastTime: number

  constructor(world: World, functions: Functions, name: string, latencyNanos: number) {
    this.delivered = 0
    this.#world = world
    this.#functions = functions
    this.#latencyNanos = latencyNanos
    this.#alarm = world.clock.createAlarm(`${name} response link`, () => this.#arrive())
    this.#messages = new Int32Array(MESSAGES_INITIAL * STRIDE)
    this.#times = new Float64Array(MESSAGES_INITIAL)
    this.#first = 0
    this.#count = 0
    this.#lastTime = 0
  }

  get length(): number {
    return this.#count
  }

  send(rid: number, pasid: number, grpid: number, code: number, private0: number, private1: number): void {
    if (this.#count === this.#times.length) this.#grow()
    const index = (this.#first + this.#count++) & (this.#times.length - 1)
    const messages = this.#messages
    const at = index * STRIDE
    messages[at] = rid
    messages[at + 1] = pasid
    messages[at + 2] = grpid
    messages[at + 3] = code
    messages[at + 4] = private0
    messages[at + 5] = private1
    const { clock, decisions } = this.#world
    const due = clock.now + decisions.latency('link', this.#latencyNanos)
    if (due > this.#lastTime) this.#lastTime = due
    this.#times[index] = this.#lastTime
    if (this.#count === 1) this.#alarm.armAt(this.#lastTime)
  }

  /** Everything on its way arrives now. */
  flush(): void {
    this.#alarm.cancel()
    while (this.#count > 0) this.#deliverFirst()
  }

  #arrive(): void {
    const { clock, decisions } = this.#world
    do this.#deliverFirst()
    while (this.#count > 0 && this.#times[this.#first]! <= clock.now && decisions.isDefault)
    if (this.#count > 0) this.#alarm.armAt(Math.max(this.#times[this.#first]!, clock.now))
  }

  #deliverFirst(): void {
    const messages = this.#messages
    const at = this.#first * STRIDE
    this.#first = (this.#first + 1) & (this.#times.length - 1)
    this.#count--
    this.delivered++
    const target = this.#functions.get(messages[at]!)
    if (target === undefined) return
    this.deliver(
      target.port,
      messages[at + 1]!,
      messages[at + 2]!,
      messages[at + 3]!,
      messages[at + 4]!,
      messages[at + 5]!,
    )
  }

  protected deliver(
    port: PciFunction,
    pasid: number,
    grpid: number,
    code: number,
    private0: number,
    private1: number,
  ): void {
    port.pageGroupResponse(pasid, grpid, code, private0, private1)
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
