// SPDX-License-Identifier: MIT
import { broken } from '../../base/assert.ts'
import { EVENTS } from '../../trace/events.ts'
import type { World } from '../../trace/world.ts'
import {
  type Fault,
  type FaultGroup,
  type FaultParam,
  type FaultSource,
  GROUP_ANSWERED,
  GROUP_DEQUEUED,
  GROUP_PENDING,
  type ResponseCode,
} from '../iommu/fault.ts'
import { traceRequest } from './fault-trace.ts'

// An imported constant is a load at each use, one of the module itself is part of the code.
const PENDING = GROUP_PENDING
const DEQUEUED = GROUP_DEQUEUED
const ANSWERED = GROUP_ANSWERED

/** Answers and the end of a group (`spec/01` §3.3). */

/** An answer to a request that has no group. */
export function answer(world: World, source: FaultSource, request: Fault, code: ResponseCode): void {
  if (world.trace.enabled) traceRequest(world, EVENTS.page_response, source.rid, request, code)
  source.answer(request, code)
}

/** Linux's iopf_group_response: the one answer of the group, with its last request; then it is no longer pending. */
export function respondGroup(group: FaultGroup, code: ResponseCode): void {
  const { param, state } = group
  if (param === undefined || (state !== PENDING && state !== DEQUEUED)) broken(`answer in state ${state}`)
  group.state = ANSWERED
  if (param.trace.enabled) traceRequest(param.world, EVENTS.page_response, param.source.rid, group.last, code)
  param.source.answer(group.last, code)
  if (state === PENDING) param.pending.remove(group)
  param.outstandingFaults -= group.count
  if (group.deadlineNanos !== 0) cancelDeadline(param, group)
}

/** Linux's iopf_group_dequeue: from now on the handler alone is responsible for the group. */
export function dequeueGroup(group: FaultGroup): void {
  if (group.state !== PENDING) broken(`dequeue in state ${group.state}`)
  group.param!.pending.remove(group)
  group.state = DEQUEUED
}

/** Linux's iopf_free_group: the faults and the group go back to the pool, its reference to the parameter is dropped. */
export function freeGroup(group: FaultGroup): void {
  const { param, state } = group
  if (param === undefined || state !== ANSWERED) broken(`group freed in state ${state}`)
  const { pool } = param
  let fault = group.first
  while (fault !== group.last) {
    const next = fault.next!
    pool.giveFault(fault)
    fault = next
  }
  pool.giveGroup(group)
  param.users--
}

/** Takes the group off the device's list of deadlines and moves the alarm to the next one. */
function cancelDeadline(param: FaultParam, group: FaultGroup): void {
  const { older, newer } = group
  group.deadlineNanos = 0
  group.older = group.newer = undefined
  if (newer === undefined) param.newest = older
  else newer.older = older
  if (older !== undefined) {
    older.newer = newer
    return
  }
  param.oldest = newer
  if (newer === undefined) param.alarm!.cancel()
  else param.alarm!.armAt(newer.deadlineNanos)
}
