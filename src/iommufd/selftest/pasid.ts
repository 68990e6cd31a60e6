// SPDX-License-Identifier: MIT
import { EINVAL } from '../../base/errno.ts'
import type {
  TestCmdPasidAttach,
  TestCmdPasidCheck,
  TestCmdPasidDetach,
  TestCmdPasidReplace,
} from '../abi/index.ts'
import type { Context } from '../objects/context.ts'
import { type Place, deviceAttach, deviceDetach, deviceReplace } from '../objects/device/attachment.ts'
import { OBJECT_HWPT_NESTED, OBJECT_HWPT_PAGING } from '../objects/object-table.ts'
import { getSelftest } from './selftest-object.ts'

/** PASID_ATTACH: detached again when the answer cannot be delivered. */
export function pasidAttach(context: Context, command: TestCmdPasidAttach): void {
  const place = placeOf(context, command)
  command.pt_id = deviceAttach(place, command.pt_id)
  context.onAbort(() => deviceDetach(place))
}

/** PASID_REPLACE: stays replaced when the answer cannot be delivered. */
export function pasidReplace(context: Context, command: TestCmdPasidReplace): void {
  command.pt_id = deviceReplace(placeOf(context, command), command.pt_id)
}

/** PASID_DETACH: nothing happens where nothing is attached. */
export function pasidDetach(context: Context, command: TestCmdPasidDetach): void {
  deviceDetach(placeOf(context, command))
}

/** PASID_CHECK_HWPT: EINVAL unless that page table is attached there, or none for id 0. */
export function pasidCheck(context: Context, command: TestCmdPasidCheck): void {
  const { device, pasid } = placeOf(context, command)
  const attached = device.igroup.attachments.get(pasid)?.hwpt
  if (command.hwpt_id === 0) {
    if (attached !== undefined) throw EINVAL
    return
  }
  const hwpt = context.objects.get(command.hwpt_id)
  if (hwpt.type !== OBJECT_HWPT_PAGING && hwpt.type !== OBJECT_HWPT_NESTED) throw EINVAL
  if (attached !== hwpt) throw EINVAL
}

/** ENOENT. */
function placeOf(context: Context, { id, pasid }: { readonly id: number; readonly pasid: number }): Place {
  return { context, device: getSelftest(context, id).device, pasid: pasid >>> 0 }
}
