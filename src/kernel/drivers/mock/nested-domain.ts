// SPDX-License-Identifier: MIT
import { EINVAL, EOPNOTSUPP } from '../../../base/errno.ts'
import { COOKIE_IOMMUFD, DOMAIN_NESTED, Domain } from '../../iommu/domain.ts'
import type { ViommuPort } from '../../iommu/driver.ts'
import type { FaultHandler } from '../../iommu/fault.ts'
import type { UserArray, UserData } from '../../iommu/user-data.ts'
import { MOCK_HWPT_DATA, MOCK_INVALIDATE_ALL, MOCK_INVALIDATE_DATA, MOCK_IOTLBS } from './constants.ts'

/** struct iommu_hwpt_selftest: `iotlb` is all that is needed. */
const DATA_BYTES_MIN = 4
const DATA_BYTES = 8
/** struct iommu_hwpt_invalidate_selftest. */
const REQUEST_BYTES = 8

/** A guest's own page table: four words that invalidations set to 0. */
export class MockNestedDomain extends Domain {
  readonly iotlb: Int32Array
  /** Made through it. */
  readonly viommu: ViommuPort | undefined

  /** EINVAL (length of the data), EFAULT. The caller has looked at the data's type. */
  constructor(
    owner: object,
    userData: UserData,
    iopfHandler: FaultHandler | undefined,
    viommu: ViommuPort | undefined,
  ) {
    super({ type: DOMAIN_NESTED, owner, iopfHandler, cookieType: COOKIE_IOMMUFD })
    const data = userData.copyStruct(MOCK_HWPT_DATA, DATA_BYTES_MIN, DATA_BYTES)
    const word = new DataView(data.buffer, data.byteOffset).getInt32(0, true)
    this.iotlb = new Int32Array(MOCK_IOTLBS).fill(word)
    this.viommu = viommu
  }

  /** EINVAL (type, length, word), EOPNOTSUPP (flags), EFAULT: the requests before it are done. */
  override invalidateUser(array: UserArray): void {
    array.handled = 0
    if (array.type !== MOCK_INVALIDATE_DATA) throw EINVAL
    for (let index = 0; index < array.entryCount; index++) {
      this.#invalidateOne(array.copyEntry(index, MOCK_INVALIDATE_DATA, REQUEST_BYTES, REQUEST_BYTES))
      array.handled = index + 1
    }
  }

  #invalidateOne(request: Uint8Array): void {
    const view = new DataView(request.buffer, request.byteOffset)
    const flags = view.getInt32(0, true)
    const word = view.getUint32(4, true)
    if ((flags & ~MOCK_INVALIDATE_ALL) !== 0) throw EOPNOTSUPP
    if (word >= MOCK_IOTLBS) throw EINVAL
    if ((flags & MOCK_INVALIDATE_ALL) !== 0) this.iotlb.fill(0)
    else this.iotlb[word] = 0
  }
}
