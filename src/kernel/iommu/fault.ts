// SPDX-License-Identifier: MIT
import { broken } from '../../base/assert.ts'
import { List, type ListNode } from '../../base/list.ts'
import type { Alarm } from '../../sim/clock.ts'
import type { Failpoints } from '../../sim/failpoint.ts'
import type { Work, WorkQueue } from '../../sim/work-queue.ts'
import type { Recorder } from '../../trace/recorder.ts'
import type { World } from '../../trace/world.ts'

/** What a fault, a group of faults and a handler are (`spec/01` §1.3). What is done with them stands in `iopf/`. */

export const FAULT_PASID_VALID = 1
export const FAULT_LAST_PAGE = 2
export const FAULT_NEEDS_PASID = 4

export const FAULT_PERM_READ = 1
export const FAULT_PERM_WRITE = 2
export const FAULT_PERM_EXEC = 4
export const FAULT_PERM_PRIV = 8

/** The only fault type. */
export const FAULT_PAGE_REQ = 1

/** Kernel-internal numbering; PCI wants 0, 1, 15. */
export const RESPONSE_SUCCESS = 0
export const RESPONSE_INVALID = 1
export const RESPONSE_FAILURE = 2
export type ResponseCode = typeof RESPONSE_SUCCESS | typeof RESPONSE_INVALID | typeof RESPONSE_FAILURE

/** One page request as the core keeps it. Drivers report a reused one; the core copies it. */
export class Fault {
  type: number = FAULT_PAGE_REQ
  flags = 0
  /** 0 unless FAULT_PASID_VALID. */
  pasid = 0
  grpid = 0
  /** FAULT_PERM_ bits. */
  perm = 0
  addrHi = 0
  addrLo = 0
  private0 = 0
  private1 = 0
  /** Next fault of the partial list or of the group. */
  next: Fault | undefined = undefined

  copyFrom(other: Fault): void {
    this.type = other.type
    this.flags = other.flags
    this.pasid = other.pasid
    this.grpid = other.grpid
    this.perm = other.perm
    this.addrHi = other.addrHi
    this.addrLo = other.addrLo
    this.private0 = other.private0
    this.private1 = other.private1
  }
}

/**
 * The one handler of a domain, fixed when the domain is made.
 * `true` from `handle`: the handler owns the group, responds once and frees it. `false`: the core answers FAILURE.
 */
export interface FaultHandler {
  handle(group: FaultGroup): boolean
  /** The core takes back a group whose answer is overdue (a wish): forget it and its cookie, the core answers. */
  withdraw?(group: FaultGroup): void
  /** An unrecoverable fault on the handler's domain (a wish): one handler for both kinds. The event is reused. */
  unrecoverable?(event: FaultEvent): void
}

/** What the fault code needs of an attach handle's domain. */
export interface FaultDomain {
  readonly iopfHandler: FaultHandler | undefined
}

/** What the fault code needs of an attach handle: `AttachHandle` and what extends it. */
export interface FaultTarget {
  readonly domain: FaultDomain | undefined
}

/** A fault of either kind, for those who want both from one place (the wish of `spec/00` 0.5). Reused by its sender. */
export class FaultEvent {
  /** `true`: `group` waits for an answer. `false`: the access was refused for good, nobody waits. */
  recoverable = false
  rid = 0
  /** -1 without one. */
  pasid = -1
  addrHi = 0
  addrLo = 0
  /** FAULT_PERM_ bits. */
  perm = 0
  /** The unit's own reason code; 0 for a recoverable fault. */
  reason = 0
  group: FaultGroup | undefined = undefined
}

/** Where a device's answers go: the device itself, which hands them to its driver with the original request. */
export interface FaultSource {
  readonly name: string
  /** Requester id, 16 bits. */
  readonly rid: number
  answer(request: Fault, code: ResponseCode): void
}

/** On no list, in the pool. */
export const GROUP_FREE = 0
/** The core's: on the pending list. */
export const GROUP_PENDING = 1
/** Dequeued: the handler alone is responsible. */
export const GROUP_DEQUEUED = 2
/** Answered, not yet freed. */
export const GROUP_ANSWERED = 3

/**
 * The faults of one page request group, first to last, and the way back.
 * Ownership: on exactly one list at a time (the core's pending list, then the handler's), answered once through
 * `respondGroup`, then returned with `freeGroup`.
 */
export class FaultGroup implements ListNode<FaultGroup> {
  /** The request that closed the group; answers carry its PASID and group id (`spec/01` §3.2 Q6). */
  readonly last: Fault = new Fault()
  first: Fault = this.last
  /** Faults in the group, the last one included. */
  count = 0
  /** What the PASID or the RID was attached with, as found for the last request. */
  handle: FaultTarget | undefined = undefined
  param: FaultParam | undefined = undefined
  state: number = GROUP_FREE
  /** The handler's; 0 until it gives one. */
  cookie = 0
  /** Who was given the group. */
  handler: FaultHandler | undefined = undefined
  /** Work item of a handler that defers; made once, kept. */
  work: Work | undefined = undefined
  /** Virtual time at which the answer is overdue; 0 without a time limit. */
  deadlineNanos = 0
  list: List<FaultGroup> | undefined = undefined
  next: FaultGroup | undefined = undefined
  previous: FaultGroup | undefined = undefined
  /** Neighbours among the device's groups that have a deadline, in order of deadlines. */
  older: FaultGroup | undefined = undefined
  newer: FaultGroup | undefined = undefined
}

