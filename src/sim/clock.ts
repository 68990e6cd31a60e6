// SPDX-License-Identifier: MIT
import { assert, broken } from '../base/assert.ts'
import { Heap, type HeapNode } from '../base/heap.ts'
import { TIME_NANOS_MAX } from '../base/limits.ts'
import { type DueNode, DueQueue } from './due-queue.ts'

/** Something that will happen at an instant. Made once, armed again and again; arming allocates nothing. */
export class Alarm implements HeapNode, DueNode {
  readonly name: string
  readonly run: () => void
  heapIndex = -1
  heapKey: number = Number.NaN
  duePlace = -1
  readonly #clock: Clock

  /** Through `clock.createAlarm`. */
  constructor(clock: Clock, name: string, run: () => void) {
    this.name = name
    this.run = run
    this.#clock = clock
  }

  get armed(): boolean {
    return this.duePlace >= 0 || this.heapIndex >= 0
  }

  /** Instant at which the alarm is due; asserts that it is armed. */
  get at(): number {
    return this.#clock.timeOf(this)
  }

  /** `delayNanos` from now, a whole number, not negative. An armed alarm moves: it counts as armed anew. */
  arm(delayNanos: number): void {
    this.#clock.schedule(this, delayNanos)
  }

  /** At the instant, which must not be in the past. */
  armAt(nanos: number): void {
    this.#clock.schedule(this, nanos - this.#clock.now)
  }

  /** Nothing happens when it is not armed. */
  cancel(): void {
    this.#clock.unschedule(this)
  }
}

/**
 * Time in whole nanoseconds. Virtual by default: it stands still while a step runs and jumps to the next alarm between
 * steps. With `source` (live use) time is the source's, and an alarm becomes due when the source has passed it.
 *
 * Alarms of one instant are due in the order in which they were armed.
 */
export class Clock {
  /** The present instant. Written by the clock only. */
  now = 0
  /** Alarms of the present instant, in order of arming. The scheduler takes from here. */
  readonly due: DueQueue<Alarm>
  readonly #later: Heap<Alarm>
  readonly #source: (() => number) | undefined

  constructor(source?: () => number) {
    this.due = new DueQueue<Alarm>()
    this.#later = new Heap<Alarm>()
    this.#source = source
    if (source !== undefined) this.synchronize()
  }

  /** Time comes from outside: it passes without steps. */
  get live(): boolean {
    return this.#source !== undefined
  }

  createAlarm(name: string, run: () => void): Alarm {
    return new Alarm(this, name, run)
  }

  /** Number of armed alarms. */
  get armedCount(): number {
    return this.due.length + this.#later.length
  }

  /** Instant of the earliest alarm; Infinity when none is armed. */
  get nextAt(): number {
    return this.due.length > 0 ? this.now : this.#later.firstKey
  }

  /** Makes `due` hold the alarms to run next, moving time to them where it is virtual. `false`: none to run. */
  advance(): boolean {
    if (this.due.length > 0) return true
    const later = this.#later
    let { first } = later
    if (this.#source !== undefined) this.synchronize()
    else if (first !== undefined) this.now = first.heapKey
    while (first !== undefined && first.heapKey <= this.now) {
      this.due.push(later.shift()!)
      first = later.first
    }
    return this.due.length > 0
  }

  /** Live: reads the source. A source that went back is ignored until it has caught up. */
  synchronize(): void {
    if (this.#source === undefined) return
    const nanos = Math.floor(this.#source())
    assert(nanos >= 0 && nanos <= TIME_NANOS_MAX, `time source gave ${nanos}`)
    if (nanos > this.now) this.now = nanos
  }

  /** See `Alarm.arm`. */
  schedule(alarm: Alarm, delayNanos: number): void {
    if (delayNanos !== 0) {
      this.#scheduleLater(alarm, delayNanos)
      return
    }
    if (alarm.armed) this.unschedule(alarm)
    this.due.push(alarm)
  }

  /** See `Alarm.cancel`. */
  unschedule(alarm: Alarm): void {
    if (alarm.duePlace >= 0) this.due.remove(alarm)
    else if (alarm.heapIndex >= 0) this.#later.remove(alarm)
  }

  /** See `Alarm.at`. */
  timeOf(alarm: Alarm): number {
    if (!alarm.armed) broken(`alarm ${alarm.name} is not armed`)
    return alarm.duePlace >= 0 ? this.now : alarm.heapKey
  }

  #scheduleLater(alarm: Alarm, delayNanos: number): void {
    const at = this.now + delayNanos
    if (!(delayNanos >= 0 && at <= TIME_NANOS_MAX && Math.floor(delayNanos) === delayNanos))
      broken(`delay of alarm ${alarm.name} must be a whole number of nanoseconds, not ${delayNanos}`)
    if (alarm.armed) this.unschedule(alarm)
    alarm.heapKey = at
    this.#later.push(alarm)
  }
}
