// SPDX-License-Identifier: MIT
import { EINVAL, ENOENT, ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import { COOKIE_IOMMUFD, type Domain } from '../../../kernel/iommu/domain.ts'
import { CAP_DIRTY_TRACKING } from '../../../kernel/iommu/driver.ts'
import {
  type HwptAlloc,
  IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
  IOMMU_HWPT_ALLOC_NEST_PARENT,
  IOMMU_HWPT_ALLOC_PASID,
  IOMMU_HWPT_DATA_NONE,
  IOMMU_HWPT_FAULT_ID_VALID,
} from '../../abi/index.ts'
import type { Context } from '../context.ts'
import type { DeviceObject } from '../device/device.ts'
import type { FaultObject } from '../fault/fault-queue.ts'
import { HwptObject } from './hwpt.ts'
import { IoasObject } from '../ioas/ioas.ts'
import { findFault, getDevice } from '../lookup.ts'
import { OBJECT_HWPT_PAGING, OBJECT_VIOMMU } from '../object-table.ts'

const KNOWN_FLAGS =
  IOMMU_HWPT_ALLOC_NEST_PARENT |
  IOMMU_HWPT_ALLOC_DIRTY_TRACKING |
  IOMMU_HWPT_FAULT_ID_VALID |
  IOMMU_HWPT_ALLOC_PASID

/** IOMMU_HWPT_ALLOC, checks in the order of `spec/02` §7.1. */
export function hwptAlloc(context: Context, command: HwptAlloc): void {
  if (command.__reserved !== 0) throw EOPNOTSUPP
  if ((command.data_type === IOMMU_HWPT_DATA_NONE) !== (command.data_len === 0)) throw EINVAL
  const device = getDevice(context, command.dev_id)
  const parent = context.objects.find(command.pt_id)
  if (parent === undefined) throw EINVAL
  if (parent instanceof IoasObject) return allocOnIoas(context, command, device, parent)
  if (parent.type === OBJECT_HWPT_PAGING || parent.type === OBJECT_VIOMMU) unbuiltNesting()
  throw EINVAL
}

/** Nested page tables: refused as by a driver that cannot make them. */
function unbuiltNesting(): never {
  throw EOPNOTSUPP
}

function allocOnIoas(context: Context, command: HwptAlloc, device: DeviceObject, ioas: IoasObject): void {
  const { flags } = command
  checkPagingFlags(device, flags, command.data_type)
  const wantsFault = (flags & IOMMU_HWPT_FAULT_ID_VALID) !== 0
  const fault = wantsFault ? findFault(context, command.fault_id) : undefined
  const domain = allocDomain(context, device, flags, fault)
  const hwpt = context.create(
    new HwptObject(ioas, domain, fault, {
      auto: false,
      pasidCompatible: (flags & IOMMU_HWPT_ALLOC_PASID) !== 0,
      nestParent: (flags & IOMMU_HWPT_ALLOC_NEST_PARENT) !== 0,
    }),
  )
  hwpt.fill()
  if (wantsFault && fault === undefined) throw ENOENT
  command.out_hwpt_id = hwpt.id
}

function checkPagingFlags(device: DeviceObject, flags: number, dataType: number): void {
  const { driver } = device.device
  if (driver?.domainAllocPaging === undefined) throw EOPNOTSUPP
  if ((flags & ~KNOWN_FLAGS) !== 0) throw EOPNOTSUPP
  if ((flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) !== 0 && !driver.capable(device.device, CAP_DIRTY_TRACKING))
    throw EOPNOTSUPP
  if ((flags & IOMMU_HWPT_FAULT_ID_VALID) !== 0 && (flags & IOMMU_HWPT_ALLOC_NEST_PARENT) !== 0)
    throw EOPNOTSUPP
  if (dataType !== IOMMU_HWPT_DATA_NONE) throw EOPNOTSUPP
}

function allocDomain(
  context: Context,
  device: DeviceObject,
  flags: number,
  fault: FaultObject | undefined,
): Domain {
  if (context.world.failpoints.hit('alloc_hwpt')) throw ENOMEM
  const { driver } = device.device
  if (driver?.domainAllocPaging === undefined) throw EOPNOTSUPP
  return driver.domainAllocPaging(device.device, {
    flags: flags & ~IOMMU_HWPT_FAULT_ID_VALID,
    iopfHandler: fault,
    cookieType: COOKIE_IOMMUFD,
  })
}

/** The page table that an attach to an IOAS makes (`spec/02` §5.4): a draft, not yet filled, without a fault queue. */
export function allocAutoHwpt(context: Context, device: DeviceObject, ioas: IoasObject): HwptObject {
  const domain = allocDomain(context, device, 0, undefined)
  const traits = { auto: true, pasidCompatible: false, nestParent: false }
  return context.objects.draft(new HwptObject(ioas, domain, undefined, traits))
}
