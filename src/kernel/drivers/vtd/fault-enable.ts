// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { ENODEV } from '../../../base/errno.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import type { IopfQueue } from '../../iopf/queue.ts'
import type { InvalidationQueue } from './invalidation-queue.ts'
import type { Invalidation } from './invalidation.ts'
import type { PageRequestHandler } from './page-requests.ts'
import type { VtdDevice } from './vtd-device.ts'
import type { Attachment, VtdDomain } from './vtd-domain.ts'

export interface FaultEnableParts {
  readonly queue: IopfQueue
  readonly requests: PageRequestHandler
  readonly commands: InvalidationQueue
  readonly invalidation: Invalidation
}

/** Recoverable faults of the devices: on and off with their domains (`spec/01` §3.4), drained before a domain goes. */
export class FaultEnable {
  readonly #parts: FaultEnableParts

  constructor(parts: FaultEnableParts) {
    this.#parts = parts
  }

  /** For an attachment of the domain; the first puts the device on the queue. ENODEV without PRI, ENOMEM. */
  enable(device: VtdDevice, domain: VtdDomain): void {
    if (domain.iopfHandler === undefined) return
    if (!device.priEnabled) throw ENODEV
    if (device.faultUsers === 0) this.#parts.queue.addDevice(device.device)
    device.faultUsers++
  }

  /** The last takes the device off the queue. */
  disable(device: VtdDevice, domain: VtdDomain | undefined): void {
    if (domain?.iopfHandler === undefined) return
    assert(device.faultUsers > 0, `faults of ${device.device.name} are off`)
    if (--device.faultUsers === 0) this.#parts.queue.removeDevice(device.device)
  }

  /**
   * No request of the attachment is on its way to a handler any more (`spec/04` §1.5): records in the queue, then the
   * workqueue, then what hardware holds; again while the queue has overflowed. Nothing to do while faults are off.
   */
  drain(device: VtdDevice, domain: VtdDomain, attachment: Attachment): void {
    if (device.faultUsers === 0) return
    this.#software(device, attachment.pasid, false)
    const { commands, invalidation, requests } = this.#parts
    do {
      if (requests.overflowed) requests.service()
      commands.fence()
      invalidation.translations(domain, attachment)
      commands.syncPageRequests()
    } while (requests.overflowed)
  }

  /** The same for all PASIDs of a device that goes and has no entries any more, whether its faults are on or not. */
  drainAll(device: VtdDevice): void {
    this.#software(device, NO_PASID, true)
    const { commands, requests } = this.#parts
    do {
      if (requests.overflowed) requests.service()
      commands.syncPageRequests()
    } while (requests.overflowed)
  }

  #software(device: VtdDevice, pasid: number, anyPasid: boolean): void {
    const { queue, requests } = this.#parts
    while (requests.holds(device.rid, pasid, anyPasid)) requests.service()
    if (device.faultUsers > 0) queue.flushDevice(device.device)
  }
}
