// SPDX-License-Identifier: MIT
import { ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import type { Device } from '../../../kernel/iommu/device.ts'
import {
  CAP_DIRTY_TRACKING,
  CAP_PCI_ATS_SUPPORTED,
  type HwInfo as Info,
} from '../../../kernel/iommu/driver.ts'
import { pciPasidFeatures } from '../../../kernel/iommu/pci-features.ts'
import {
  type HwInfo,
  IOMMU_HW_CAP_DIRTY_TRACKING,
  IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED,
  IOMMU_HW_CAP_PCI_PASID_EXEC,
  IOMMU_HW_CAP_PCI_PASID_PRIV,
  IOMMU_HW_INFO_FLAG_INPUT_TYPE,
  IOMMU_HW_INFO_TYPE_DEFAULT,
  IOMMU_HW_INFO_TYPE_NONE,
} from '../../abi/index.ts'
import type { Caller } from '../../files.ts'
import type { Context } from '../context.ts'
import { getDevice } from '../lookup.ts'

/** A driver that says nothing of its unit. */
const NO_INFO: Info = { type: IOMMU_HW_INFO_TYPE_NONE, data: new Uint8Array(0) }
const ZEROS: Uint8Array = new Uint8Array(4096)

/** IOMMU_GET_HW_INFO, checks in the order of `spec/02` §7.4. */
export function getHwInfo(context: Context, command: HwInfo, caller: Caller): void {
  if ((command.flags & ~IOMMU_HW_INFO_FLAG_INPUT_TYPE) !== 0) throw EOPNOTSUPP
  if (command.__reserved.some((byte) => byte !== 0)) throw EOPNOTSUPP
  const { device } = getDevice(context, command.dev_id)
  const info = infoOf(context, device, command)
  copyInfo(command, info.data, caller)
  command.data_len = info.data.length
  command.out_data_type = info.type
  command.out_max_pasid_log2 = device.maxPasids === 0 ? 0 : 31 - Math.clz32(device.maxPasids)
  command.out_capabilities_hi = 0
  command.out_capabilities_lo = capabilitiesOf(device)
}

/** EOPNOTSUPP, ENOMEM. */
function infoOf(context: Context, device: Device, command: HwInfo): Info {
  const type =
    (command.flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE) === 0 ? IOMMU_HW_INFO_TYPE_DEFAULT : command.in_data_type
  const { driver } = device
  if (driver?.hwInfo !== undefined) {
    const info = driver.hwInfo(device, type)
    if (context.world.failpoints.hit('alloc_hw_info')) throw ENOMEM
    return info
  }
  if (type !== IOMMU_HW_INFO_TYPE_DEFAULT) throw EOPNOTSUPP
  return NO_INFO
}

/** As much as the caller has room for; zeros after it. EFAULT. */
function copyInfo(command: HwInfo, data: Uint8Array, caller: Caller): void {
  const { data_uptr_hi: hi, data_uptr_lo: lo } = command
  const room = command.data_len >>> 0
  caller.memory.copyOut(hi, lo, data, 0, Math.min(room, data.length))
  for (let done = data.length; done < room; ) {
    const length = Math.min(room - done, ZEROS.length)
    const at = (lo >>> 0) + done
    caller.memory.copyOut((hi + Math.floor(at / 4294967296)) | 0, at | 0, ZEROS, 0, length)
    done += length
  }
}

function capabilitiesOf(device: Device): number {
  const { driver } = device
  let bits = 0
  if (driver?.capable(device, CAP_DIRTY_TRACKING) === true) bits |= IOMMU_HW_CAP_DIRTY_TRACKING
  if (driver?.capable(device, CAP_PCI_ATS_SUPPORTED) !== true) bits |= IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED
  const pasid = device.config === undefined ? { exec: false, priv: false } : pciPasidFeatures(device.config)
  if (pasid.exec) bits |= IOMMU_HW_CAP_PCI_PASID_EXEC
  if (pasid.priv) bits |= IOMMU_HW_CAP_PCI_PASID_PRIV
  return bits
}
