// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { EINVAL, ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import { IdTable } from '../../../base/id-table.ts'
import type { World } from '../../../trace/world.ts'
import { Device } from '../../iommu/device.ts'
import { COOKIE_NONE, DOMAIN_BLOCKED, Domain } from '../../iommu/domain.ts'
import {
  ALLOC_DIRTY_TRACKING,
  ALLOC_NEST_PARENT,
  ALLOC_PASID,
  CAP_CACHE_COHERENCY,
  CAP_DIRTY_TRACKING,
  type DriverViommu,
  type HwInfo,
  type IommuDevice,
  type IommuDriver,
  type NestedOptions,
  type PagingOptions,
  type ViommuOptions,
} from '../../iommu/driver.ts'
import type { Fault, FaultPolicy, ResponseCode } from '../../iommu/fault.ts'
import type { IommuCore } from '../../iommu/probe.ts'
import type { UserData } from '../../iommu/user-data.ts'
import { IopfQueue } from '../../iopf/queue.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'
import {
  MOCK_FLAGS_PASID,
  MOCK_HW_INFO,
  MOCK_HW_INFO_REGISTER,
  MOCK_HWPT_DATA,
  MOCK_PAGETABLE_DEFAULT,
  MOCK_PAGETABLE_HUGE,
  MOCK_PASIDS,
  MOCK_VIOMMU,
} from './constants.ts'
import { attachMock, setMockPasid } from './attach.ts'
import { LeafNodePool } from './leaf-table.ts'
import { MockDevice, mockOf } from './mock-device.ts'
import { MockNestedDomain } from './nested-domain.ts'
import { GEOMETRY_DEFAULT, GEOMETRY_HUGE, type MockGeometry, MockPagingDomain } from './paging-domain.ts'
import { ResponseLog } from './response-log.ts'
import { MockViommu } from './viommu.ts'

const DRIVER_FLAGS = ALLOC_DIRTY_TRACKING | ALLOC_NEST_PARENT | ALLOC_PASID
/** struct iommu_hwpt_selftest. */
const HWPT_BYTES_MIN = 4
const HWPT_BYTES = 8
const HW_INFO_BYTES = 8

export interface MockIommuOptions {
  readonly name: string
  readonly core: IommuCore
  readonly frames: FrameAllocator
  readonly policy?: Partial<FaultPolicy>
  readonly workLatencyNanos?: number
  /** Keeps a log of page responses. Default false. */
  readonly logsResponses?: boolean
}

/** The driver of the kernel's own test IOMMU (`spec/03` §5.2): no unit stands behind it, its devices are made by user space. */
export class MockIommu implements IommuDriver {
  readonly name: string
  readonly maxPasids: number = MOCK_PASIDS
  readonly userPasidTable: boolean = true
  readonly blockedDomain: Domain
  readonly identityDomain: undefined = undefined
  /** One for all devices. */
  readonly queue: IopfQueue
  /** For the extended test ABI. */
  readonly responses: ResponseLog | undefined
  readonly tables: LeafNodePool
  readonly #world: World
  readonly #core: IommuCore
  readonly #frames: FrameAllocator
  readonly #devices: IdTable<Device> = new IdTable<Device>(0)

  constructor(world: World, options: MockIommuOptions) {
    const { name, core, frames, policy, workLatencyNanos } = options
    this.name = name
    this.#world = world
    this.#core = core
    this.#frames = frames
    this.blockedDomain = new Domain({ type: DOMAIN_BLOCKED, owner: this })
    this.queue = new IopfQueue(world, {
      name: 'mock-iopfq',
      ...(policy === undefined ? {} : { policy }),
      ...(workLatencyNanos === undefined ? {} : { workLatencyNanos }),
    })
    this.tables = new LeafNodePool(world.failpoints)
    this.responses = options.logsResponses === true ? new ResponseLog() : undefined
  }

  /** Mock devices there are, by index. */
  get devices(): Iterable<Device> {
    return this.#devices.values()
  }

  get deviceCount(): number {
    return this.#devices.size
  }

