// SPDX-License-Identifier: MIT
import { attachGroupHandle } from '../iommu/attach.ts'
import { AttachHandle } from '../iommu/attach-handle.ts'
import { attachDevicePasid } from '../iommu/attach-pasid.ts'
import type { Device } from '../iommu/device.ts'
import { DOMAIN_UNMANAGED, type Domain } from '../iommu/domain.ts'
import { type FakeMachine, fakeMachine } from '../iommu/fake-driver.suite.ts'
import {
  FAULT_LAST_PAGE,
  FAULT_NEEDS_PASID,
  FAULT_PASID_VALID,
  Fault,
  type FaultGroup,
  type FaultHandler,
  type FaultPolicy,
} from '../iommu/fault.ts'
import { IopfQueue } from './queue.ts'
import { reportDeviceFault } from './report.ts'
import { dequeueGroup, freeGroup, respondGroup } from './respond.ts'

/** A handler that takes every group off the pending list and keeps it, as iommufd's does. */
export class KeepingHandler implements FaultHandler {
  readonly groups: FaultGroup[] = []
  readonly withdrawn: number[] = []
  refuse = false
  /** Leaves groups on the pending list. */
  lazy = false

  handle(group: FaultGroup): boolean {
    if (this.refuse) return false
    if (!this.lazy) dequeueGroup(group)
    this.groups.push(group)
    return true
  }

  withdraw(group: FaultGroup): void {
    this.groups.splice(this.groups.indexOf(group), 1)
    this.withdrawn.push(group.last.grpid)
  }

  /** Answers and frees the oldest group, or the one at the index. */
  answer(code: 0 | 1 | 2 = 0, index = 0): void {
    const [group] = this.groups.splice(index, 1)
    respondGroup(group!, code)
    freeGroup(group!)
  }
}

export interface FaultMachine extends FakeMachine {
  readonly queue: IopfQueue
  readonly device: Device
  readonly handler: KeepingHandler
  readonly domain: Domain
}

/** One device on a fault queue; a domain whose handler keeps groups is attached to its RID and to `pasids`. */
export function faultMachine(
  options: { pasids?: readonly number[]; policy?: Partial<FaultPolicy>; type?: number } = {},
): FaultMachine {
  const machine = fakeMachine([32])
  const [device] = machine.devices
  const handler = new KeepingHandler()
  const domain = machine.driver.domain('faulting', options.type ?? DOMAIN_UNMANAGED, handler)
  const queue = new IopfQueue(machine.world, { name: 'fake', policy: options.policy ?? {} })
  queue.addDevice(device!)
  attachGroupHandle(domain, device!.group!, new AttachHandle())
  for (const pasid of options.pasids ?? [1, 2]) {
    attachDevicePasid(domain, device!, pasid, new AttachHandle())
  }
  return { ...machine, device: device!, queue, handler, domain }
}

export interface RequestOptions {
  readonly grpid: number
  /** Absent: no PASID. */
  readonly pasid?: number
  readonly last?: boolean
  readonly addr?: number
  readonly perm?: number
  readonly type?: number
}

const reused = new Fault()

/** Reports one page request, the last of its group by default; returns what the core returned. */
export function report(device: Device, request: RequestOptions): number {
  reused.type = request.type ?? 1
  reused.flags = (request.last ?? true) ? FAULT_LAST_PAGE : 0
  if (request.pasid !== undefined) reused.flags |= FAULT_PASID_VALID | FAULT_NEEDS_PASID
  reused.pasid = request.pasid ?? 0
  reused.grpid = request.grpid
  reused.perm = request.perm ?? 1
  reused.addrLo = request.addr ?? 0
  return reportDeviceFault(device, reused)
}

/** Addresses of the group's faults, first to last. */
export function addressesOf(group: FaultGroup): number[] {
  const addresses: number[] = []
  for (let fault = group.first; fault !== group.last; fault = fault.next!) addresses.push(fault.addrLo)
  return [...addresses, group.last.addrLo]
}
