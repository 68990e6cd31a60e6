// SPDX-License-Identifier: MIT
import type { Alarm, Clock } from './clock.ts'
import type { Decisions } from './decisions.ts'
import type { Waits } from './waits.ts'

export interface GateWorld {
  readonly clock: Clock
  readonly decisions: Decisions
  readonly waits: Waits
}

/**
 * A place where asynchronous code waits, to be used again and again. It is a condition, not a latch: opening it while
 * nobody waits does nothing, so look at the state first and wait then (nothing runs in between).
 */
export class Gate<T> {
  readonly name: string
  readonly #decisions: Decisions
  readonly #waits: Waits
  readonly #latencyNanos: number
  readonly #alarm: Alarm
  readonly #onWake: ((gate: Gate<T>) => void) | undefined
  #promise: Promise<T> | undefined
  #resolve: ((value: T) => void) | undefined
  #reject: ((error: unknown) => void) | undefined
  #waiters = 0
  #value: T | undefined
  #error: unknown
  #fails = false

  /** Through `scheduler.createGate`. `onWake` runs in the waking step, when nobody waits any more. */
  constructor(world: GateWorld, name: string, latencyNanos: number, onWake?: (gate: Gate<T>) => void) {
    this.name = name
    this.#decisions = world.decisions
    this.#waits = world.waits
    this.#latencyNanos = latencyNanos
    this.#onWake = onWake
    this.#alarm = world.clock.createAlarm(name, () => this.#wake())
    this.#promise = undefined
    this.#resolve = undefined
    this.#reject = undefined
    this.#value = undefined
    this.#error = undefined
  }

  /** Somebody waits. */
  get waiting(): boolean {
    return this.#waiters > 0
  }

  /** Opened, and the waking step has not run. */
  get opening(): boolean {
    return this.#alarm.armed
  }

  /** Parks the caller until the gate opens. All who wait are woken together and get the same value. */
  wait(): Promise<T> {
    this.#waiters++
    this.#waits.begin(this)
    this.#promise ??= new Promise<T>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    return this.#promise
  }

  /** Wakes who waits, in a step after the gate's latency. While that is under way only the value changes. */
  open(value: T): void {
    this.#settle(value, undefined, false)
    if (!this.#alarm.armed) this.#alarm.arm(this.#decisions.latency(this.name, this.#latencyNanos))
  }

  /** As `open`, after exactly that delay; moves an opening under way. */
  openAfter(delayNanos: number, value: T): void {
    this.#settle(value, undefined, false)
    this.#alarm.arm(delayNanos)
  }

  /** As `open`, but the waits reject with the error. */
  fail(error: unknown): void {
    this.#settle(undefined, error, true)
    if (!this.#alarm.armed) this.#alarm.arm(this.#decisions.latency(this.name, this.#latencyNanos))
  }

  /** Takes an opening under way back. */
  cancel(): void {
    this.#alarm.cancel()
  }

  #settle(value: T | undefined, error: unknown, fails: boolean): void {
    this.#value = value
    this.#error = error
    this.#fails = fails
  }

  #wake(): void {
    const value = this.#value!
    const error = this.#error
    this.#settle(undefined, undefined, this.#fails)
    if (this.#waiters === 0) return
    this.#waits.end(this, this.#waiters)
    this.#waiters = 0
    this.#promise = undefined
    this.#onWake?.(this)
    if (this.#fails) this.#reject?.(error)
    else this.#resolve?.(value)
  }
}
