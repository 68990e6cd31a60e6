// SPDX-License-Identifier: MIT
import { NO_PASID } from '../../hardware/pci/messages.ts'
import type { World } from '../../trace/world.ts'
import { FAULT_PASID_VALID, type Fault } from '../iommu/fault.ts'

/** PASID of a request as traces and messages spell it: NO_PASID without one. */
export function pasidOf(fault: Fault): number {
  return (fault.flags & FAULT_PASID_VALID) !== 0 ? fault.pasid : NO_PASID
}

/** One event about a request: (dev, pasid, grpid, detail). Callers test `trace.enabled` first. */
export function traceRequest(world: World, event: number, rid: number, fault: Fault, detail: number): void {
  const { trace } = world
  trace.emit(event, trace.flowOf(rid, fault.grpid), rid, pasidOf(fault), fault.grpid, detail)
}
