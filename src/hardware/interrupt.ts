// SPDX-License-Identifier: MIT
import type { Alarm } from '../sim/clock.ts'
import { EVENTS } from '../trace/events.ts'
import type { World } from '../trace/world.ts'

/**
 * An edge-triggered message interrupt. `raise` while one is on its way is merged with it, as with a pending bit;
 * the handler runs as a step of its own after the interrupt latency.
 */
export class Interrupt {
  readonly name: string
  readonly #world: World
  readonly #alarm: Alarm
  readonly #latencyNanos: number
  #handler: (() => void) | undefined = undefined

  constructor(world: World, name: string, latencyNanos: number) {
    this.name = name
    this.#world = world
    this.#latencyNanos = latencyNanos
    this.#alarm = world.clock.createAlarm(name, () => this.#deliver())
  }

  /** Kernel side: who is called. `undefined` disconnects; an interrupt under way is then lost, as on hardware. */
  connect(handler: (() => void) | undefined): void {
    this.#handler = handler
  }

  get pending(): boolean {
    return this.#alarm.armed
  }

  raise(): void {
    if (!this.#alarm.armed) this.#alarm.arm(this.#world.decisions.latency('interrupt', this.#latencyNanos))
  }

  /** Runs a pending interrupt now: what a driver does that waits for its own handler while it drains. */
  deliverPending(): void {
    if (!this.#alarm.armed) return
    this.#alarm.cancel()
    this.#deliver()
  }

  #deliver(): void {
    const { trace } = this.#world
    if (trace.enabled) trace.emit(EVENTS.interrupt, 0, trace.intern(this.name))
    this.#handler?.()
  }
}
