// SPDX-License-Identifier: MIT
import { assert } from '../../../base/assert.ts'
import { EFAULT, EINVAL, ENOMEM, ESPIPE } from '../../../base/errno.ts'
import { IdTable } from '../../../base/id-table.ts'
import {
  type Fault,
  type FaultEvent,
  type FaultGroup,
  type FaultHandler,
  type FaultTarget,
  RESPONSE_INVALID,
  type ResponseCode,
} from '../../../kernel/iommu/fault.ts'
import { dequeueGroup, freeGroup, respondGroup } from '../../../kernel/iopf/respond.ts'
import type { Alarm } from '../../../sim/clock.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { Failpoints } from '../../../sim/failpoint.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { World } from '../../../trace/world.ts'
import {
  HwptPageResponse,
  HwptPgfault,
  IOMMUFD_PAGE_RESP_INVALID,
  IOMMUFD_PAGE_RESP_SUCCESS,
} from '../../abi/index.ts'
import { POLL_IN, POLL_OUT, POLL_RDNORM } from '../../files.ts'
import type { UserBuffer } from '../../user-memory.ts'
import { IommufdAttachHandle } from '../device/attach-handle.ts'
import { DeliverQueue } from './deliver-queue.ts'
import { IommufdObject, OBJECT_FAULT } from '../object-table.ts'
import { UnrecoverableInbox } from './unrecoverable-inbox.ts'

// An imported constant is a load at each use, one of the module itself is part of the code.
const RECORD_BYTES = HwptPgfault.SIZE
const ANSWER_BYTES = HwptPageResponse.SIZE
const SUCCESS = IOMMUFD_PAGE_RESP_SUCCESS
const INVALID = IOMMUFD_PAGE_RESP_INVALID
const GROUP_DELIVER = EVENTS.group_deliver
const GROUP_READ = EVENTS.group_read
const GROUP_WRITE = EVENTS.group_write
const GROUP_AUTO_RESPONSE = EVENTS.group_auto_response
const LATE_RESPONSE = EVENTS.late_response

/**
 * A fault queue (`spec/02` §6): where page requests of the page tables that carry it wait for user space.
 * A group is on `deliver` until a read took it whole, then in the table of cookies until a write, a detach or the queue's
 * end answers it. Neither has a bound, as in the kernel: the devices' credits are the bound.
 */
export class FaultObject extends IommufdObject implements FaultHandler {
  /** Not yet read, oldest first. */
  readonly deliver: DeliverQueue = new DeliverQueue()
  readonly #world: World
  readonly #trace: Recorder
  readonly #failpoints: Failpoints
  readonly #wakeLatencyNanos: number
  /** Groups read and not answered. From 1 up; 0 is taken until an answer to it frees it (`#refuse`). */
  readonly #cookies: IdTable<FaultGroup> = new IdTable<FaultGroup>(0)
  /** Cookies of groups that the core took back: taken until their late answer has come. */
  readonly #withdrawn: Set<number> = new Set()
  readonly #record: HwptPgfault = new HwptPgfault()
  readonly #answer: HwptPageResponse = new HwptPageResponse()
  readonly #scratch: Uint8Array = new Uint8Array(RECORD_BYTES)
  readonly #scratchView: DataView = new DataView(this.#scratch.buffer)
  readonly #pollers: (() => void)[] = []
  /** Unrecoverable faults of the page tables that carry the queue, for whoever asked to hear of them. */
  readonly inbox: UnrecoverableInbox
  #callback: (() => void) | undefined = undefined
  #alarm: Alarm | undefined = undefined

  constructor(world: World, wakeLatencyNanos: number) {
    super(OBJECT_FAULT)
    this.#world = world
    this.#trace = world.trace
    this.#failpoints = world.failpoints
    this.#wakeLatencyNanos = wakeLatencyNanos
    this.#cookies.reserve()
    this.inbox = new UnrecoverableInbox(world, wakeLatencyNanos)
  }

