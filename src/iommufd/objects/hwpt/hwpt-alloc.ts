// SPDX-License-Identifier: MIT
import { EINVAL, ENOENT, ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import { COOKIE_IOMMUFD, type Domain } from '../../../kernel/iommu/domain.ts'
import { CAP_DIRTY_TRACKING, CAP_ENFORCE_CACHE_COHERENCY } from '../../../kernel/iommu/driver.ts'
import type { UserData } from '../../../kernel/iommu/user-data.ts'
import {
  type HwptAlloc,
  IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
  IOMMU_HWPT_ALLOC_NEST_PARENT,
  IOMMU_HWPT_ALLOC_PASID,
  IOMMU_HWPT_DATA_NONE,
  IOMMU_HWPT_FAULT_ID_VALID,
} from '../../abi/index.ts'
import type { Caller } from '../../files.ts'
import type { Context } from '../context.ts'
import type { DeviceObject } from '../device/device.ts'
import { FaultObject } from '../fault/fault-queue.ts'
import { IoasObject } from '../ioas/ioas.ts'
import { getDevice } from '../lookup.ts'
import { ViommuObject } from '../viommu/viommu.ts'
import { CallerData } from './caller-data.ts'
import { HwptNested, type HwptObject, HwptPaging } from './hwpt.ts'
import { type NestedRequest, nestedDomain, viommuDomain } from './nested-domain.ts'

const KNOWN_FLAGS =
  IOMMU_HWPT_ALLOC_NEST_PARENT |
  IOMMU_HWPT_ALLOC_DIRTY_TRACKING |
  IOMMU_HWPT_FAULT_ID_VALID |
  IOMMU_HWPT_ALLOC_PASID

/** IOMMU_HWPT_ALLOC, checks in the order of `spec/02` §7.1. */
export function hwptAlloc(context: Context, command: HwptAlloc, caller: Caller): void {
  if (command.__reserved !== 0) throw EOPNOTSUPP
  if ((command.data_type === IOMMU_HWPT_DATA_NONE) !== (command.data_len === 0)) throw EINVAL
  const device = getDevice(context, command.dev_id)
  const parent = context.objects.find(command.pt_id)
  const fault = findFault(context, command)
  const request = {
    context,
    device,
    flags: command.flags,
    data: new CallerData(caller.memory, command, command.data_type),
    fault,
  }
  const hwpt = allocOn(request, parent)
  // A wrong fault id is found out last: everything before it is undone (`spec/02` §6.6).
  if ((command.flags & IOMMU_HWPT_FAULT_ID_VALID) !== 0 && fault === undefined) throw ENOENT
  command.out_hwpt_id = hwpt.id
}

function findFault(context: Context, { flags, fault_id }: HwptAlloc): FaultObject | undefined {
  const object = (flags & IOMMU_HWPT_FAULT_ID_VALID) === 0 ? undefined : context.objects.find(fault_id)
  return object instanceof FaultObject ? object : undefined
}

function allocOn(request: NestedRequest, parent: object | undefined): HwptObject {
  const { context } = request
  if (parent instanceof IoasObject) return allocOnIoas(request, parent)
  if (parent instanceof HwptPaging) {
    const domain = nestedDomain(request, parent)
    return context.create(
      new HwptNested({ object: parent, paging: parent }, domain, ...nestedTraits(request)),
    )
  }
  if (!(parent instanceof ViommuObject)) throw EINVAL
  const domain = viommuDomain(request, parent)
  return context.create(
    new HwptNested({ object: parent, paging: parent.paging }, domain, ...nestedTraits(request)),
  )
}

function nestedTraits({ fault, flags }: NestedRequest): [FaultObject | undefined, boolean] {
  return [fault, (flags & IOMMU_HWPT_ALLOC_PASID) !== 0]
}

function allocOnIoas({ context, device, flags, data, fault }: NestedRequest, ioas: IoasObject): HwptObject {
  const userData = data.lengthBytes === 0 ? undefined : data
  checkPagingFlags(device, flags, userData)
  const domain = allocDomain(context, device, flags, { fault, userData })
  const hwpt = context.create(
    new HwptPaging(ioas, domain, fault, {
      auto: false,
      pasidCompatible: (flags & IOMMU_HWPT_ALLOC_PASID) !== 0,
      nestParent: (flags & IOMMU_HWPT_ALLOC_NEST_PARENT) !== 0,
    }),
  )
  enforceFor(device, hwpt)
  hwpt.fill()
  return hwpt
}

function checkPagingFlags(device: DeviceObject, flags: number, userData: UserData | undefined): void {
  const { driver } = device.device
  if (driver?.domainAllocPaging === undefined && (flags !== 0 || userData !== undefined)) throw EOPNOTSUPP
  if ((flags & ~KNOWN_FLAGS) !== 0) throw EOPNOTSUPP
  if (
    (flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) !== 0 &&
    driver?.capable(device.device, CAP_DIRTY_TRACKING) !== true
  )
    throw EOPNOTSUPP
  if ((flags & IOMMU_HWPT_FAULT_ID_VALID) !== 0 && (flags & IOMMU_HWPT_ALLOC_NEST_PARENT) !== 0)
    throw EOPNOTSUPP
}

function allocDomain(
  context: Context,
  device: DeviceObject,
  flags: number,
  given: { readonly fault?: FaultObject | undefined; readonly userData?: UserData | undefined },
): Domain {
  if (context.world.failpoints.hit('alloc_hwpt')) throw ENOMEM
  const { driver } = device.device
  if (driver?.domainAllocPaging === undefined) throw EOPNOTSUPP
  return driver.domainAllocPaging(device.device, {
    flags: flags & ~IOMMU_HWPT_FAULT_ID_VALID,
    iopfHandler: given.fault,
    cookieType: COOKIE_IOMMUFD,
    userData: given.userData,
  })
}

/** Before anything is mapped, or the mappings would have to be made again. */
function enforceFor(device: DeviceObject, hwpt: HwptPaging): void {
  if (device.device.driver?.capable(device.device, CAP_ENFORCE_CACHE_COHERENCY) === true)
    hwpt.enforceCoherency()
}

/** The page table that an attach to an IOAS makes (`spec/02` §5.4): a draft, not yet filled, without a fault queue. */
export function allocAutoHwpt(context: Context, device: DeviceObject, ioas: IoasObject): HwptPaging {
  const domain = allocDomain(context, device, 0, {})
  const traits = { auto: true, pasidCompatible: false, nestParent: false }
  const hwpt = context.objects.draft(new HwptPaging(ioas, domain, undefined, traits))
  enforceFor(device, hwpt)
  return hwpt
}
