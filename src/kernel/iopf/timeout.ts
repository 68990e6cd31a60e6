// SPDX-License-Identifier: MIT
import { EVENTS } from '../../trace/events.ts'
import type { Alarm } from '../../sim/clock.ts'
import type { FaultGroup, FaultParam } from '../iommu/fault.ts'
import { traceRequest } from './fault-trace.ts'
import { freeGroup, respondGroup } from './respond.ts'

/**
 * The response timeout, a wish (`spec/01` §8.2, §8.4): one alarm a device, at its earliest deadline. The core takes an
 * overdue group back from its handler and answers it; what the handler's user says later finds no group.
 */
export function setDeadline(param: FaultParam, alarm: Alarm, group: FaultGroup): void {
  const { newest } = param
  if (group.handler?.withdraw === undefined) return
  group.deadlineNanos = param.world.clock.now + param.policy.timeoutNanos
  group.older = newest
  if (newest === undefined) param.oldest = group
  else newest.newer = group
  param.newest = group
  if (!alarm.armed) alarm.armAt(group.deadlineNanos)
}

/** The alarm: answers every group whose deadline has come. */
export function expireGroups(param: FaultParam): void {
  const { world, policy } = param
  for (let group = param.oldest; group !== undefined; group = param.oldest) {
    if (group.deadlineNanos > world.clock.now) return
    param.timeouts++
    param.queue.timeouts++
    if (world.trace.enabled) traceRequest(world, EVENTS.response_timeout, param.source.rid, group.last, 0)
    group.handler!.withdraw!(group)
    respondGroup(group, policy.timeoutCode)
    freeGroup(group)
  }
}
