// SPDX-License-Identifier: MIT
import { EINVAL, EOPNOTSUPP } from '../../../base/errno.ts'
import type { UserArray } from '../../../kernel/iommu/user-data.ts'
import {
  type HwptInvalidate,
  IOMMU_HWPT_INVALIDATE_ENTRY_LEN_MAX,
  IOMMU_HWPT_INVALIDATE_ENTRY_NUM_MAX,
} from '../../abi/index.ts'
import type { Caller } from '../../files.ts'
import type { Context } from '../context.ts'
import type { IommufdObject } from '../object-table.ts'
import { ViommuObject } from '../viommu/viommu.ts'
import { CallerArray } from './caller-data.ts'
import { HwptNested } from './hwpt.ts'

/**
 * IOMMU_HWPT_INVALIDATE, checks in the order of `spec/02` §7.3. `entry_num` becomes what was done and goes back to the
 * caller whatever happens.
 */
export function hwptInvalidate(context: Context, command: HwptInvalidate, caller: Caller): void {
  const array = new CallerArray(caller.memory, command)
  command.entry_num = 0
  if (command.__reserved !== 0) throw EOPNOTSUPP
  if (array.entryCount > 0) checkArray(command, array)
  const object = context.objects.get(command.hwpt_id)
  const invalidate = invalidationOf(object)
  try {
    invalidate(array)
  } finally {
    command.entry_num = array.handled
  }
}

function checkArray(command: HwptInvalidate, { entryBytes, entryCount }: UserArray): void {
  if ((command.data_uptr_hi | command.data_uptr_lo) === 0) throw EINVAL
  if (entryBytes === 0 || entryBytes > IOMMU_HWPT_INVALIDATE_ENTRY_LEN_MAX) throw EINVAL
  if (entryCount > IOMMU_HWPT_INVALIDATE_ENTRY_NUM_MAX) throw EINVAL
}

/** EINVAL: neither a nested page table nor a vIOMMU; EOPNOTSUPP: its driver has nothing to invalidate. */
function invalidationOf(object: IommufdObject): (array: UserArray) => void {
  if (object instanceof HwptNested) {
    const { domain } = object
    if (domain.invalidateUser === undefined) throw EOPNOTSUPP
    return (array) => domain.invalidateUser?.(array)
  }
  if (!(object instanceof ViommuObject)) throw EINVAL
  const { driver } = object
  if (driver.invalidate === undefined) throw EOPNOTSUPP
  return (array) => driver.invalidate?.(array)
}
