// SPDX-License-Identifier: MIT
import type { Domain } from './domain.ts'
import type { FaultTarget } from './fault.ts'

/** Linux's iommu_attach_handle: what a fault on a RID or a PASID leads to. Consumers extend it; the core fills `domain`. */
export class AttachHandle implements FaultTarget {
  domain: Domain | undefined = undefined
}
