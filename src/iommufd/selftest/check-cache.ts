// SPDX-License-Identifier: MIT
import { EINVAL, ENOENT } from '../../base/errno.ts'
import { MOCK_CACHES, MOCK_IOTLBS } from '../../kernel/drivers/mock/constants.ts'
import { mockOf } from '../../kernel/drivers/mock/mock-device.ts'
import { MockNestedDomain } from '../../kernel/drivers/mock/nested-domain.ts'
import type { TestCmdCheckDevCache, TestCmdCheckIotlb } from '../abi/index.ts'
import type { Context } from '../objects/context.ts'
import { HwptObject } from '../objects/hwpt/hwpt.ts'
import { getDevice } from '../objects/lookup.ts'
import { OBJECT_HWPT_NESTED } from '../objects/object-table.ts'

/** MD_CHECK_IOTLB: what stands in a word of a nested page table. ENOENT; EINVAL: not that. */
export function checkIotlb(context: Context, command: TestCmdCheckIotlb): void {
  const object = context.objects.find(command.id)
  if (!(object instanceof HwptObject) || object.type !== OBJECT_HWPT_NESTED) throw ENOENT
  const { domain } = object
  if (!(domain instanceof MockNestedDomain)) throw EINVAL
  const word = command.check_iotlb_id >>> 0
  if (word >= MOCK_IOTLBS || domain.iotlb[word] !== command.iotlb) throw EINVAL
}

/** DEV_CHECK_CACHE: the same for a word of a device's cache. */
export function checkDeviceCache(context: Context, command: TestCmdCheckDevCache): void {
  const { device } = getDevice(context, command.id)
  const word = command.check_dev_cache_id >>> 0
  if (word >= MOCK_CACHES || mockOf(device).cache[word] !== command.cache) throw EINVAL
}
