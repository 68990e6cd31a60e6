// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { Work } from '../../sim/work-queue.ts'
import { EVENTS } from '../../trace/events.ts'
import {
  FAULT_PASID_VALID,
  FAULT_PERM_EXEC,
  FAULT_PERM_PRIV,
  FAULT_PERM_READ,
  FAULT_PERM_WRITE,
  type Fault,
  type FaultGroup,
  type FaultHandler,
  GROUP_PENDING,
  RESPONSE_INVALID,
  RESPONSE_SUCCESS,
  type ResponseCode,
} from '../iommu/fault.ts'
import { pasidOf } from '../iopf/fault-trace.ts'
import { freeGroup, respondGroup } from '../iopf/respond.ts'
import {
  FAULT_FLAG_INSTRUCTION,
  FAULT_FLAG_REMOTE,
  FAULT_FLAG_USER,
  FAULT_FLAG_WRITE,
  VM_FAULT_ERROR,
} from '../mm/fault-flags.ts'
import type { Mm } from '../mm/mm.ts'
import { SvaHandle } from './handle.ts'

const PERM_RWX = FAULT_PERM_READ | FAULT_PERM_WRITE | FAULT_PERM_EXEC

/** The handler of all SVA domains (`spec/01` §4.2): one work item a group; it stays on the pending list meanwhile. */
export const SVA_HANDLER: FaultHandler = {
  /** `false` when the work could not be queued. */
  handle(group: FaultGroup): boolean {
    const param = group.param!
    if (param.failpoints.hit('sva_queue_work')) return false
    if (group.work === undefined) group.work = createWork(group)
    return param.queue.workQueue.queue(group.work)
  },
  withdraw(group: FaultGroup): void {
    group.param!.queue.workQueue.cancel(group.work!)
  },
}

/** A function of its own: where a closure stands, each call allocates what it may capture. */
function createWork(group: FaultGroup): Work {
  return new Work(() => handleGroup(group))
}

/** Faults the pages in, in order, up to the first that cannot be had; one answer. */
function handleGroup(group: FaultGroup): void {
  assert(
    group.state === GROUP_PENDING,
    'a group was answered while its work was queued: flush before removal',
  )
  const handle = group.handle
  assert(handle instanceof SvaHandle, 'the group of an SVA domain has an SVA handle')
  const { mm } = handle
  let fault = group.first
  let code = handleFault(mm, fault)
  const traced = group.param!.trace.enabled
  if (traced) traceFault(group, fault, code)
  while (code === RESPONSE_SUCCESS && fault !== group.last) {
    fault = fault.next!
    code = handleFault(mm, fault)
    if (traced) traceFault(group, fault, code)
  }
  respondGroup(group, code)
  freeGroup(group)
}

function handleFault(mm: Mm, fault: Fault): ResponseCode {
  if ((fault.flags & FAULT_PASID_VALID) === 0) return RESPONSE_INVALID
  if (!mm.getNotZero()) return RESPONSE_INVALID
  const resident = faultIn(mm, fault)
  mm.putUser()
  return resident ? RESPONSE_SUCCESS : RESPONSE_INVALID
}

/** No stack growth: the address must lie in an area that allows all that was asked for. */
function faultIn(mm: Mm, fault: Fault): boolean {
  const vma = mm.findVma(fault.addrHi, fault.addrLo)
  if (vma === undefined || (fault.perm & PERM_RWX & ~vma.prot) !== 0) return false
  return (mm.handleFault(fault.addrHi, fault.addrLo, faultFlags(fault.perm)) & VM_FAULT_ERROR) === 0
}

/** A request without any permission bit is handled as a read. */
function faultFlags(perm: number): number {
  let flags = FAULT_FLAG_REMOTE
  if ((perm & FAULT_PERM_WRITE) !== 0) flags |= FAULT_FLAG_WRITE
  if ((perm & FAULT_PERM_EXEC) !== 0) flags |= FAULT_FLAG_INSTRUCTION
  if ((perm & FAULT_PERM_PRIV) === 0) flags |= FAULT_FLAG_USER
  return flags
}

function traceFault(group: FaultGroup, fault: Fault, code: number): void {
  const { source, trace } = group.param!
  const flow = trace.flowOf(source.rid, fault.grpid)
  trace.emit(EVENTS.sva_fault, flow, source.rid, pasidOf(fault), fault.addrHi, fault.addrLo, code)
}