/**
 * A `List` of groups with functions of its own: those of `List` see nodes of many classes, and every field they touch is
 * then looked up anew (95 ns against 13 for a removal and an insertion).
 */
export class GroupList extends List<FaultGroup> {
  override pushLast(group: FaultGroup): void {
    const { last } = this
    if (group.list !== undefined) broken(`group for ${this.name} is still on ${group.list.name}`)
    group.list = this
    group.previous = last
    if (last === undefined) this.first = group
    else last.next = group
    this.last = group
    this.length++
  }

  override pushFirst(group: FaultGroup): void {
    const { first } = this
    if (group.list !== undefined) broken(`group for ${this.name} is still on ${group.list.name}`)
    group.list = this
    group.next = first
    if (first === undefined) this.last = group
    else first.previous = group
    this.first = group
    this.length++
  }

  override remove(group: FaultGroup): void {
    const { next, previous } = group
    if (group.list !== this) broken(`group is on ${group.list?.name ?? 'no list'}, not on ${this.name}`)
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.last = previous
    else next.previous = previous
    group.list = group.next = group.previous = undefined
    this.length--
  }
}

/** What the wishes are set to; all off in the faithful machine (`spec/01` §8.4). */
export interface FaultPolicy {
  /** Unanswered faults a device may have in groups; a group beyond it is answered at once. 0: no quota. */
  readonly quotaFaults: number
  readonly quotaCode: ResponseCode
  /** Virtual nanoseconds after which the core takes a group back and answers it. 0: never. */
  readonly timeoutNanos: number
  readonly timeoutCode: ResponseCode
  /** Whether the two private words of a request come back with its response. */
  readonly privateData: boolean
}

export const FAITHFUL_POLICY: FaultPolicy = Object.freeze({
  quotaFaults: 0,
  quotaCode: RESPONSE_FAILURE,
  timeoutNanos: 0,
  timeoutCode: RESPONSE_FAILURE,
  privateData: false,
})

/** Faults and groups that are out of use: in steady state nothing is allocated. Implemented in `iopf/`. */
export interface FaultPool {
  takeFault(): Fault
  giveFault(fault: Fault): void
  takeGroup(): FaultGroup
  giveGroup(group: FaultGroup): void
}

/** What a device's fault parameter needs of the queue it was added to. */
export interface FaultQueue {
  readonly name: string
  readonly world: World
  readonly workQueue: WorkQueue
  readonly policy: FaultPolicy
  readonly pool: FaultPool
  /** Groups refused over the quota, of all devices so far. */
  quotaRefusals: number
  /** Groups taken back at their deadline, of all devices so far. */
  timeouts: number
}

/**
 * A device's place in a fault queue. References: one for the queue, one a live group; it outlives its removal from
 * the queue until the last group is freed (`spec/01` §3.1).
 */
export class FaultParam {
  readonly source: FaultSource
  users: number
  /** Faults in unanswered groups, wherever those are. */
  outstandingFaults: number
  /** Requests whose group is still open, in arrival order. No bound, as in the kernel (Q3). */
  partialCount: number
  partialFirst: Fault | undefined
  partialLast: Fault | undefined
  /** Groups that nobody has dequeued or answered, newest first (Q7). */
  readonly pending: GroupList
  /** The queue's; as the next four. */
  readonly pool: FaultPool
  readonly trace: Recorder
  readonly failpoints: Failpoints
  readonly world: World
  readonly policy: FaultPolicy
  /** Fires at the deadline of the oldest group; absent without a time limit. */
  alarm: Alarm | undefined
  readonly queue: FaultQueue
  /** Groups with a deadline, earliest first; on the pending list or the handler's. */
  oldest: FaultGroup | undefined
  newest: FaultGroup | undefined
  quotaRefusals: number
  timeouts: number

  constructor(source: FaultSource, queue: FaultQueue) {
    this.source = source
    this.users = 1
    this.outstandingFaults = 0
    this.partialCount = 0
    this.partialFirst = undefined
    this.partialLast = undefined
    this.pending = new GroupList(`faults of ${source.name}`)
    this.pool = queue.pool
    this.trace = queue.world.trace
    this.failpoints = queue.world.failpoints
    this.world = queue.world
    this.policy = queue.policy
    this.alarm = undefined
    this.queue = queue
    this.oldest = undefined
    this.newest = undefined
    this.quotaRefusals = 0
    this.timeouts = 0
  }
}