  /** Linux's iommufd_fault_iopf_handler: never refuses. */
  handle(group: FaultGroup): boolean {
    dequeueGroup(group)
    this.deliver.pushLast(group)
    if (this.#trace.enabled) this.#traceDeliver(group)
    this.wake()
    return true
  }

  /** The core takes the group back and answers it. Its cookie stays taken until the late answer, so no other group gets it. */
  withdraw(group: FaultGroup): void {
    if (group.list === this.deliver) {
      this.deliver.remove(group)
      return
    }
    this.#cookies.bury(group.cookie)
    this.#withdrawn.add(group.cookie)
    group.cookie = 0
  }

  unrecoverable(event: FaultEvent): void {
    this.inbox.put(event)
  }

  /** Whole groups, oldest first. Returns bytes. ESPIPE, EINVAL, EFAULT, ENOMEM (`spec/02` §6.3). */
  read(buffer: UserBuffer): number {
    const count = buffer.lengthBytes
    if (count % RECORD_BYTES !== 0) throw ESPIPE
    let done = 0
    try {
      for (let group = this.deliver.first; group !== undefined; group = this.deliver.first) {
        const end = done + group.count * RECORD_BYTES
        if (end > count) {
          if (done === 0) throw EINVAL
          break
        }
        this.#readGroup(group, buffer, done)
        done = end
      }
    } catch (thrown) {
      if (done === 0) throw thrown
    }
    return done
  }

  /** Answers. Returns bytes taken. ESPIPE, EINVAL, EFAULT (`spec/02` §6.3). */
  write(buffer: UserBuffer): number {
    const count = buffer.lengthBytes
    if (count % ANSWER_BYTES !== 0) throw ESPIPE
    let done = 0
    try {
      for (; done < count; done += ANSWER_BYTES) this.#writeAnswer(buffer, done)
    } catch (thrown) {
      if (done === 0) throw thrown
    }
    return done
  }

  poll(): number {
    return this.deliver.first === undefined ? POLL_OUT : POLL_OUT | POLL_IN | POLL_RDNORM
  }

  /** Linux's iommufd_auto_response_faults: INVALID to the groups of one attachment (`spec/02` §6.5). */
  answerAll(handle: FaultTarget): void {
    for (let group = this.deliver.last; group !== undefined; ) {
      const newer = group
      group = group.previous
      if (newer.handle === handle) this.#answerInvalid(newer)
    }
    for (let cookie = this.#cookies.nextId(-1); cookie >= 0; cookie = this.#cookies.nextId(cookie)) {
      const group = this.#cookies.get(cookie)!
      if (group.handle === handle) this.#answerInvalid(group)
    }
  }

  /** Nothing uses it any more: INVALID to what is left (`spec/02` §6.4). */
  destroy(): void {
    this.#alarm?.cancel()
    for (let group = this.deliver.first; group !== undefined; group = this.deliver.first)
      this.#answerInvalid(group)
    for (let cookie = this.#cookies.nextId(-1); cookie >= 0; cookie = this.#cookies.nextId(cookie))
      this.#answerInvalid(this.#cookies.get(cookie)!)
  }

  /** Calls back at every wake-up of the queue's waiters, inside the step that wakes: only mark or arm something there. */
  addPoller(poller: () => void): void {
    this.#pollers.push(poller)
  }

  removePoller(poller: () => void): void {
    const index = this.#pollers.indexOf(poller)
    if (index >= 0) this.#pollers.splice(index, 1)
  }

  /** See `FaultQueue.onReadable`. */
  onReadable(callback: (() => void) | undefined): void {
    this.#callback = callback
    if (callback === undefined) this.#alarm?.cancel()
    else this.#alarm ??= this.#world.clock.createAlarm('fault_wake', () => this.#callback?.())
  }

  wake(): void {
    const alarm = this.#alarm
    if (this.#callback !== undefined && alarm !== undefined && !alarm.armed) {
      const { decisions } = this.#world
      const nanos = this.#wakeLatencyNanos
      alarm.arm(decisions.isDefault ? nanos : decisions.latency('fault_wake', nanos))
    }
    const pollers = this.#pollers
    for (let i = 0; i < pollers.length; i++) pollers[i]!()
  }

  /** Gives the group a cookie and copies it out; it stays the first of the queue when anything fails. */
  #readGroup(group: FaultGroup, buffer: UserBuffer, position: number): void {
    const failpoints = this.#failpoints
    if (failpoints.hit('alloc_cookie')) throw ENOMEM
    const cookie = this.#cookies.reserve()
    const record = this.#record
    record.dev_id = deviceIdOf(group)
    record.cookie = cookie
    let at = position
    try {
      for (let fault: Fault | undefined = group.first; fault !== undefined; fault = fault.next) {
        record.flags = fault.flags
        record.pasid = fault.pasid
        record.grpid = fault.grpid
        record.perm = fault.perm
        record.addr_hi = fault.addrHi
        record.addr_lo = fault.addrLo
        if (failpoints.hit('copy_to_user')) throw EFAULT
        this.#copyRecord(buffer, at)
        at += RECORD_BYTES
      }
    } catch (thrown) {
      this.#cookies.erase(cookie)
      throw thrown
    }
    this.deliver.remove(group)
    this.#cookies.publish(cookie, group)
    group.cookie = cookie
    if (this.#trace.enabled) this.#traceRead(group)
  }

  #copyRecord(buffer: UserBuffer, at: number): void {
    const view = buffer.view
    if (view !== undefined) return this.#record.encode(view, at)
    this.#record.encode(this.#scratchView, 0)
    buffer.copyOut(at, this.#scratch, RECORD_BYTES)
  }

  #writeAnswer(buffer: UserBuffer, position: number): void {
    if (this.#failpoints.hit('copy_from_user')) throw EFAULT
    const answer = this.#answer
    if (buffer.view !== undefined) HwptPageResponse.decode(buffer.view, position, answer)
    else {
      buffer.copyIn(position, this.#scratch, ANSWER_BYTES)
      HwptPageResponse.decode(this.#scratchView, 0, answer)
    }
    const { cookie, code } = answer
    if (code !== SUCCESS && code !== INVALID) throw EINVAL
    const group = this.#cookies.get(cookie)
    if (group === undefined) this.#refuse(cookie)
    if (this.#trace.enabled) this.#traceWrite(group, code)
    this.#finish(group, code)
  }

  /** Nobody waits under the cookie. An answer to 0 while groups are awaited frees 0 for good: the next read hands it out. */
  #refuse(cookie: number): never {
    if (this.#withdrawn.delete(cookie)) {
      this.#cookies.erase(cookie)
      if (this.#trace.enabled) this.#trace.emit(LATE_RESPONSE, 0, cookie)
    } else if (cookie === 0 && this.#cookies.size > 0 && this.#cookies.isTaken(0)) this.#cookies.erase(0)
    throw EINVAL
  }

  #answerInvalid(group: FaultGroup): void {
    if (this.#trace.enabled) this.#traceAutoResponse(group)
    this.#finish(group, RESPONSE_INVALID)
  }

  /** The one way out: off its list or its cookie free, answered, freed. */
  #finish(group: FaultGroup, code: ResponseCode): void {
    if (group.list === this.deliver) this.deliver.remove(group)
    else {
      this.#cookies.erase(group.cookie)
      group.cookie = 0
    }
    respondGroup(group, code)
    freeGroup(group)
  }

  #traceDeliver(group: FaultGroup): void {
    this.#emit(GROUP_DELIVER, group, deviceIdOf(group), group.last.grpid, group.count, this.id)
  }

  #traceRead(group: FaultGroup): void {
    this.#emit(GROUP_READ, group, deviceIdOf(group), group.last.grpid, group.count, group.cookie)
  }

  #traceWrite(group: FaultGroup, code: number): void {
    this.#emit(GROUP_WRITE, group, group.cookie, code, 0, 0)
  }

  #traceAutoResponse(group: FaultGroup): void {
    this.#emit(GROUP_AUTO_RESPONSE, group, deviceIdOf(group), group.last.grpid, RESPONSE_INVALID, 0)
  }

  #emit(event: number, group: FaultGroup, a: number, b: number, c: number, d: number): void {
    const trace = this.#trace
    trace.emit(event, trace.flowOf(group.param!.source.rid, group.last.grpid), a, b, c, d)
  }
}

/** The id that records carry: of the device whose attachment the fault came through. */
function deviceIdOf(group: FaultGroup): number {
  const { handle } = group
  assert(handle instanceof IommufdAttachHandle, 'a group came through an attachment that is not of iommufd')
  return handle.deviceId
}
