// SPDX-License-Identifier: MIT
import { EINVAL } from '../../base/errno.ts'
import { EVENTS, REQUEST_LAST } from '../../trace/events.ts'
import type { Device } from '../iommu/device.ts'
import { DOMAIN_NESTED } from '../iommu/domain.ts'
import {
  FAULT_LAST_PAGE,
  FAULT_PAGE_REQ,
  FAULT_PASID_VALID,
  type Fault,
  type FaultGroup,
  type FaultParam,
  GROUP_PENDING,
  RESPONSE_FAILURE,
  RESPONSE_INVALID,
} from '../iommu/fault.ts'
import type { IommuGroup } from '../iommu/group.ts'
import type { PasidEntry } from '../iommu/pasid-array.ts'
import { pasidOf, traceRequest } from './fault-trace.ts'
import { gatherPartials, keepPartial } from './partial.ts'
import { answer, freeGroup, respondGroup } from './respond.ts'
import { setDeadline } from './timeout.ts'

// An imported constant is a load at each use, one of the module itself is part of the code.
const PASID_VALID = FAULT_PASID_VALID
const LAST_PAGE = FAULT_LAST_PAGE
const PENDING = GROUP_PENDING

/**
 * Linux's iommu_report_device_fault (`spec/01` §3.2). Copies the fault, never throws. Returns 0 when the request is
 * kept, delivered or answered FAILURE (Q5); 22 (EINVAL) when it has no handler and was answered INVALID, a request that
 * is not the last of its group too (Q2); 12 (ENOMEM) when an open request could not be kept, which nobody answers.
 */
export function reportDeviceFault(device: Device, fault: Fault): number {
  const { group, faultParam } = device
  if (group === undefined) return refuseStray(device, fault)
  if (group.world.trace.enabled) traceReport(group, device.rid, fault)
  const entry = findEntry(group, device, fault)
  if (entry === undefined || faultParam === undefined) return refuse(group, device, fault)
  if ((fault.flags & LAST_PAGE) === 0) return keepPartial(faultParam, fault)
  deliver(faultParam, fault, entry)
  return 0
}

/** The entry of the PASID, or of the RID; only one whose domain has a handler. Bare domains have no handle (Q9). */
function findEntry(group: IommuGroup, device: Device, fault: Fault): PasidEntry | undefined {
  const pasid = (fault.flags & PASID_VALID) !== 0 ? fault.pasid : 0
  const entry = group.pasidArray.get(pasid)
  if (entry === undefined || entry.handle === undefined) return findNested(group, device, fault)
  return entry.handler === undefined ? undefined : entry
}

/** For a PASID that the host has not attached but a guest, who owns the PASID table, has: the RID's. */
function findNested(group: IommuGroup, device: Device, fault: Fault): PasidEntry | undefined {
  if (!device.driver!.userPasidTable || (fault.flags & PASID_VALID) === 0) return undefined
  const entry = group.pasidArray.get(0)
  return entry?.handle?.domain!.type === DOMAIN_NESTED && entry.handler !== undefined ? entry : undefined
}

/** No handler: answered INVALID at once. */
function refuse(group: IommuGroup, device: Device, fault: Fault): number {
  const { world } = group
  if (world.trace.enabled) traceRequest(world, EVENTS.fault_bad, device.rid, fault, 0)
  if (fault.type === FAULT_PAGE_REQ) answer(world, device, fault, RESPONSE_INVALID)
  return EINVAL.errno
}

/** The same for a device that is in no group: there is no machine whose trace could tell of it. */
function refuseStray(device: Device, fault: Fault): number {
  if (fault.type === FAULT_PAGE_REQ) device.answer(fault, RESPONSE_INVALID)
  return EINVAL.errno
}

/** The group is complete: to its handler, or answered here. The handler is the last request's (Q4). */
function deliver(param: FaultParam, fault: Fault, entry: PasidEntry): void {
  const lacksMemory = param.failpoints.hit('alloc_group')
  const group = makeGroup(param, fault)
  if (lacksMemory) return abort(param, group)
  const { quotaFaults } = param.policy
  if (quotaFaults !== 0 && param.outstandingFaults > quotaFaults) return refuseOverQuota(param, group)
  const handler = entry.handler!
  group.handle = entry.handle
  group.handler = handler
  if (param.alarm !== undefined) setDeadline(param, param.alarm, group)
  if (param.trace.enabled) traceGroup(param, group, EVENTS.fault_delivered)
  if (!handler.handle(group)) abort(param, group)
}

/** A pending group of the open requests and the last one. Without memory the kernel has one on its stack. */
function makeGroup(param: FaultParam, fault: Fault): FaultGroup {
  const group = param.pool.takeGroup()
  group.last.copyFrom(fault)
  if (param.partialCount === 0) group.count = 1
  else gatherPartials(param, group)
  group.param = param
  group.state = PENDING
  param.users++
  param.outstandingFaults += group.count
  param.pending.pushFirst(group)
  if (param.trace.enabled) traceGroup(param, group, EVENTS.fault_group_queued)
  return group
}

/** No memory, or the handler did not take it: answered FAILURE. */
function abort(param: FaultParam, group: FaultGroup): void {
  const { world } = param
  if (param.trace.enabled) traceRequest(world, EVENTS.fault_abort, param.source.rid, group.last, 0)
  respondGroup(group, RESPONSE_FAILURE)
  freeGroup(group)
}

/** The quota, a wish (`spec/01` §8.3, §8.4): what the device has outstanding, this group included, is too much. */
function refuseOverQuota(param: FaultParam, group: FaultGroup): void {
  const { world, policy } = param
  const { rid } = param.source
  param.quotaRefusals++
  param.queue.quotaRefusals++
  if (world.trace.enabled) {
    const { grpid } = group.last
    world.trace.emit(
      EVENTS.quota_refused,
      world.trace.flowOf(rid, grpid),
      rid,
      grpid,
      param.outstandingFaults - group.count,
    )
  }
  respondGroup(group, policy.quotaCode)
  freeGroup(group)
}

function traceGroup(param: FaultParam, group: FaultGroup, event: number): void {
  traceRequest(param.world, event, param.source.rid, group.last, group.count)
}

function traceReport(group: IommuGroup, rid: number, fault: Fault): void {
  const { trace } = group.world
  const flow = trace.flowOf(rid, fault.grpid)
  const pasid = pasidOf(fault)
  const flags = fault.perm | ((fault.flags & LAST_PAGE) !== 0 ? REQUEST_LAST : 0)
  trace.emit(EVENTS.fault_reported, flow, rid, pasid, fault.addrHi, fault.addrLo, fault.grpid, flags)
}
