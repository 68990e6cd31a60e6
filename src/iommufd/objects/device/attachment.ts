// SPDX-License-Identifier: MIT
import { EBUSY, EINVAL, ENOMEM } from '../../../base/errno.ts'
import { attachGroupHandle, detachGroupHandle, replaceGroupHandle } from '../../../kernel/iommu/attach.ts'
import {
  attachDevicePasid,
  detachDevicePasid,
  replaceDevicePasid,
} from '../../../kernel/iommu/attach-pasid.ts'
import { IommufdAttachHandle } from './attach-handle.ts'
import type { Context } from '../context.ts'
import type { DeviceObject } from './device.ts'
import { HwptObject } from '../hwpt/hwpt.ts'
import { allocAutoHwpt } from '../hwpt/hwpt-alloc.ts'
import { Attachment, type GroupMember, type Igroup, PASID_NONE } from './igroup.ts'
import { IoasObject } from '../ioas/ioas.ts'

/** A bound device's own traffic, or that of one of its PASIDs. */
export interface Place {
  readonly context: Context
  readonly device: DeviceObject
  /** PASID_NONE for its own. */
  readonly pasid: number
}

/** Linux's iommufd_device_attach (`spec/02` §5.1, §5.4). Returns the id of the page table. */
export function deviceAttach(place: Place, targetId: number): number {
  const hwpt = attachTarget(place, place.context.objects.get(targetId))
  place.device.users++
  return hwpt.id
}

function attachTarget(place: Place, target: object): HwptObject {
  if (target instanceof IoasObject)
    return tryAutoHwpts(target, (hwpt) => attachHwpt(place, hwpt)) ?? attachNewAuto(place, target)
  if (!(target instanceof HwptObject)) throw EINVAL
  attachHwpt(place, target)
  return target
}

/** Linux's iommufd_device_replace (`spec/02` §5.3, §12). Returns the id of the page table. */
export function deviceReplace(place: Place, targetId: number): number {
  const target = place.context.objects.get(targetId)
  if (target instanceof IoasObject) {
    const found = tryAutoHwpts(target, (hwpt) => replaceHwpt(place, hwpt))
    return (found ?? replaceWithNewAuto(place, target)).id
  }
  if (!(target instanceof HwptObject)) throw EINVAL
  replaceHwpt(place, target)
  return target.id
}

/** Linux's iommufd_device_detach (`spec/02` §5.5). Nothing happens when the device is not attached there. */
export function deviceDetach(place: Place): void {
  const { context, device, pasid } = place
  const attachment = device.igroup.attachments.get(pasid)
  if (attachment === undefined || !attachment.devices.includes(device)) return
  detachHwpt(place, attachment)
  device.users--
  putHwpt(context, attachment.hwpt)
}

/** The first page table of the IOAS's own that fits: EINVAL means the next may, anything else ends the search. */
function tryAutoHwpts(ioas: IoasObject, use: (hwpt: HwptObject) => void): HwptObject | undefined {
  for (const hwpt of ioas.hwpts) {
    if (!(hwpt instanceof HwptObject) || !hwpt.traits.auto) continue
    try {
      use(hwpt)
      return hwpt
    } catch (thrown) {
      if (thrown !== EINVAL) throw thrown
    }
  }
  return undefined
}

/** A new page table of the IOAS's own is attached before it is filled. */
function attachNewAuto(place: Place, ioas: IoasObject): HwptObject {
  const { context, device } = place
  const hwpt = allocAutoHwpt(context, device, ioas)
  try {
    attachHwpt(place, hwpt)
    try {
      hwpt.fill()
    } catch (thrown) {
      detachHwpt(place, device.igroup.attachments.get(place.pasid)!)
      hwpt.users--
      throw thrown
    }
  } catch (thrown) {
    context.objects.abort(hwpt)
    throw thrown
  }
  context.objects.finalize(hwpt)
  return hwpt
}

/** A new page table of the IOAS's own is filled before it replaces another. */
function replaceWithNewAuto(place: Place, ioas: IoasObject): HwptObject {
  const { context, device } = place
  const hwpt = allocAutoHwpt(context, device, ioas)
  try {
    hwpt.fill()
    replaceHwpt(place, hwpt)
  } catch (thrown) {
    context.objects.abort(hwpt)
    throw thrown
  }
  context.objects.finalize(hwpt)
  return hwpt
}

/** Linux's iommufd_hw_pagetable_attach: one device of the group at one PASID. */
function attachHwpt(place: Place, hwpt: HwptObject): void {
  const { device, pasid } = place
  const { igroup } = device
  const shared = igroup.attachments.get(pasid)
  if (shared?.devices.includes(device) === true) throw EBUSY
  if (shared !== undefined && shared.hwpt !== hwpt) throw EINVAL
  if (pasid === PASID_NONE) hwpt.ioas.reserveDevice(device.device)
  try {
    const attachment = shared ?? attachFirst(place, hwpt)
    attachment.devices.push(device)
  } catch (thrown) {
    if (pasid === PASID_NONE) hwpt.ioas.reserved.removeOwner(device.device)
    throw thrown
  }
  hwpt.users++
}

