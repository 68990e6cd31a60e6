// SPDX-License-Identifier: MIT
import { ENOMEM } from '../../base/errno.ts'
import { EVENTS } from '../../trace/events.ts'
import type { Fault, FaultGroup, FaultParam } from '../iommu/fault.ts'
import { traceDropped } from './fault-trace.ts'

/** Requests whose group is still open, one list a device in arrival order (`spec/01` §3.2). */

/** Keeps a copy; nothing is answered. 0, or ENOMEM's number. */
export function keepPartial(param: FaultParam, fault: Fault): number {
  if (param.failpoints.hit('alloc_fault')) {
    if (param.trace.enabled) traceDropped(param.world, param.source.rid, fault, 'no memory')
    return ENOMEM.errno
  }
  const copy = param.pool.takeFault()
  copy.copyFrom(fault)
  if (param.partialLast === undefined) param.partialFirst = copy
  else param.partialLast.next = copy
  param.partialLast = copy
  param.partialCount++
  if (param.trace.enabled) tracePartial(param, fault)
  return 0
}

/** Moves the open requests of the group's id in front of its last one. PASIDs are not compared (Q1). */
export function gatherPartials(param: FaultParam, group: FaultGroup): void {
  const { last } = group
  let before: Fault | undefined = undefined
  let tail: Fault | undefined = undefined
  group.first = last
  group.count = 1
  for (let fault = param.partialFirst; fault !== undefined; ) {
    const next: Fault | undefined = fault.next
    if (fault.grpid === last.grpid) {
      unlink(param, fault, before)
      if (tail === undefined) group.first = fault
      else tail.next = fault
      fault.next = last
      tail = fault
      group.count++
    } else before = fault
    fault = next
  }
}

/** Forgets every open request of the device. */
export function dropPartials(param: FaultParam): void {
  const { pool, world } = param
  let fault = param.partialFirst
  while (fault !== undefined) {
    const next = fault.next
    if (world.trace.enabled) traceDropped(world, param.source.rid, fault, 'open group discarded')
    pool.giveFault(fault)
    fault = next
  }
  param.partialFirst = param.partialLast = undefined
  param.partialCount = 0
}

function tracePartial(param: FaultParam, fault: Fault): void {
  const { trace } = param
  const { rid } = param.source
  trace.emit(EVENTS.fault_partial, trace.flowOf(rid, fault.grpid), rid, fault.grpid)
}

function unlink(param: FaultParam, fault: Fault, before: Fault | undefined): void {
  if (before === undefined) param.partialFirst = fault.next
  else before.next = fault.next
  if (param.partialLast === fault) param.partialLast = before
  param.partialCount--
}
