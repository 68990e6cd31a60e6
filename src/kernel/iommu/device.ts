// SPDX-License-Identifier: MIT
import type { Fault, FaultParam, ResponseCode } from './fault.ts'
import type { IommuDevice, IommuDriver, ReservedRegion } from './driver.ts'
import { RESERVED_DIRECT } from './driver.ts'
import type { IommuGroup } from './group.ts'

export interface DeviceOptions {
  readonly name: string
  readonly rid: number
  /** 2^width from the PASID capability; 0 without one. */
  readonly maxPasids?: number
  readonly atsSupported?: boolean
  readonly reservedRegions?: readonly ReservedRegion[]
}

/** A device behind an IOMMU: Linux's device with its dev_iommu. */
export class Device implements IommuDevice {
  readonly name: string
  readonly rid: number
  readonly atsSupported: boolean
  readonly reservedRegions: readonly ReservedRegion[]
  readonly requireDirect: boolean
  /** What its own PASID capability says. */
  readonly devicePasids: number
  /** min(device, IOMMU), computed at probe. */
  maxPasids = 0
  driver: IommuDriver | undefined = undefined
  group: IommuGroup | undefined = undefined
  driverData: object | undefined = undefined
  faultParam: FaultParam | undefined = undefined
  blocked = false
  resetDepth = 0

  constructor(options: DeviceOptions) {
    this.name = options.name
    this.rid = options.rid
    this.devicePasids = options.maxPasids ?? 0
    this.atsSupported = options.atsSupported ?? false
    this.reservedRegions = options.reservedRegions ?? []
    this.requireDirect = this.reservedRegions.some((region) => region.kind === RESERVED_DIRECT)
  }

  /** The one way of an answer to the hardware. A driver that reports faults has the function. */
  answer(request: Fault, code: ResponseCode): void {
    this.driver?.pageResponse?.(this, request, code)
  }
}
