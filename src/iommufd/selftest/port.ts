// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import type { MockIommu } from '../../kernel/drivers/mock/mock-iommu.ts'
import { Fault } from '../../kernel/iommu/fault.ts'
import type { FrameAllocator } from '../../kernel/mm/frame-allocator.ts'
import type { Context } from '../objects/context.ts'

/** What the test ABI of a machine works on: its mock IOMMU. */
export class SelftestPort {
  readonly iommu: MockIommu
  readonly frames: FrameAllocator
  /** Any fault can be reported, responses are logged, fault queues looked into. */
  readonly extended: boolean
  /** The fault that is being reported. */
  readonly fault: Fault = new Fault()

  constructor(iommu: MockIommu, frames: FrameAllocator, extended: boolean) {
    this.iommu = iommu
    this.frames = frames
    this.extended = extended
  }
}

/** Of a context of a machine with a mock: the others have no test ABI. */
export function portOf(context: Context): SelftestPort {
  const { mock } = context
  assert(mock instanceof SelftestPort, 'a test command without a mock IOMMU')
  return mock
}
