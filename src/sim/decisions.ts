// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { DECISIONS_LOGGED_MAX } from '../base/limits.ts'
import { Rng } from './rng.ts'

/**
 * The only source of anything undetermined. A topic names the question: in a log it reads `step` (which due alarm
 * runs), `latency:<hop>` (how long a hop takes) or `fail:<point>` (whether an operation fails).
 */
export interface Decisions {
  /** First come first served, base latencies, no failures: callers may skip the question. */
  readonly isDefault: boolean
  /** One of `count` alternatives, 0 … count-1. Default: 0. */
  choose(topic: string, count: number): number
  /** Nanoseconds that a hop takes. Default: `baseNanos`. */
  latency(topic: string, baseNanos: number): number
  /** Whether the operation at a failure point fails now. Default: false. */
  fails(point: string): boolean
}

const DEFAULT: Decisions = {
  isDefault: true,
  choose: () => 0,
  latency: (_topic, baseNanos) => baseNanos,
  fails: () => false,
}

export function defaultDecisions(): Decisions {
  return DEFAULT
}

export interface SeededOptions {
  /** Factors between which latencies are drawn, half of them below the base. Default: 0.5 and 4. */
  readonly latencySpread?: { readonly from: number; readonly to: number }
  /** Probability that a failure point fails, 0 … 1. Default: 0. */
  readonly failureChance?: number
}

/** Draws are counted in 1/4096 of the spread, so that integer arithmetic gives the same latency on every engine. */
const SPREAD_STEPS = 4096

class SeededDecisions implements Decisions {
  readonly isDefault = false
  readonly #rng: Rng
  readonly #from: number
  readonly #to: number
  readonly #failureChance: number

  constructor(seed: number, options: SeededOptions) {
    this.#rng = new Rng(seed)
    this.#from = options.latencySpread?.from ?? 0.5
    this.#to = options.latencySpread?.to ?? 4
    this.#failureChance = options.failureChance ?? 0
    assert(0 <= this.#from && this.#from <= 1, `latencySpread.from must be 0 to 1, not ${this.#from}`)
    assert(1 <= this.#to && this.#to <= 1e6, `latencySpread.to must be 1 to 1000000, not ${this.#to}`)
    assert(
      0 <= this.#failureChance && this.#failureChance <= 1,
      `failureChance must be 0 to 1, not ${this.#failureChance}`,
    )
  }

  choose(_topic: string, count: number): number {
    return this.#rng.below(count)
  }

  latency(_topic: string, baseNanos: number): number {
    const draw = this.#rng.next()
    const fraction = ((draw >>> 1) % SPREAD_STEPS) / SPREAD_STEPS
    const factor = (draw & 1) === 0 ? this.#from + (1 - this.#from) * fraction : 1 + (this.#to - 1) * fraction
    return Math.floor(baseNanos * factor)
  }

  fails(_point: string): boolean {
    return this.#rng.chance(this.#failureChance)
  }
}

/** Everything drawn from one seed (a whole number, 0 … 2^53-1): the same seed asks and answers the same. */
export function seededDecisions(seed: number, options: SeededOptions = {}): Decisions {
  return new SeededDecisions(seed, options)
}

/** What was asked and answered, in order; plain data for JSON. */
export interface DecisionLog {
  readonly version: 1
  /** Topics by number. */
  readonly topics: string[]
  /** Three numbers a decision: topic, range (`count`, `baseNanos`, or 2), answer. */
  readonly entries: number[]
}

class RecordingDecisions implements Decisions {
  readonly isDefault = false
  readonly log: DecisionLog
  readonly #inner: Decisions
  readonly #numbers: Record<Kind, Map<string, number>>

  constructor(inner: Decisions) {
    this.log = { version: 1, topics: [], entries: [] }
    this.#inner = inner
    this.#numbers = { choose: new Map(), latency: new Map(), fail: new Map() }
  }

  choose(topic: string, count: number): number {
    return this.#write('choose', topic, count, this.#inner.choose(topic, count))
  }

  latency(topic: string, baseNanos: number): number {
    return this.#write('latency', topic, baseNanos, this.#inner.latency(topic, baseNanos))
  }

  fails(point: string): boolean {
    return this.#write('fail', point, 2, this.#inner.fails(point) ? 1 : 0) === 1
  }

  #write(kind: Kind, topic: string, range: number, answer: number): number {
    const { topics, entries } = this.log
    assert(entries.length < 3 * DECISIONS_LOGGED_MAX, 'more decisions to record than DECISIONS_LOGGED_MAX')
    let number = this.#numbers[kind].get(topic)
    if (number === undefined) {
      number = topics.push(fullTopic(kind, topic)) - 1
      this.#numbers[kind].set(topic, number)
    }
    entries.push(number, range, answer)
    return answer
  }
}

type Kind = 'choose' | 'latency' | 'fail'

/** The topic as logs and traces spell it. */
export function fullTopic(kind: Kind, topic: string): string {
  return kind === 'choose' ? topic : `${kind}:${topic}`
}

/** Passes every question on and writes the answer down. */
export function recordingDecisions(inner: Decisions): { decisions: Decisions; log: DecisionLog } {
  const decisions = new RecordingDecisions(inner)
  return { decisions, log: decisions.log }
}

/** The run asked something else than the recorded one did at this position. */
export class ReplayDivergence extends Error {
  override readonly name = 'ReplayDivergence'
  /** Number of the decision, from 0. */
  readonly position: number

  constructor(position: number, message: string) {
    super(`replay diverged at decision ${position}: ${message}`)
    this.position = position
  }
}

class ReplayDecisions implements Decisions {
  readonly isDefault = false
  readonly #log: DecisionLog
  #position = 0

  constructor(log: DecisionLog) {
    assert(log.version === 1, `decision log of version ${String(log.version)}, expected 1`)
    this.#log = log
  }

  choose(topic: string, count: number): number {
    return this.#read('choose', topic, count)
  }

  latency(topic: string, baseNanos: number): number {
    return this.#read('latency', topic, baseNanos)
  }

  fails(point: string): boolean {
    return this.#read('fail', point, 2) === 1
  }

  #read(kind: Kind, topic: string, range: number): number {
    const position = this.#position++
    const { topics, entries } = this.#log
    const asked = fullTopic(kind, topic)
    if (3 * position >= entries.length)
      throw new ReplayDivergence(position, `the log ends, asked is ${asked}`)
    const logged = topics[entries[3 * position]!]
    const loggedRange = entries[3 * position + 1]!
    if (logged !== asked || loggedRange !== range)
      throw new ReplayDivergence(
        position,
        `recorded is ${logged} of ${loggedRange}, asked is ${asked} of ${range}`,
      )
    const answer = entries[3 * position + 2]!
    if (!(Number.isSafeInteger(answer) && answer >= 0 && (kind === 'latency' || answer < range)))
      throw new ReplayDivergence(position, `recorded answer ${answer} is none to ${asked} of ${range}`)
    return answer
  }
}

/** Answers from a log. Throws `ReplayDivergence` when the run asks something else. */
export function replayDecisions(log: DecisionLog): Decisions {
  return new ReplayDecisions(log)
}
