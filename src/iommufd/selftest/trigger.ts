// SPDX-License-Identifier: MIT
import { ENOENT } from '../../base/errno.ts'
import { MOCK_VEVENTQ } from '../../kernel/drivers/mock/constants.ts'
import { mockOf } from '../../kernel/drivers/mock/mock-device.ts'
import { FAULT_LAST_PAGE, FAULT_PAGE_REQ, FAULT_PASID_VALID } from '../../kernel/iommu/fault.ts'
import { reportDeviceFault } from '../../kernel/iopf/report.ts'
import type { TestCmdTriggerIopf, TestCmdTriggerVevent } from '../abi/index.ts'
import type { Context } from '../objects/context.ts'
import { getDevice } from '../objects/lookup.ts'
import { portOf } from './port.ts'

/** TRIGGER_IOPF: a page request group of one, whatever becomes of it. ENOENT. */
export function triggerIopf(context: Context, command: TestCmdTriggerIopf): void {
  const { device } = getDevice(context, command.dev_id)
  const { fault } = portOf(context)
  fault.type = FAULT_PAGE_REQ
  fault.flags = command.pasid === 0 ? FAULT_LAST_PAGE : FAULT_LAST_PAGE | FAULT_PASID_VALID
  fault.pasid = command.pasid
  fault.grpid = command.grpid
  fault.perm = command.perm
  fault.addrHi = command.addr_hi
  fault.addrLo = command.addr_lo
  reportDeviceFault(device, fault)
}

/** TRIGGER_VEVENT: the guest's id for the device, cut to 32 bits. ENOENT: in no vIOMMU, or id 0; EOPNOTSUPP: no queue. */
export function triggerVevent(context: Context, command: TestCmdTriggerVevent): void {
  const { viommu, virtIdHi, virtIdLo } = mockOf(getDevice(context, command.dev_id).device)
  if (viommu === undefined || (virtIdHi | virtIdLo) === 0) throw ENOENT
  const payload = new Uint8Array(4)
  new DataView(payload.buffer).setInt32(0, virtIdLo, true)
  viommu.reportEvent(MOCK_VEVENTQ, payload)
}
