// SPDX-License-Identifier: MIT
import { Clock } from '../sim/clock.ts'
import { type Decisions, defaultDecisions, fullTopic } from '../sim/decisions.ts'
import { Failpoints } from '../sim/failpoint.ts'
import { Scheduler } from '../sim/scheduler.ts'
import { EVENTS } from './events.ts'
import { Recorder } from './recorder.ts'

/** What every part of a machine is given: time, chance, failure and the trace. */
export interface World {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly decisions: Decisions
  readonly failpoints: Failpoints
  readonly trace: Recorder
}

export interface WorldOptions {
  /** Default: `defaultDecisions()`. */
  readonly decisions?: Decisions
  /** Default: off; with decisions that are not the default ones every failure point asks them. */
  readonly failpoints?: Failpoints
  /** Record events from the start. Default: false. */
  readonly trace?: boolean
  /** Bound of the recorder, see `RecorderOptions`. */
  readonly traceEventsMax?: number
  /** Default: a virtual clock at 0. */
  readonly clock?: Clock
}

function highWord(value: number): number {
  return Math.floor(value / 4294967296) | 0
}

/** Writes each question and its answer to the trace. */
class TracedDecisions implements Decisions {
  readonly isDefault = false
  readonly #inner: Decisions
  readonly #trace: Recorder

  constructor(inner: Decisions, trace: Recorder) {
    this.#inner = inner
    this.#trace = trace
  }

  choose(topic: string, count: number): number {
    return this.#note(fullTopic('choose', topic), count, this.#inner.choose(topic, count))
  }

  latency(topic: string, baseNanos: number): number {
    return this.#note(fullTopic('latency', topic), baseNanos, this.#inner.latency(topic, baseNanos))
  }

  fails(point: string): boolean {
    return this.#note(fullTopic('fail', point), 2, this.#inner.fails(point) ? 1 : 0) === 1
  }

  #note(topic: string, range: number, answer: number): number {
    const trace = this.#trace
    if (!trace.enabled) return answer
    trace.emit(
      EVENTS.decision,
      0,
      trace.intern(topic),
      highWord(range),
      range | 0,
      highWord(answer),
      answer | 0,
    )
    return answer
  }
}

export function createWorld(options: WorldOptions = {}): World {
  const clock = options.clock ?? new Clock()
  const { traceEventsMax } = options
  const trace = new Recorder(clock, traceEventsMax === undefined ? {} : { eventsMax: traceEventsMax })
  trace.enabled = options.trace ?? false
  const asked = options.decisions ?? defaultDecisions()
  const decisions = asked.isDefault ? asked : new TracedDecisions(asked, trace)
  const failpoints = options.failpoints ?? new Failpoints()
  if (options.failpoints === undefined && !decisions.isDefault) failpoints.decide(decisions)
  failpoints.onFailure = (name): void => {
    if (trace.enabled) trace.emit(EVENTS.failpoint, 0, trace.intern(name))
  }
  return { clock, scheduler: new Scheduler(clock, decisions), decisions, failpoints, trace }
}
