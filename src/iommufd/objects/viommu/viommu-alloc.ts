// SPDX-License-Identifier: MIT
import { EINVAL, ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import { IOMMU_VIOMMU_TYPE_DEFAULT, type ViommuAlloc } from '../../abi/index.ts'
import type { Caller } from '../../files.ts'
import type { Context } from '../context.ts'
import { CallerData } from '../hwpt/caller-data.ts'
import { getDevice, getHwptPaging } from '../lookup.ts'
import { ViommuObject } from './viommu.ts'

/** IOMMU_VIOMMU_ALLOC, checks in the order of `spec/02` §8. */
export function viommuAlloc(context: Context, command: ViommuAlloc, caller: Caller): void {
  const { type } = command
  if (command.flags !== 0 || type === IOMMU_VIOMMU_TYPE_DEFAULT) throw EOPNOTSUPP
  const { device } = getDevice(context, command.dev_id)
  const { driver } = device
  if (driver?.viommuInit === undefined || driver.viommuSupported?.(device, type) !== true) throw EOPNOTSUPP
  const paging = getHwptPaging(context, command.hwpt_id)
  if (!paging.traits.nestParent) throw EINVAL
  if (context.world.failpoints.hit('alloc_viommu')) throw ENOMEM
  const viommu = context.create(new ViommuObject(paging, driver, type, context.mmapRegions))
  const userData = command.data_len === 0 ? undefined : new CallerData(caller.memory, command, type)
  viommu.start(driver.viommuInit(device, { type, parent: paging.domain, port: viommu, userData }))
  command.out_viommu_id = viommu.id
}
