// SPDX-License-Identifier: MIT
import { NO_PASID } from '../../hardware/pci/messages.ts'
import { EVENTS } from '../../trace/events.ts'
import type { World } from '../../trace/world.ts'
import { FAULT_LAST_PAGE, FAULT_PASID_VALID, type Fault } from '../iommu/fault.ts'

/** PASID of a request as traces and messages spell it: NO_PASID without one. */
export function pasidOf(fault: Fault): number {
  return (fault.flags & FAULT_PASID_VALID) !== 0 ? fault.pasid : NO_PASID
}

/** One event about a request: (dev, pasid, grpid, detail). Callers test `trace.enabled` first. */
export function traceRequest(world: World, event: number, rid: number, fault: Fault, detail: number): void {
  const { trace } = world
  trace.emit(event, trace.flowOf(rid, fault.grpid), rid, pasidOf(fault), fault.grpid, detail)
}

/** A request that is lost or refused before it reaches a handler. Callers test `trace.enabled` first. */
export function traceDropped(world: World, rid: number, fault: Fault, why: string): void {
  const { trace } = world
  const last = (fault.flags & FAULT_LAST_PAGE) !== 0 ? 1 : 0
  const flow = trace.flowOf(rid, fault.grpid)
  trace.emit(EVENTS.page_request_dropped, flow, rid, fault.grpid, last, trace.intern(why))
}
