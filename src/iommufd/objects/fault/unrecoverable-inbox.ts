// SPDX-License-Identifier: MIT
import type { FaultEvent } from '../../../kernel/iommu/fault.ts'
import type { Alarm } from '../../../sim/clock.ts'
import type { World } from '../../../trace/world.ts'

/** An access that was refused for good, as a listener of a fault queue hears of it. */
export interface UnrecoverableRecord {
  /** Requester id of the device. */
  readonly rid: number
  /** -1: without PASID. */
  readonly pasid: number
  readonly addr_hi: number
  readonly addr_lo: number
  /** IOMMU_PGFAULT_PERM_ bits. */
  readonly perm: number
  /** The unit's own reason code. */
  readonly reason: number
}

/** The wish that one place hears of both kinds of fault (`spec/00` 0.5): nothing is kept until somebody listens. */
export class UnrecoverableInbox {
  readonly #world: World
  readonly #wakeLatencyNanos: number
  #records: UnrecoverableRecord[] = []
  #listener: ((records: readonly UnrecoverableRecord[]) => void) | undefined = undefined
  #alarm: Alarm | undefined = undefined

  constructor(world: World, wakeLatencyNanos: number) {
    this.#world = world
    this.#wakeLatencyNanos = wakeLatencyNanos
  }

  /** Called as a step of its own with what came since the last call; `undefined` stops it. */
  listen(listener: ((records: readonly UnrecoverableRecord[]) => void) | undefined): void {
    this.#listener = listener
    this.#records = []
    if (listener === undefined) this.#alarm?.cancel()
  }

  put(event: FaultEvent): void {
    if (this.#listener === undefined) return
    const { rid, pasid, perm, reason } = event
    this.#records.push({ rid, pasid, addr_hi: event.addrHi, addr_lo: event.addrLo, perm, reason })
    this.#alarm ??= this.#world.clock.createAlarm('unrecoverable_wake', () => this.#deliver())
    if (!this.#alarm.armed) {
      this.#alarm.arm(this.#world.decisions.latency('unrecoverable_wake', this.#wakeLatencyNanos))
    }
  }

  #deliver(): void {
    const records = this.#records
    this.#records = []
    this.#listener?.(records)
  }
}
