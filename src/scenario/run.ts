// SPDX-License-Identifier: MIT
import { isErrno } from '../base/errno.ts'
import { NO_PASID } from '../hardware/pci/messages.ts'
import { IommufdError } from '../iommufd/error.ts'
import type { FaultQueue } from '../iommufd/iommufd.ts'
import { createMachine, type Machine, type MachineDevice } from '../machine/machine.ts'
import type { Failpoints } from '../sim/failpoint.ts'
import { collectResult } from './collect.ts'
import type { EventSection, Scenario } from './document.ts'
import { FaultQueueSide } from './fault-queue-side.ts'
import { machineOf } from './machine-of.ts'
import type { MemorySide } from './memory-side.ts'
import { Notes } from './notes.ts'
import type { RunResult, ScenarioIo } from './result.ts'
import { sharesOf } from './shares.ts'
import { SvaSide } from './sva-side.ts'
import { type Stream, Workload } from './workload.ts'

/** Virtual time between two looks at whether the run has ended, hangs or is to stop. */
const SLICE_NANOS = 200_000

export interface RunOptions {
  /** Failures to inject instead of those that the scenario's decisions draw. */
  readonly failpoints?: Failpoints
  /** Called with the machine before anything runs on it. */
  readonly onMachine?: (machine: Machine) => void
  /** Called with the process's fault queue, before it is read for the first time. */
  readonly onQueue?: (queue: FaultQueue) => void
}

/**
 * Runs a scenario to its end, tears everything down and returns what happened. What the scenario brings about (failed
 * transfers, a dying handler) is part of the result. A set-up that fails, as under injected failures, throws its
 * `IommufdError` or `Errno` and leaves nothing behind.
 */
export async function runScenario(
  scenario: Scenario,
  io: ScenarioIo,
  options: RunOptions = {},
): Promise<RunResult> {
  const machine = createMachine(machineOf(scenario, { trace: io.isTraced, failpoints: options.failpoints }))
  options.onMachine?.(machine)
  const parts = { machine, scenario, source: io.source, destination: io.destination }
  const side = scenario.process.handler.mode === 'sva' ? new SvaSide(parts) : new FaultQueueSide(parts)
  if (side.queue !== undefined) options.onQueue?.(side.queue)
  return await new Run(machine, scenario, io, side).run()
}

class Run {
  readonly #machine: Machine
  readonly #devices: readonly MachineDevice[]
  readonly #scenario: Scenario
  readonly #io: ScenarioIo
  readonly #side: MemorySide
  readonly #workload: Workload
  readonly #notes: Notes
  #endNanos: number

  constructor(machine: Machine, scenario: Scenario, io: ScenarioIo, side: MemorySide) {
    this.#machine = machine
    this.#devices = [...machine.devices]
    this.#scenario = scenario
    this.#io = io
    this.#side = side
    this.#workload = new Workload({
      chunkBytes: scenario.workload.chunk,
      streams: this.#streams(),
      onEnd: () => (this.#endNanos = machine.world.clock.now),
    })
    this.#notes = new Notes()
    this.#endNanos = 0
  }

  async run(): Promise<RunResult> {
    this.#scheduleEvents()
    this.#side.start()
    this.#workload.start()
    const stopped = await this.#serve()
    if (!this.#workload.ended) this.#giveUp(stopped)
    await this.#settle()
    return this.#finish(stopped)
  }

  /** Steps until every transfer has ended, nothing moves any more, or the outside says stop. `true`: the latter. */
  async #serve(): Promise<boolean> {
    const { clock, scheduler } = this.#machine.world
    while (!this.#workload.ended) {
      await scheduler.run(() => scheduler.sleep(this.#sliceNanos()), 'scenario')
      if (!(await this.#io.checkpoint(this.#workload.bytesDone))) return true
      if (clock.armedCount === 0) return false
    }
    return false
  }

  /** At least to the next thing that is due. */
  #sliceNanos(): number {
    const { clock } = this.#machine.world
    return clock.armedCount === 0 ? SLICE_NANOS : Math.max(SLICE_NANOS, clock.nextAt - clock.now)
  }

  /** Nobody answers any more (or we were told to stop): the devices are detached, which answers for them. */
  #giveUp(stopped: boolean): void {
    if (!stopped)
      this.#notes.add('nothing moved any more: the devices were detached with transfers under way')
    this.#workload.stop()
    this.#side.detachAll()
    for (const { engine } of this.#machine.devices) engine.stop()
  }

  /** Lets messages on their way arrive. */
  async #settle(): Promise<void> {
    const { clock, scheduler } = this.#machine.world
    await scheduler.run(async () => {
      while (clock.armedCount > 0) await scheduler.sleep(this.#sliceNanos())
    }, 'settle')
  }

  async #finish(stopped: boolean): Promise<RunResult> {
    const side = this.#side
    const workload = this.#workload
    if (!side.dead) side.writeBack()
    else
      this.#notes.add('the handler process died: its descriptors were closed and the kernel answered for it')
    for (const [how, count] of workload.failures) this.#notes.add(`${count} transfers ended with: ${how}`)
    if (side.heard > 0) this.#notes.add(`the handler was told of ${side.heard} unrecoverable faults`)
    const pager = side.counts()
    side.close()
    await this.#settle()
    return collectResult({
      machine: this.#machine,
      devices: this.#devices,
      workload,
      pager,
      stopped,
      virtualNanos: this.#endNanos,
      notes: this.#notes.lines,
      traced: this.#io.isTraced,
    })
  }

  #streams(): Stream[] {
    const { streams } = this.#scenario.workload
    const shares = sharesOf(this.#io.source.lengthBytes, streams.length)
    return streams.map(({ device }, index) => {
      const { engine } = this.#machine.device(device)
      const section = this.#scenario.machine.devices.find(({ name }) => name === device)
      const inFlight = section?.transfersInFlight ?? 1
      return { engine, ...this.#side.places[index]!, lengthBytes: shares[index]!.lengthBytes, inFlight }
    })
  }

  #scheduleEvents(): void {
    for (const event of this.#scenario.workload.events) {
      this.#machine.world.clock.createAlarm(`event ${event.do}`, () => this.#happen(event)).arm(event.at)
    }
  }

  #happen(event: EventSection): void {
    const device = this.#machine.findDevice(event.device)
    if (device === undefined || this.#side.dead) return
    const pasid = event.pasid === 'none' ? NO_PASID : event.pasid
    this.#notes.add(`${event.do} ${event.device} at ${this.#machine.world.clock.now} ns`)
    try {
      if (event.do === 'detach') this.#side.detach(event.device, pasid)
      else if (event.do === 'replace') this.#side.replace(event.device, pasid)
      else {
        this.#workload.stopEngine(device.engine)
        this.#side.release(event.device)
        this.#machine.removeDevice(event.device)
      }
    } catch (thrown) {
      if (!isErrno(thrown) && !(thrown instanceof IommufdError)) throw thrown
      this.#notes.add(`${event.do} ${event.device} failed: ${thrown.code}`)
    }
  }
}
