// SPDX-License-Identifier: MIT
import type { ConfigSpace } from '../../hardware/pci/config-layout.ts'
import type { Fault, FaultParam, ResponseCode } from './fault.ts'
import type { IommuDevice, IommuDriver, ReservedRegion } from './driver.ts'
import { RESERVED_DIRECT } from './driver.ts'
import type { IommuGroup } from './group.ts'
import { pciHasAts, pciMaxPasids } from './pci-features.ts'

export interface DeviceOptions {
  readonly name: string
  readonly rid: number
  /** Configuration space of a PCI function. */
  readonly config?: ConfigSpace
  /** Default: what the PASID capability says, 0 without one. */
  readonly maxPasids?: number
  /** Default: whether there is an ATS capability. */
  readonly atsSupported?: boolean
  readonly reservedRegions?: readonly ReservedRegion[]
}

/** A device behind an IOMMU: Linux's device with its dev_iommu. */
export class Device implements IommuDevice {
  readonly name: string
  readonly rid: number
  readonly config: ConfigSpace | undefined
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
    const { config } = options
    this.config = config
    this.devicePasids = options.maxPasids ?? (config === undefined ? 0 : pciMaxPasids(config))
    this.atsSupported = options.atsSupported ?? (config !== undefined && pciHasAts(config))
    this.reservedRegions = options.reservedRegions ?? []
    this.requireDirect = this.reservedRegions.some((region) => region.kind === RESERVED_DIRECT)
  }

  /** The one way of an answer to the hardware. A driver that reports faults has the function. */
  answer(request: Fault, code: ResponseCode): void {
    this.driver?.pageResponse?.(this, request, code)
  }
}
