// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import type { Device } from '../../iommu/device.ts'
import type { IommuDevice } from '../../iommu/driver.ts'
import type { PasidTable } from './tables.ts'
import type { VtdDomain } from './vtd-domain.ts'

/** What the driver knows of a device: its entries, what is on, and which domain each PASID has. */
export class VtdDevice {
  readonly device: Device
  readonly rid: number
  /** Word index of its context entry. */
  readonly contextAt: number
  readonly pasidTable: PasidTable
  pasidEnabled = false
  atsEnabled = false
  priEnabled = false
  /** Attachments of domains that have a fault handler; the first puts the device on the fault queue. */
  faultUsers = 0
  ridDomain: VtdDomain | undefined = undefined
  readonly pasidDomains: Map<number, VtdDomain> = new Map()

  constructor(device: Device, contextAt: number, pasidTable: PasidTable) {
    this.device = device
    this.rid = device.rid
    this.contextAt = contextAt
    this.pasidTable = pasidTable
  }

  domainOf(pasid: number): VtdDomain | undefined {
    return pasid === NO_PASID ? this.ridDomain : this.pasidDomains.get(pasid)
  }

  setDomain(pasid: number, domain: VtdDomain | undefined): void {
    if (pasid === NO_PASID) this.ridDomain = domain
    else if (domain === undefined) this.pasidDomains.delete(pasid)
    else this.pasidDomains.set(pasid, domain)
  }
}

/** The devices behind a unit, by requester id. */
export class VtdDevices {
  readonly #byRid: Map<number, VtdDevice> = new Map()
  /** Found last: requests of one device come in runs. Dropped when a device goes. */
  #last: VtdDevice | undefined = undefined

  get size(): number {
    return this.#byRid.size
  }

  get(rid: number): VtdDevice | undefined {
    const last = this.#last
    if (last !== undefined && last.rid === rid) return last
    return (this.#last = this.#byRid.get(rid))
  }

  add(device: VtdDevice): void {
    this.#byRid.set(device.rid, device)
  }

  delete(device: VtdDevice): void {
    this.#last = undefined
    this.#byRid.delete(device.rid)
  }
}

/** The driver's data of a device that it has probed. */
export function vtdDeviceOf(device: IommuDevice): VtdDevice {
  const data = device.driverData
  assert(data instanceof VtdDevice, `${device.name} is not behind a VT-d unit`)
  return data
}
