// SPDX-License-Identifier: MIT
import type { FaultGroup, ResponseCode } from '../iommu/fault.ts'

/** Linux's iopf_group_response: the one answer, through the driver, with the original request. */
export function respondGroup(_group: FaultGroup, _code: ResponseCode): void {}
/** Linux's iopf_group_dequeue (spec/01 §3.3): from now on the handler alone is responsible. */
export function dequeueGroup(_group: FaultGroup): void {}
/** Linux's iopf_free_group. */
export function freeGroup(_group: FaultGroup): void {}
