// SPDX-License-Identifier: MIT
import type { TestCmdMockDomain, TestCmdMockDomainFlags, TestCmdMockDomainReplace } from '../abi/index.ts'
import type { Context } from '../objects/context.ts'
import { deviceAttach, deviceReplace } from '../objects/device/attachment.ts'
import { PASID_NONE } from '../objects/device/igroup.ts'
import { SelftestObject, getSelftest } from './selftest-object.ts'

/** MOCK_DOMAIN: ids in this order: the selftest object, the device, the page table made for it (`spec/03` §5.3). */
export function mockDomain(context: Context, command: TestCmdMockDomain): void {
  create(context, command, 0)
}

/** MOCK_DOMAIN_FLAGS: EINVAL for flags that there are not, before anything else. */
export function mockDomainFlags(context: Context, command: TestCmdMockDomainFlags): void {
  create(context, command, command.dev_flags)
}

/** MOCK_DOMAIN_REPLACE: stays replaced when the answer cannot be delivered. */
export function mockDomainReplace(context: Context, command: TestCmdMockDomainReplace): void {
  const { device } = getSelftest(context, command.id)
  command.pt_id = deviceReplace({ context, device, pasid: PASID_NONE }, command.pt_id)
}

function create(context: Context, command: TestCmdMockDomain, flags: number): void {
  const object = context.create(new SelftestObject(context))
  const device = object.start(flags)
  command.out_hwpt_id = deviceAttach({ context, device, pasid: PASID_NONE }, command.id)
  command.out_stdev_id = object.id
  command.out_idev_id = device.id
}
