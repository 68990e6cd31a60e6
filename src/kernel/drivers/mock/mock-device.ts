// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import type { Domain } from '../../iommu/domain.ts'
import type { IommuDevice, ViommuPort } from '../../iommu/driver.ts'
import { MOCK_CACHE_DEFAULT, MOCK_CACHES, MOCK_FLAGS_NO_DIRTY } from './constants.ts'

/** The mock's own of a device (`spec/03` §5.2). */
export class MockDevice {
  /** Lowest number that was free: the device's name ends with it. */
  readonly index: number
  readonly flags: number
  /** What a guest's invalidations of the device cache set to 0. */
  readonly cache: Int32Array = new Int32Array(MOCK_CACHES).fill(MOCK_CACHE_DEFAULT)
  /** The vIOMMU whose nested domain it is attached with, and the guest's id for it. */
  viommu: ViommuPort | undefined = undefined
  virtIdHi = 0
  virtIdLo = 0
  /** PASID 1024 has been attached and not yet refused. */
  oddPasid = false
  /** Attachments with a fault handler. */
  iopfCount = 0
  domain: Domain | undefined = undefined

  constructor(index: number, flags: number) {
    this.index = index
    this.flags = flags
  }

  get tracksDirty(): boolean {
    return (this.flags & MOCK_FLAGS_NO_DIRTY) === 0
  }
}

/** The mock's own of a device that it made. */
export function mockOf(device: IommuDevice): MockDevice {
  const { driverData } = device
  assert(driverData instanceof MockDevice, `${device.name} is not a mock device`)
  return driverData
}
