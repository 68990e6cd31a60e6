// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import type { Device } from '../../iommu/device.ts'
import type { IommuDevice } from '../../iommu/driver.ts'
import type { AttachedDevice, SmmuDomain } from './smmu-domain.ts'
import type { CdTable } from './tables.ts'

/** What the driver knows of a device: its entry, what is on, and which domain each PASID has. */
export class SmmuDevice implements AttachedDevice {
  readonly device: Device
  /** Its StreamID is its requester id. */
  readonly sid: number
  /** Word index of its entry in the stream table. */
  readonly entry: number
  /** Faults of the device may wait in the unit: firmware says so, or the unit knows nothing else. */
  readonly stallEnabled: boolean
  /** Widths that device and unit share; 0: no PASIDs. */
  substreamBits = 0
  pasidEnabled = false
  /** Unit and function have it. */
  atsSupported = false
  atsEnabled = false
  /** Made when a CD is needed. */
  cdTable: CdTable | undefined = undefined
  /** Attachments of domains that have a fault handler; the first puts the device on the fault queue. */
  faultUsers = 0
  ridDomain: SmmuDomain | undefined = undefined
  readonly pasidDomains: Map<number, SmmuDomain> = new Map()

  constructor(device: Device, entry: number, stallEnabled: boolean) {
    this.device = device
    this.sid = device.rid
    this.entry = entry
    this.stallEnabled = stallEnabled
  }

  domainOf(pasid: number): SmmuDomain | undefined {
    return pasid === NO_PASID ? this.ridDomain : this.pasidDomains.get(pasid)
  }

  setDomain(pasid: number, domain: SmmuDomain | undefined): void {
    if (pasid === NO_PASID) this.ridDomain = domain
    else if (domain === undefined) this.pasidDomains.delete(pasid)
    else this.pasidDomains.set(pasid, domain)
  }
}

/** The devices behind a unit, by StreamID. */
export class SmmuDevices {
  readonly #bySid: Map<number, SmmuDevice> = new Map()
  /** Found last: events of one device come in runs. Dropped when a device goes. */
  #last: SmmuDevice | undefined = undefined

  get size(): number {
    return this.#bySid.size
  }

  get(sid: number): SmmuDevice | undefined {
    const last = this.#last
    if (last !== undefined && last.sid === sid) return last
    return (this.#last = this.#bySid.get(sid))
  }

  add(device: SmmuDevice): void {
    this.#bySid.set(device.sid, device)
  }

  delete(device: SmmuDevice): void {
    this.#last = undefined
    this.#bySid.delete(device.sid)
  }
}

/** The driver's data of a device that it has probed. */
export function smmuDeviceOf(device: IommuDevice): SmmuDevice {
  const data = device.driverData
  assert(data instanceof SmmuDevice, `${device.name} is not behind an SMMUv3`)
  return data
}
