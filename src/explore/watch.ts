// SPDX-License-Identifier: MIT
import { EINVAL, isErrno } from '../base/errno.ts'
import { POLL_IN } from '../iommufd/files.ts'
import type { FaultQueue } from '../iommufd/iommufd.ts'
import { FAULT_LAST_PAGE } from '../kernel/iommu/fault.ts'
import type { Machine, MachineDevice } from '../machine/machine.ts'
import { Balance } from './balance.ts'

const NOTHING = new Uint8Array(0)

/**
 * Looks on while a machine runs and says what must not be: answers are counted where the kernel hands them to a
 * driver, requests where devices send them, and poll is compared with read after every step.
 */
export class Watch {
  readonly violations: string[]
  readonly #machine: Machine
  readonly #devices: readonly MachineDevice[]
  readonly #privateData: boolean
  readonly #balance: Balance
  #queue: FaultQueue | undefined
  /** Answers to requests that were not the last of their group: the kernel gives them where nobody handles faults (Q2). */
  #otherAnswers: number

  /** `privateData`: the machine was asked to hand it back with responses. */
  constructor(machine: Machine, privateData: boolean) {
    this.violations = []
    this.#privateData = privateData
    this.#machine = machine
    this.#devices = [...machine.devices]
    this.#otherAnswers = 0
    this.#balance = new Balance(machine.world.trace, (text) => this.#violate(text))
    for (const { device } of this.#devices) {
      const answer = device.answer.bind(device)
      device.answer = (request, code): void => {
        if ((request.flags & FAULT_LAST_PAGE) === 0) this.#otherAnswers++
        else this.#balance.answered(device.rid, request)
        answer(request, code)
      }
    }
    machine.world.trace.enabled = true
    machine.world.scheduler.afterStep = (): void => {
      this.#balance.settle()
      this.#comparePoll()
    }
  }

  watchQueue(queue: FaultQueue): void {
    this.#queue = queue
  }

  /** Poll says readable exactly when a read would give something: read(0) is EINVAL then, and 0 otherwise. */
  #comparePoll(): void {
    const queue = this.#queue
    if (queue === undefined) return
    try {
      const polled = (queue.poll() & POLL_IN) !== 0
      const readable = isReadable(queue)
      if (polled !== readable) this.#violate(`poll says ${polled}, read says ${readable}`)
    } catch (thrown) {
      this.#queue = undefined
      if (!(thrown instanceof Error) || !('code' in thrown) || thrown.code !== 'EBADF') throw thrown
    }
  }

  /** After everything was torn down: all checks, then the machine is shut down and its memory counted. */
  finish(): void {
    this.finishChecks()
    this.#machine.shutDown()
    this.#equal('frames in use after shut-down', this.#machine.frames.inUse, 0)
  }

  /** What must hold when nothing moves any more. */
  finishChecks(): void {
    this.#checkDevices()
    this.#checkKernel()
  }

  #checkDevices(): void {
    for (const { name, engine } of this.#devices) {
      const { counters } = engine
      const ends = counters.success + counters.invalid + counters.failure + counters.groupsDropped
      this.#equal(`${name}: groups that ended`, ends, counters.groups)
      this.#equal(`${name}: page requests outstanding`, engine.outstandingRequests, 0)
      if (this.#privateData) {
        this.#equal(`${name}: private data that came back wrong`, counters.privateDataMismatch, 0)
      }
      this.#equal(`${name}: transfers left`, engine.inFlight + engine.queued.length, 0)
    }
  }

  #checkKernel(): void {
    const machine = this.#machine
    let faults = 0
    let groups = 0
    for (const { faultQueue } of machine.iommus) {
      faults += faultQueue.pool.faultsInUse
      groups += faultQueue.pool.groupsInUse
    }
    this.#balance.settle()
    this.#equal('last requests reported and not answered', this.#balance.open, 0)
    this.#equal('faults left', faults, 0)
    this.#equal('groups left', groups, 0)
    this.#equal('frames pinned', machine.frames.pinned, 0)
    this.#equal('alarms armed', machine.world.clock.armedCount, 0)
    const unexpected = this.#devices.reduce((sum, { engine }) => sum + engine.counters.unexpectedPrgi, 0)
    if (unexpected > this.#otherAnswers) {
      this.#violate(`${unexpected} responses that no device expected, ${this.#otherAnswers} explained by Q2`)
    }
  }

  #equal(what: string, got: number, expected: number): void {
    if (got !== expected) this.#violate(`${what}: ${got}, expected ${expected}`)
  }

  #violate(text: string): void {
    if (this.violations.length < 20) this.violations.push(text)
  }
}

function isReadable(queue: FaultQueue): boolean {
  try {
    queue.readBytes(NOTHING)
    return false
  } catch (thrown) {
    if (isErrno(thrown) && thrown === EINVAL) return true
    throw thrown
  }
}
