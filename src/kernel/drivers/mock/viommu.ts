// SPDX-License-Identifier: MIT
import { EEXIST, EFAULT, EINVAL, EIO, ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import type { Failpoints } from '../../../sim/failpoint.ts'
import {
  ALLOC_PASID,
  type DriverHwQueue,
  type DriverViommu,
  type MmapRegion,
  type ViommuPort,
} from '../../iommu/driver.ts'
import type { FaultHandler } from '../../iommu/fault.ts'
import type { UserArray, UserData } from '../../iommu/user-data.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'
import {
  MOCK_CACHES,
  MOCK_HW_QUEUE,
  MOCK_HW_QUEUES,
  MOCK_HWPT_DATA,
  MOCK_INVALIDATE_ALL,
  MOCK_VIOMMU,
  MOCK_VIOMMU_INVALIDATE_DATA,
  MOCK_VIOMMU_MMAP_PAGES,
} from './constants.ts'
import { mockOf } from './mock-device.ts'
import { MockNestedDomain } from './nested-domain.ts'
import type { MockPagingDomain } from './paging-domain.ts'

/** struct iommu_viommu_selftest: `in_data`, `out_data`, and where the mapped pages are. */
const DATA_BYTES_MIN = 8
const DATA_BYTES = 24
/** struct iommu_viommu_invalidate_selftest. */
const REQUEST_BYTES = 12
/** More than the kernel allocates in one piece: ENOMEM, with a warning in its log (observed on 7.2.13). */
const REQUESTS_BYTES_MAX = 4 * 2 ** 20

export interface MockViommuOptions {
  readonly owner: object
  readonly frames: FrameAllocator
  readonly failpoints: Failpoints
  readonly parent: MockPagingDomain
  readonly port: ViommuPort
}

/** A guest's IOMMU: nested domains, the device caches of its vdevices, two hardware queues (`spec/03` §5.2). */
export class MockViommu implements DriverViommu {
  readonly #port: ViommuPort
  readonly #owner: object
  readonly #frames: FrameAllocator
  readonly #failpoints: Failpoints
  readonly #parent: MockPagingDomain
  #region: MmapRegion | undefined = undefined
  /** Of the mapped pages; frame 0 is never handed out. */
  #firstFrame = 0
  /** By index. */
  readonly #queues: (DriverHwQueue | undefined)[] = []

  constructor({ owner, frames, failpoints, parent, port }: MockViommuOptions) {
    this.#owner = owner
    this.#frames = frames
    this.#failpoints = failpoints
    this.#parent = parent
    this.#port = port
  }

  /** With data there are two pages to map, which begin with `in_data`. EINVAL (length), EFAULT, ENOMEM: nothing stays. */
  start(userData: UserData): void {
    const data = userData.copyStruct(MOCK_VIOMMU, DATA_BYTES_MIN, DATA_BYTES)
    const view = new DataView(data.buffer, data.byteOffset)
    const word = view.getInt32(0, true)
    try {
      this.#allocPages()
      const region = this.#region!
      view.setInt32(4, word, true)
      view.setBigUint64(8, BigInt(region.offsetBytes), true)
      view.setBigUint64(16, BigInt(region.lengthBytes), true)
      userData.copyBack(data)
    } catch (thrown) {
      this.free()
      throw thrown
    }
    this.#frames.memory.store32(this.#firstFrame, 0, word)
  }

  /** EOPNOTSUPP (flags, type), EINVAL (length), EFAULT. */
  domainAllocNested(
    flags: number,
    userData: UserData,
    iopfHandler: FaultHandler | undefined,
  ): MockNestedDomain {
    if ((flags & ~ALLOC_PASID) !== 0) throw EOPNOTSUPP
    if (userData.type !== MOCK_HWPT_DATA) throw EOPNOTSUPP
    return new MockNestedDomain(this.#owner, userData, iopfHandler, this.#port)
  }

  /** EINVAL (type, cache, vdevice), EOPNOTSUPP (flags), E2BIG, EFAULT: the requests before it are done. ENOMEM leaves the number. */
  invalidate(array: UserArray): void {
    if (array.entryCount === 0 && array.type === MOCK_VIOMMU_INVALIDATE_DATA) return
    const isTooMuch = array.entryCount * REQUEST_BYTES > REQUESTS_BYTES_MAX
    if (isTooMuch || this.#failpoints.hit('alloc_requests')) throw ENOMEM
    array.handled = 0
    const requests = array.copyAll(MOCK_VIOMMU_INVALIDATE_DATA, REQUEST_BYTES)
    const view = new DataView(requests.buffer, requests.byteOffset)
    for (let index = 0; index < array.entryCount; index++) {
      this.#invalidateOne(view, index * REQUEST_BYTES)
      array.handled = index + 1
    }
  }

  hwQueueSupported(type: number): boolean {
    return type === MOCK_HW_QUEUE
  }

  /** EINVAL (index), EEXIST, EIO (the second without the first), EFAULT (not what the parent translates to). */
  hwQueueInit(queue: DriverHwQueue): void {
    const { index } = queue
    const queues = this.#queues
    if (index >>> 0 >= MOCK_HW_QUEUES) throw EINVAL
    if (queues[index] !== undefined) throw EEXIST
    const lower = index === 0 ? undefined : queues[index - 1]
    if (index > 0 && lower === undefined) throw EIO
    if (this.#parent.physicalOf(queue.iovaHi, queue.iovaLo) !== queue.physical) throw EFAULT
    if (lower !== undefined) queue.dependOn(lower)
    queues[index] = queue
    // Its place is forgotten wrongly: whichever goes, the first place is free and the second never is (observed on 7.2.13).
    queue.release = (): void => {
      queues[0] = undefined
      if (lower !== undefined) queue.undepend(lower)
    }
  }

  free(): void {
    if (this.#region !== undefined) this.#port.freeMmap(this.#region)
    this.#region = undefined
    if (this.#firstFrame !== 0) this.#frames.freeContiguous(this.#firstFrame, MOCK_VIOMMU_MMAP_PAGES)
    this.#firstFrame = 0
  }

  /** ENOMEM: `free` takes back what is there. */
  #allocPages(): void {
    this.#firstFrame = this.#frames.allocContiguous(MOCK_VIOMMU_MMAP_PAGES)
    this.#region = this.#port.allocMmap(this.#firstFrame, MOCK_VIOMMU_MMAP_PAGES)
  }

  #invalidateOne(view: DataView, at: number): void {
    const flags = view.getInt32(at, true)
    const cache = view.getUint32(at + 8, true)
    if ((flags & ~MOCK_INVALIDATE_ALL) !== 0) throw EOPNOTSUPP
    if (cache >= MOCK_CACHES) throw EINVAL
    const device = this.#port.findDevice(0, view.getInt32(at + 4, true))
    if (device === undefined) throw EINVAL
    const words = mockOf(device).cache
    if ((flags & MOCK_INVALIDATE_ALL) !== 0) words.fill(0)
    else words[cache] = 0
  }
}
