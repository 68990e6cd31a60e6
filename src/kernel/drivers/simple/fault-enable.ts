// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { ENODEV } from '../../../base/errno.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import type { IopfQueue } from '../../iopf/queue.ts'
import type { CommandRing } from './command-ring.ts'
import type { PageRequestHandler } from './page-requests.ts'
import type { SimpleDevice } from './simple-device.ts'
import type { SimpleDomain } from './simple-domain.ts'

/** Recoverable faults of the devices: on and off with their domains (`spec/01` §3.4), drained before a domain goes. */
export class FaultEnable {
  readonly #queue: IopfQueue
  readonly #requests: PageRequestHandler
  readonly #commands: CommandRing

  constructor(queue: IopfQueue, requests: PageRequestHandler, commands: CommandRing) {
    this.#queue = queue
    this.#requests = requests
    this.#commands = commands
  }

  /** For an attachment of the domain; the first puts the device on the queue. ENODEV without PRI, ENOMEM. */
  enable(device: SimpleDevice, domain: SimpleDomain): void {
    if (domain.iopfHandler === undefined) return
    if (!device.priEnabled) throw ENODEV
    if (device.faultUsers === 0) this.#queue.addDevice(device.device)
    device.faultUsers++
  }

  /** The last takes the device off the queue. */
  disable(device: SimpleDevice, domain: SimpleDomain | undefined): void {
    if (domain?.iopfHandler === undefined) return
    assert(device.faultUsers > 0, `faults of ${device.device.name} are off`)
    if (--device.faultUsers === 0) this.#queue.removeDevice(device.device)
  }

  /**
   * No request of the (device, PASID) is on its way to a handler any more (`spec/04` §1.5): records in the ring, then
   * the workqueue, then what hardware holds; again while the ring has overflowed. Nothing to do while faults are off.
   */
  drain(device: SimpleDevice, pasid: number): void {
    if (device.faultUsers > 0) this.#drain(device, pasid, false)
  }

  /** The same for all PASIDs of a device that goes, whether its faults are on or not. */
  drainAll(device: SimpleDevice): void {
    this.#drain(device, NO_PASID, true)
  }

  #drain(device: SimpleDevice, pasid: number, anyPasid: boolean): void {
    const requests = this.#requests
    while (requests.holds(device.rid, pasid, anyPasid)) requests.service()
    if (device.faultUsers > 0) this.#queue.flushDevice(device.device)
    this.#commands.syncPageRequests()
    while (requests.overflowed) {
      requests.service()
      this.#commands.syncPageRequests()
    }
  }
}