/** The first device of the group does the hardware's work. */
function attachFirst(place: Place, hwpt: HwptObject): Attachment {
  const { context, device, pasid } = place
  const { igroup } = device
  checkPasidCompatible(igroup, pasid, hwpt)
  const handle = makeHandle(context, device)
  if (pasid === PASID_NONE) attachGroupHandle(hwpt.domain, igroup.group, handle)
  else attachDevicePasid(hwpt.domain, device.device, pasid, handle)
  const attachment = new Attachment(hwpt, handle)
  igroup.attachments.set(pasid, attachment)
  return attachment
}

function makeHandle(context: Context, device: DeviceObject): IommufdAttachHandle {
  if (context.world.failpoints.hit('alloc_attach_handle')) throw ENOMEM
  return new IommufdAttachHandle(device.id)
}

/** EINVAL: a page table without PASID flag meets PASIDs on the group (`spec/02` §5.2). */
function checkPasidCompatible(igroup: Igroup, pasid: number, hwpt: HwptObject): void {
  if (pasid === PASID_NONE) {
    if (!hwpt.traits.pasidCompatible && igroup.hasPasids) throw EINVAL
    return
  }
  if (!hwpt.traits.pasidCompatible) throw EINVAL
  const own = igroup.attachments.get(PASID_NONE)
  if (own !== undefined && !own.hwpt.traits.pasidCompatible) throw EINVAL
}

/** Takes the device out of the attachment; the last one does the hardware's work and has its faults answered. */
function detachHwpt(place: Place, attachment: Attachment): void {
  const { device, pasid } = place
  const { igroup } = device
  const { hwpt, handle, devices } = attachment
  devices.splice(devices.indexOf(device), 1)
  if (devices.length === 0) {
    igroup.attachments.delete(pasid)
    if (pasid === PASID_NONE) detachGroupHandle(igroup.group, handle)
    else detachDevicePasid(hwpt.domain, device.device, pasid)
    hwpt.fault?.answerAll(handle)
  }
  if (pasid === PASID_NONE) hwpt.ioas.reserved.removeOwner(device.device)
}

/** Linux's iommufd_device_do_replace: the whole group at one PASID. */
function replaceHwpt(place: Place, hwpt: HwptObject): void {
  const { context, device, pasid } = place
  const { igroup } = device
  const attachment = igroup.attachments.get(pasid)
  if (attachment === undefined || !attachment.devices.includes(device)) throw EINVAL
  const old = attachment.hwpt
  if (old === hwpt) return
  const moves = pasid === PASID_NONE && old.ioas !== hwpt.ioas
  if (moves) reserveDevices(hwpt.ioas, attachment.devices)
  try {
    switchHwpt(place, attachment, hwpt)
  } catch (thrown) {
    if (moves) unreserveDevices(hwpt.ioas, attachment.devices)
    throw thrown
  }
  if (moves) unreserveDevices(old.ioas, attachment.devices)
  hwpt.users += attachment.devices.length
  old.users -= attachment.devices.length - 1
  putHwpt(context, old)
}

/** Switches the hardware and answers the faults of the old attachment. */
function switchHwpt(place: Place, attachment: Attachment, hwpt: HwptObject): void {
  const { context, device, pasid } = place
  const { igroup } = device
  checkPasidCompatible(igroup, pasid, hwpt)
  const handle = makeHandle(context, device)
  if (pasid === PASID_NONE) replaceGroupHandle(igroup.group, hwpt.domain, handle)
  else replaceDevicePasid(hwpt.domain, device.device, pasid, handle)
  const { handle: oldHandle, hwpt: old } = attachment
  attachment.handle = handle
  attachment.hwpt = hwpt
  old.fault?.answerAll(oldHandle)
}

function reserveDevices(ioas: IoasObject, devices: readonly GroupMember[]): void {
  try {
    for (const { device } of devices) ioas.reserveDevice(device)
  } catch (thrown) {
    unreserveDevices(ioas, devices)
    throw thrown
  }
}

function unreserveDevices(ioas: IoasObject, devices: readonly GroupMember[]): void {
  for (const { device } of devices) ioas.reserved.removeOwner(device)
}

/** Drops an attachment's reference; the IOAS's own page table goes with its last. */
function putHwpt(context: Context, hwpt: HwptObject): void {
  if (hwpt.traits.auto && hwpt.users === 2) context.objects.putAndDestroy(hwpt)
  else hwpt.users--
}
