// SPDX-License-Identifier: MIT
import { assert, broken } from '../base/assert.ts'
import { MICROTASK_TURNS_MAX, MICROTASK_TURNS_SHARED, STEPS_PER_RUN_MAX } from '../base/limits.ts'
import type { Alarm, Clock } from './clock.ts'
import type { Decisions } from './decisions.ts'
import { Gate, type GateWorld } from './gate.ts'
import { Task } from './task.ts'
import { namesOf, Waits } from './waits.ts'

/** Awaiting it gives the microtasks one turn. */
const TURN: Promise<void> = Promise.resolve()

/** No step is left and every task waits: nothing can ever wake them. */
export class Deadlock extends Error {
  override readonly name = 'Deadlock'
}

/**
 * Runs the world step by step. A step is one alarm; asynchronous user code (tasks) runs between steps, and time stands
 * still until every task waits at a gate or has finished.
 */
export class Scheduler {
  readonly clock: Clock
  readonly decisions: Decisions
  /** Steps run so far. */
  steps = 0
  /**
   * Gives real time a turn when a task awaits something that is not a gate (a file, a socket): a host sets it. Without
   * it such an await is an error. In live use it also waits for the next alarm or for what the host brings.
   */
  idle: (() => Promise<void>) | undefined
  /** Called after every step, by those who watch that nothing breaks. */
  afterStep: (() => void) | undefined
  /** Which of several due alarms runs is asked. */
  readonly #asks: boolean
  #stepping = false
  #driving = false
  readonly #waits: Waits
  readonly #sleepers: Gate<void>[]

  constructor(clock: Clock, decisions: Decisions) {
    this.clock = clock
    this.decisions = decisions
    this.#asks = !decisions.isDefault
    this.idle = undefined
    this.afterStep = undefined
    this.#waits = new Waits()
    this.#sleepers = []
  }

  /** Runs one due alarm, moving virtual time to it. `false`: none is due. */
  step(): boolean {
    if (this.#stepping) broken('a step runs inside a step')
    const { due } = this.clock
    if (due.length === 0 && !this.clock.advance()) return false
    const alarm = this.#asks && due.length > 1 ? this.#choose() : due.shift()!
    this.steps++
    this.#stepping = true
    try {
      alarm.run()
    } finally {
      this.#stepping = false
    }
    if (this.afterStep !== undefined) this.afterStep()
    return true
  }

  /** Steps until no alarm is armed (live: due). Returns how many; asserts that the limit is enough. */
  runUntilIdle(stepsMax: number = STEPS_PER_RUN_MAX): number {
    let count = 0
    while (this.step()) {
      count++
      if (count > stepsMax)
        broken(`not idle after ${stepsMax} steps; alarm due next: ${this.clock.due.first?.name}`)
    }
    return count
  }

  /** A waiting place for tasks. `latencyNanos`: time from `open` to the waking step, asked under the gate's name. */
  createGate<T>(name: string, latencyNanos = 0): Gate<T> {
    return new Gate<T>(this.#gateWorld(), name, latencyNanos)
  }

  /** Parks the calling task for exactly that long. */
  sleep(delayNanos: number): Promise<void> {
    const gate = this.#sleepers.pop() ?? this.#createSleeper()
    const promise = gate.wait()
    gate.openAfter(delayNanos, undefined)
    return promise
  }

  /** Starts a task beside the others. A failure that nobody joins rejects every `run` under way, or else the next. */
  spawn<T>(name: string, body: () => Promise<T>): Task<T> {
    return new Task<T>(this.#waits, name, body, false)
  }

  /** Starts a task and steps until it has finished; the other tasks may stay parked. Not from inside a task. */
  async run<T>(body: () => Promise<T>, name = 'main'): Promise<T> {
    assert(!this.#driving, `run(${name}) while another run drives the steps: use spawn and join`)
    this.#driving = true
    try {
      const task = new Task<T>(this.#waits, name, body, true)
      await this.#drive(task)
      return await task.outcome
    } finally {
      this.#driving = false
    }
  }

  async #drive(task: Task<unknown>): Promise<void> {
    const waits = this.#waits
    for (;;) {
      if (waits.active > 0 || waits.wokeShared) {
        await TURN
        if (waits.active > 0 || waits.wokeShared) await this.#settleTasks(task)
      }
      this.#throwFailure()
      if (task.settled) return
      if (this.step()) continue
      if (!this.clock.live) throw this.#deadlock()
      await this.#turn('no alarm is due, and no host is set to wait with')
    }
  }

  /** Lets tasks run until all of them wait, where one turn was not enough. */
  async #settleTasks(task: Task<unknown>): Promise<void> {
    const waits = this.#waits
    if (waits.wokeShared) {
      waits.wokeShared = false
      for (let turn = 0; turn < MICROTASK_TURNS_SHARED; turn++) await TURN
    }
    for (let turn = 0; waits.active > 0 && !task.settled; turn++) {
      if (turn < MICROTASK_TURNS_MAX) await TURN
      else await this.#turn('a task awaits something that is no gate, and no host is set to wait with')
    }
  }

  async #turn(without: string): Promise<void> {
    if (this.idle === undefined) broken(`${without}; tasks: ${namesOf(this.#waits.tasks)}`)
    await this.idle()
  }

  #throwFailure(): void {
    const { failure } = this.#waits
    this.#waits.failure = undefined
    if (failure !== undefined) throw failure.error
  }

  #deadlock(): Deadlock {
    const { tasks, places } = this.#waits
    return new Deadlock(`no step is left; waiting at: ${namesOf(places)}; tasks: ${namesOf(tasks)}`)
  }

  #gateWorld(): GateWorld {
    return { clock: this.clock, decisions: this.decisions, waits: this.#waits }
  }

  #createSleeper(): Gate<void> {
    return new Gate<void>(this.#gateWorld(), 'sleep', 0, (gate) => this.#sleepers.push(gate))
  }

  #choose(): Alarm {
    const { due } = this.clock
    const alarm = due.at(this.decisions.choose('step', due.length))!
    due.remove(alarm)
    return alarm
  }
}
