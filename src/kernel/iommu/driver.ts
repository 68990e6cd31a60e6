// SPDX-License-Identifier: MIT
import type { ConfigSpace } from '../../hardware/pci/config-layout.ts'
import type { Mm } from '../mm/mm.ts'
import type { Domain } from './domain.ts'
import type { Fault, FaultHandler, FaultParam, FaultSource, ResponseCode } from './fault.ts'

export const CAP_CACHE_COHERENCY = 0
export const CAP_NOEXEC = 1
export const CAP_PRE_BOOT_PROTECTION = 2
export const CAP_ENFORCE_CACHE_COHERENCY = 3
export const CAP_DEFERRED_FLUSH = 4
export const CAP_DIRTY_TRACKING = 5
export const CAP_PCI_ATS_SUPPORTED = 6

export const RESERVED_DIRECT = 0
export const RESERVED_DIRECT_RELAXABLE = 1
export const RESERVED_RESERVED = 2
export const RESERVED_MSI = 3
export const RESERVED_SW_MSI = 4

/** Reserved IOVA range of a device, closed, in 4 KiB pages. */
export interface ReservedRegion {
  readonly firstPage: number
  readonly lastPage: number
  readonly kind: number
}

/** A device as drivers and groups see it; `Device` adds the group that it is in. */
export interface IommuDevice extends FaultSource {
  /** Configuration space of a PCI function. */
  readonly config: ConfigSpace | undefined
  /** The driver of its IOMMU; absent until probed. */
  readonly driver: IommuDriver | undefined
  /** PASIDs are 1 … maxPasids-1; 0 without PASID support. */
  readonly maxPasids: number
  /** Has direct-mapped regions and can never be blocked. */
  readonly requireDirect: boolean
  readonly reservedRegions: readonly ReservedRegion[]
  readonly atsSupported: boolean
  /** Parked while it is reset. */
  blocked: boolean
  resetDepth: number
  /** Its place in a fault queue, when faults are enabled. */
  faultParam: FaultParam | undefined
  /** The driver's own. */
  driverData: object | undefined
}

export const ALLOC_NEST_PARENT = 1
export const ALLOC_DIRTY_TRACKING = 2
export const ALLOC_PASID = 8

export interface PagingOptions {
  /** ALLOC_ bits, in the numbers of IOMMU_HWPT_ALLOC. */
  readonly flags: number
  readonly iopfHandler?: FaultHandler | undefined
  /** DOMAIN_UNMANAGED unless the kernel's own. */
  readonly type?: number
  readonly cookieType?: number
}

export interface NestedOptions {
  readonly flags: number
  readonly iopfHandler?: FaultHandler | undefined
  readonly dataType: number
  /** The user's data for that type. */
  readonly data: Uint8Array
}

/**
 * Linux's iommu_ops. Every function is one synchronous step; failures are thrown Errnos. `old` is what the RID or the
 * PASID is attached with until then.
 */
export interface IommuDriver {
  readonly name: string
  readonly maxPasids: number
  /** Faults of PASIDs never attached go to the nested domain of the RID: the guest owns the PASID table. */
  readonly userPasidTable: boolean
  readonly blockedDomain: Domain | undefined
  readonly identityDomain: Domain | undefined
  /** Throws ENODEV when the device is not behind this driver's unit. */
  probeDevice(device: IommuDevice): void
  releaseDevice(device: IommuDevice): void
  /** Devices with the same key share a group; `undefined`: a group of its own. */
  deviceGroup(device: IommuDevice): object | undefined
  /** The domain that a new group starts in: a static one, or a new one that is freed with the group. */
  defaultDomain(device: IommuDevice): Domain
  domainAllocPaging?: ((device: IommuDevice | undefined, options: PagingOptions) => Domain) | undefined
  domainAllocSva?: ((device: IommuDevice, mm: Mm, handler: FaultHandler) => Domain) | undefined
  domainAllocNested?: ((device: IommuDevice, parent: Domain, options: NestedOptions) => Domain) | undefined
  attachDevice(domain: Domain, device: IommuDevice, old: Domain | undefined): void
  setDevicePasid(domain: Domain, device: IommuDevice, pasid: number, old: Domain | undefined): void
  /** Answers a page request group: `request` is its last one, as it was reported. Never throws. */
  pageResponse?: ((device: IommuDevice, request: Fault, code: ResponseCode) => void) | undefined
  capable(device: IommuDevice, capability: number): boolean
}
