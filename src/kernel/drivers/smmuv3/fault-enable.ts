// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { EOPNOTSUPP } from '../../../base/errno.ts'
import type { IopfQueue } from '../../iopf/queue.ts'
import type { CommandQueue } from './command-queue.ts'
import type { EventHandler } from './event-handler.ts'
import type { SmmuDevice } from './smmu-device.ts'
import type { SmmuDomain } from './smmu-domain.ts'

/** Recoverable faults of the devices: on and off with their domains (`spec/01` §3.4), drained before a domain goes. */
export class FaultEnable {
  readonly #queue: IopfQueue
  readonly #events: EventHandler
  readonly #commands: CommandQueue
  readonly #sva: boolean

  constructor(queue: IopfQueue, events: EventHandler, commands: CommandQueue, sva: boolean) {
    this.#queue = queue
    this.#events = events
    this.#commands = commands
    this.#sva = sva
  }

  /**
   * For an attachment of the domain; the first puts the device on the queue. EOPNOTSUPP without SVA, ENOMEM. A device
   * that cannot stall is taken to report faults in a way of its own: nothing happens (`spec/04` §2.2).
   */
  enable(device: SmmuDevice, domain: SmmuDomain): void {
    if (domain.iopfHandler === undefined) return
    if (!this.#sva) throw EOPNOTSUPP
    if (!device.stallEnabled) return
    if (device.faultUsers === 0) this.#queue.addDevice(device.device)
    device.faultUsers++
  }

  /** The last takes the device off the queue. */
  disable(device: SmmuDevice, domain: SmmuDomain | undefined): void {
    if (domain?.iopfHandler === undefined || !device.stallEnabled) return
    assert(device.faultUsers > 0, `faults of ${device.device.name} are off`)
    if (--device.faultUsers === 0) this.#queue.removeDevice(device.device)
  }

  /**
   * No stall of the (device, PASID) is on its way to a handler any more: events in the queue, those that the unit holds
   * back until there is room, then the workqueue. `anyPasid`: of any PASID.
   */
  drain(device: SmmuDevice, pasid: number, anyPasid: boolean): void {
    this.#commands.sync()
    while (this.#events.holds(device.sid, pasid, anyPasid)) this.#events.service()
    if (device.faultUsers > 0) this.#queue.flushDevice(device.device)
  }
}
