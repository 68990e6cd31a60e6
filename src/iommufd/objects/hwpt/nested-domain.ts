// SPDX-License-Identifier: MIT
import { EINVAL, ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import type { Domain } from '../../../kernel/iommu/domain.ts'
import type { UserData } from '../../../kernel/iommu/user-data.ts'
import { IOMMU_HWPT_ALLOC_PASID, IOMMU_HWPT_FAULT_ID_VALID } from '../../abi/index.ts'
import type { Context } from '../context.ts'
import type { DeviceObject } from '../device/device.ts'
import type { FaultObject } from '../fault/fault-queue.ts'
import type { ViommuObject } from '../viommu/viommu.ts'
import type { HwptPaging } from './hwpt.ts'

/** What IOMMU_HWPT_ALLOC asks for. */
export interface NestedRequest {
  readonly context: Context
  readonly device: DeviceObject
  readonly flags: number
  readonly data: UserData
  readonly fault: FaultObject | undefined
}

const FLAGS = IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID

/** The driver's domain of a guest's table on a paging one. EOPNOTSUPP, EINVAL, and the driver's (`spec/02` §7.1). */
export function nestedDomain(request: NestedRequest, parent: HwptPaging): Domain {
  const { context, device, flags, data, fault } = request
  const { driver } = device.device
  if ((flags & ~FLAGS) !== 0 || data.lengthBytes === 0 || driver?.domainAllocNested === undefined)
    throw EOPNOTSUPP
  if (parent.traits.auto || !parent.traits.nestParent || parent.domain.owner !== driver) throw EINVAL
  if (context.world.failpoints.hit('alloc_nested_hwpt')) throw ENOMEM
  return driver.domainAllocNested(device.device, parent.domain, {
    flags: flags & ~IOMMU_HWPT_FAULT_ID_VALID,
    userData: data,
    iopfHandler: fault,
  })
}

/** The same through a vIOMMU. EINVAL: the device is behind another unit. */
export function viommuDomain(request: NestedRequest, viommu: ViommuObject): Domain {
  const { context, device, flags, data, fault } = request
  const { driver } = viommu
  if (device.device.driver !== viommu.unit) throw EINVAL
  if ((flags & ~FLAGS) !== 0 || data.lengthBytes === 0 || driver.domainAllocNested === undefined)
    throw EOPNOTSUPP
  if (context.world.failpoints.hit('alloc_nested_hwpt')) throw ENOMEM
  return driver.domainAllocNested(flags & ~IOMMU_HWPT_FAULT_ID_VALID, data, fault)
}
