// SPDX-License-Identifier: MIT
import type { ConfigSpace } from '../../hardware/pci/config-layout.ts'
import type { Mm } from '../mm/mm.ts'
import type { Domain } from './domain.ts'
import type { Fault, FaultHandler, FaultParam, FaultSource, ResponseCode } from './fault.ts'
import type { UserArray, UserData } from './user-data.ts'

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
  readonly userData?: UserData | undefined
}

export interface NestedOptions {
  readonly flags: number
  readonly iopfHandler?: FaultHandler | undefined
  readonly userData: UserData
}

/** What a driver tells user space of its unit. */
export interface HwInfo {
  /** IOMMU_HW_INFO_TYPE_. */
  readonly type: number
  readonly data: Uint8Array
}

/** A device in a vIOMMU, under the id that the guest knows it by. */
export interface DriverVdevice {
  readonly device: IommuDevice
  readonly virtIdHi: number
  readonly virtIdLo: number
}

/** A queue of a vIOMMU in guest memory that the hardware works off by itself. */
export interface DriverHwQueue {
  readonly type: number
  readonly index: number
  readonly iovaHi: number
  readonly iovaLo: number
  readonly lengthHi: number
  readonly lengthLo: number
  /** Physical byte address of its first byte: it is contiguous and pinned. */
  readonly physical: number
  /** Undoes what `hwQueueInit` did: set by it. */
  release: (() => void) | undefined
  /** The lower queue cannot be destroyed before this one. */
  dependOn(lower: DriverHwQueue): void
  undepend(lower: DriverHwQueue): void
}

/** iommufd's side of a vIOMMU, for its driver. */
export interface ViommuPort {
  /** The device that the guest knows by that id. */
  findDevice(virtIdHi: number, virtIdLo: number): IommuDevice | undefined
  /** The device's place in this vIOMMU. */
  findVdevice(device: IommuDevice): DriverVdevice | undefined
  /** An event for the guest. EOPNOTSUPP: nobody asked for that type; ENOMEM: lost. */
  reportEvent(type: number, payload: Uint8Array): void
  /** Frames that user space can map through the iommufd; they stay the driver's. ENOMEM. */
  allocMmap(firstFrame: number, pages: number): MmapRegion
  freeMmap(region: MmapRegion): void
}

/** Pages of a vIOMMU or a hardware queue that user space maps. */
export interface MmapRegion {
  /** For mmap(2): a multiple of 4096. */
  readonly offsetBytes: number
  readonly lengthBytes: number
  readonly firstFrame: number
}

/** The driver's part of a vIOMMU. Functions that are left out: the hardware has nothing of the kind. */
export interface DriverViommu {
  domainAllocNested?(flags: number, userData: UserData, iopfHandler: FaultHandler | undefined): Domain
  invalidate?(array: UserArray): void
  vdeviceInit?(vdevice: DriverVdevice): void
  vdeviceDestroy?(vdevice: DriverVdevice): void
  hwQueueSupported?(type: number): boolean
  /** EINVAL, EEXIST, EIO, EFAULT ...: nothing stays. */
  hwQueueInit?(queue: DriverHwQueue): void
  free(): void
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
  /** `type`: what the caller wants, 0 whatever there is. EOPNOTSUPP: not of this unit. */
  hwInfo?: ((device: IommuDevice, type: number) => HwInfo) | undefined
  /** Whether the device's unit can make vIOMMUs of the type. */
  viommuSupported?: ((device: IommuDevice, type: number) => boolean) | undefined
  /** `parent`: the paging domain that translates guest addresses. EINVAL, EFAULT, EOPNOTSUPP, ENOMEM. */
  viommuInit?: ((device: IommuDevice, options: ViommuOptions) => DriverViommu) | undefined
}

export interface ViommuOptions {
  readonly type: number
  readonly parent: Domain
  readonly port: ViommuPort
  readonly userData: UserData | undefined
}
