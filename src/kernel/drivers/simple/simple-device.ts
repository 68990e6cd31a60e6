// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import type { Device } from '../../iommu/device.ts'
import type { IommuDevice } from '../../iommu/driver.ts'
import type { SimpleDomain } from './simple-domain.ts'
import type { EntryTable } from './tables.ts'

/** What the driver knows of a device: its entry, what is on, and which domain each PASID has. */
export class SimpleDevice {
  readonly device: Device
  readonly rid: number
  /** Word index of its entry in the device table. */
  readonly entry: number
  pasidTable: EntryTable | undefined = undefined
  pasidEnabled = false
  atsEnabled = false
  priEnabled = false
  /** Attachments of domains that have a fault handler; the first puts the device on the fault queue. */
  faultUsers = 0
  ridDomain: SimpleDomain | undefined = undefined
  readonly pasidDomains: Map<number, SimpleDomain> = new Map()

  constructor(device: Device, entry: number) {
    this.device = device
    this.rid = device.rid
    this.entry = entry
  }

  domainOf(pasid: number): SimpleDomain | undefined {
    return pasid === NO_PASID ? this.ridDomain : this.pasidDomains.get(pasid)
  }

  setDomain(pasid: number, domain: SimpleDomain | undefined): void {
    if (pasid === NO_PASID) this.ridDomain = domain
    else if (domain === undefined) this.pasidDomains.delete(pasid)
    else this.pasidDomains.set(pasid, domain)
  }
}

/** The devices behind a unit, by requester id. */
export class SimpleDevices {
  readonly #byRid: Map<number, SimpleDevice> = new Map()
  /** Found last: requests of one device come in runs. Dropped when a device goes. */
  #last: SimpleDevice | undefined = undefined

  get size(): number {
    return this.#byRid.size
  }

  get(rid: number): SimpleDevice | undefined {
    const last = this.#last
    if (last !== undefined && last.rid === rid) return last
    return (this.#last = this.#byRid.get(rid))
  }

  add(device: SimpleDevice): void {
    this.#byRid.set(device.rid, device)
  }

  delete(device: SimpleDevice): void {
    this.#last = undefined
    this.#byRid.delete(device.rid)
  }
}

/** The driver's data of a device that it has probed. */
export function simpleDeviceOf(device: IommuDevice): SimpleDevice {
  const data = device.driverData
  assert(data instanceof SimpleDevice, `${device.name} is not behind a simple unit`)
  return data
}