  /** Linux's mock_dev_create: a device of its own group, probed. EINVAL: unknown flags; ENOMEM. */
  createDevice(flags: number): Device {
    if ((flags & ~(1 | MOCK_FLAGS_PASID)) !== 0) throw EINVAL
    if (this.#world.failpoints.hit('alloc_mock_device')) throw ENOMEM
    const index = this.#devices.reserve()
    const device = new Device({
      name: `iommufd_mock${index}`,
      rid: index,
      maxPasids: (flags & MOCK_FLAGS_PASID) !== 0 ? MOCK_PASIDS : 0,
    })
    device.driverData = new MockDevice(index, flags)
    try {
      this.#core.probe(device, this)
    } catch (thrown) {
      this.#devices.erase(index)
      throw thrown
    }
    this.#devices.publish(index, device)
    this.#world.trace.registerDevice(index, device.name)
    return device
  }

  /** The device is bound to nobody. */
  destroyDevice(device: Device): void {
    this.#core.release(device)
    this.#devices.erase(mockOf(device).index)
  }

  probeDevice(): void {}

  releaseDevice(): void {}

  deviceGroup(): undefined {
    return undefined
  }

  defaultDomain(): Domain {
    return this.blockedDomain
  }

  capable(device: IommuDevice, capability: number): boolean {
    if (capability === CAP_CACHE_COHERENCY) return true
    return capability === CAP_DIRTY_TRACKING && mockOf(device).tracksDirty
  }

  /** EOPNOTSUPP (flags, type of the data, kind of table), EINVAL (length), EFAULT, ENOMEM. */
  domainAllocPaging(_device: IommuDevice | undefined, options: PagingOptions): MockPagingDomain {
    const { flags, userData, iopfHandler, cookieType = COOKIE_NONE } = options
    if ((flags & ~DRIVER_FLAGS) !== 0) throw EOPNOTSUPP
    const geometry = userData === undefined ? GEOMETRY_DEFAULT : geometryOf(userData)
    if (this.#world.failpoints.hit('alloc_domain')) throw ENOMEM
    const tracksDirty = (flags & ALLOC_DIRTY_TRACKING) !== 0
    return new MockPagingDomain({
      owner: this,
      pool: this.tables,
      geometry,
      tracksDirty,
      iopfHandler,
      cookieType,
    })
  }

  /** EOPNOTSUPP (flags, type of the data), EINVAL (parent, length), EFAULT, ENOMEM. */
  domainAllocNested(_device: IommuDevice, parent: Domain, options: NestedOptions): MockNestedDomain {
    const { flags, userData, iopfHandler } = options
    if ((flags & ~ALLOC_PASID) !== 0) throw EOPNOTSUPP
    if ((userData.type | 0) !== MOCK_HWPT_DATA) throw EOPNOTSUPP
    if (!(parent instanceof MockPagingDomain)) throw EINVAL
    if (this.#world.failpoints.hit('alloc_domain')) throw ENOMEM
    return new MockNestedDomain(this, userData, iopfHandler, undefined)
  }

  attachDevice(domain: Domain, device: IommuDevice): void {
    attachMock(this.queue, domain, device)
  }

  setDevicePasid(domain: Domain, device: IommuDevice, pasid: number, old: Domain | undefined): void {
    setMockPasid(this.queue, domain, device, pasid, old)
  }

  /** The hardware does nothing with it; the extended test ABI tells of it. */
  pageResponse(device: IommuDevice, request: Fault, code: ResponseCode): void {
    this.responses?.add(mockOf(device).index, request, code)
  }

  hwInfo(_device: IommuDevice, type: number): HwInfo {
    if (type !== 0 && (type | 0) !== MOCK_HW_INFO) throw EOPNOTSUPP
    const data = new Uint8Array(HW_INFO_BYTES)
    new DataView(data.buffer).setInt32(4, MOCK_HW_INFO_REGISTER, true)
    return { type: MOCK_HW_INFO, data }
  }

  viommuSupported(_device: IommuDevice, type: number): boolean {
    return (type | 0) === MOCK_VIOMMU
  }

  viommuInit(_device: IommuDevice, { parent, port, userData }: ViommuOptions): DriverViommu {
    if (!(parent instanceof MockPagingDomain)) throw EINVAL
    const viommu = new MockViommu({
      owner: this,
      frames: this.#frames,
      failpoints: this.#world.failpoints,
      parent,
      port,
    })
    if (userData !== undefined) viommu.start(userData)
    return viommu
  }

  /** The machine is shut down: every device and page table is gone. */
  stop(): void {
    this.queue.free()
    assert(this.deviceCount === 0, `${this.deviceCount} mock devices are left`)
    assert(this.tables.inUse === 0, `${this.tables.inUse} tables of mock page tables are left`)
  }
}

/** EOPNOTSUPP (type, kind of table), EINVAL (length), EFAULT. */
function geometryOf(userData: UserData): MockGeometry {
  if ((userData.type | 0) !== MOCK_HWPT_DATA) throw EOPNOTSUPP
  const data = userData.copyStruct(MOCK_HWPT_DATA, HWPT_BYTES_MIN, HWPT_BYTES)
  const kind = new DataView(data.buffer, data.byteOffset).getInt32(4, true)
  if (kind === MOCK_PAGETABLE_DEFAULT) return GEOMETRY_DEFAULT
  if (kind === MOCK_PAGETABLE_HUGE) return GEOMETRY_HUGE
  throw EOPNOTSUPP
}
