// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'

/**
 * The one catalogue of trace events. An event carries up to six int32 in the order of its arguments; `hex64` and
 * `bytes64` take two (hi, lo), every other kind one.
 */
export type Category = 'hardware' | 'kernel' | 'iommufd' | 'handler' | 'sim'

/**
 * How an argument prints. `rid`: requester id, with the device's name; `pasid`: -1 is none; `access`: ACCESS_ bits as
 * letters; `request`: the same and REQUEST_LAST; `prg`, `ats`: code on the wire; `response`: code of the kernel (0, 1, 2); `domain`: id, 0 is none;
 * `name`: number given by `recorder.intern`.
 */
export type ArgumentKind =
  | 'rid'
  | 'pasid'
  | 'hex64'
  | 'bytes64'
  | 'hex32'
  | 'u32'
  | 'i32'
  | 'bool'
  | 'access'
  | 'request'
  | 'prg'
  | 'ats'
  | 'response'
  | 'name'

/** Bit of a `request` argument beside the ACCESS_ bits: the last request of its group. */
export const REQUEST_LAST = 16

export interface EventDefinition {
  readonly category: Category
  /** Argument names in the order in which `emit` takes them. */
  readonly args: Readonly<Record<string, ArgumentKind>>
}

const DEFINITIONS = {
  /** The recorder lost events: its ring is full. `count` since the last such event. */
  events_lost: { category: 'sim', args: { count: 'u32' } },
  decision: { category: 'sim', args: { topic: 'name', range: 'bytes64', answer: 'bytes64' } },
  failpoint: { category: 'sim', args: { point: 'name' } },

  /** An endpoint was given work. `op`: the endpoint's own number; `length` in bytes. */
  transfer_start: {
    category: 'hardware',
    args: { dev: 'rid', pasid: 'pasid', transfer: 'u32', op: 'u32', length: 'bytes64' },
  },
  transfer_done: {
    category: 'hardware',
    args: { dev: 'rid', transfer: 'u32', status: 'u32', length: 'bytes64', faults: 'u32' },
  },
  ats_request: {
    category: 'hardware',
    args: { dev: 'rid', pasid: 'pasid', addr: 'hex64', access: 'access' },
  },
  ats_completion: {
    category: 'hardware',
    args: { dev: 'rid', status: 'ats', addr: 'hex64', access: 'access', shift: 'u32' },
  },
  /** The endpoint sends a Page Request Message. */
  page_request: {
    category: 'hardware',
    args: { dev: 'rid', pasid: 'pasid', addr: 'hex64', grpid: 'u32', flags: 'request' },
  },
  /** The unit wrote the record to its ring. */
  page_request_queued: { category: 'hardware', args: { dev: 'rid', grpid: 'u32', index: 'u32' } },
  /** The ring was full: the overflow bit went on. */
  page_request_overflow: { category: 'hardware', args: { dev: 'rid', grpid: 'u32', last: 'bool' } },
  /** The unit did not queue the request for another reason. */
  page_request_dropped: {
    category: 'hardware',
    args: { dev: 'rid', grpid: 'u32', last: 'bool', reason: 'name' },
  },
  stop_marker: { category: 'hardware', args: { dev: 'rid', pasid: 'pasid' } },
  interrupt: { category: 'hardware', args: { line: 'name' } },
  /** The driver put a command on the unit's queue. */
  command_queued: { category: 'kernel', args: { opcode: 'hex32', index: 'u32' } },
  /** The endpoint received a PRG Response for a group that is outstanding. */
  prg_response: { category: 'hardware', args: { dev: 'rid', pasid: 'pasid', grpid: 'u32', code: 'prg' } },
  /** The endpoint received a PRG Response for a group that is not outstanding. */
  prg_unexpected: { category: 'hardware', args: { dev: 'rid', grpid: 'u32', code: 'prg' } },
  credits: { category: 'hardware', args: { dev: 'rid', free: 'u32', allocation: 'u32' } },
  /** The endpoint asks for the translation again, after a response. */
  retry: { category: 'hardware', args: { dev: 'rid', pasid: 'pasid', addr: 'hex64', transfer: 'u32' } },
  dma: {
    category: 'hardware',
    args: { dev: 'rid', pasid: 'pasid', addr: 'hex64', length: 'u32', access: 'access' },
  },
  iotlb_invalidate: {
    category: 'hardware',
    args: { domain: 'u32', pasid: 'pasid', addr: 'hex64', pages: 'bytes64' },
  },
  atc_invalidate: {
    category: 'hardware',
    args: { dev: 'rid', pasid: 'pasid', addr: 'hex64', shift: 'u32', itag: 'u32' },
  },
  atc_invalidate_done: { category: 'hardware', args: { dev: 'rid', itags: 'hex32' } },
  /** The unit blocked an access and recorded it. */
  unrecoverable_fault: {
    category: 'hardware',
    args: { dev: 'rid', pasid: 'pasid', addr: 'hex64', access: 'access', reason: 'u32' },
  },

  /** `reportDeviceFault` was called. */
  fault_reported: {
    category: 'kernel',
    args: { dev: 'rid', pasid: 'pasid', addr: 'hex64', grpid: 'u32', flags: 'request' },
  },
  fault_partial: { category: 'kernel', args: { dev: 'rid', grpid: 'u32' } },
  /** A group was made and is pending. */
  fault_group_queued: {
    category: 'kernel',
    args: { dev: 'rid', pasid: 'pasid', grpid: 'u32', count: 'u32' },
  },
  /** The group was given to its domain's handler. */
  fault_delivered: { category: 'kernel', args: { dev: 'rid', pasid: 'pasid', grpid: 'u32', count: 'u32' } },
  /** No handler: INVALID went straight to the driver. */
  fault_bad: { category: 'kernel', args: { dev: 'rid', pasid: 'pasid', grpid: 'u32' } },
  /** The group could not be handled: FAILURE. */
  fault_abort: { category: 'kernel', args: { dev: 'rid', pasid: 'pasid', grpid: 'u32' } },
  /** The driver's `page_response` was called. */
  page_response: { category: 'kernel', args: { dev: 'rid', pasid: 'pasid', grpid: 'u32', code: 'response' } },
  sva_fault: { category: 'kernel', args: { dev: 'rid', pasid: 'pasid', addr: 'hex64', code: 'response' } },
  /** `result`: VM_FAULT_ bits. */
  mm_fault: { category: 'kernel', args: { mm: 'u32', addr: 'hex64', flags: 'hex32', result: 'hex32' } },
  map: { category: 'kernel', args: { domain: 'u32', addr: 'hex64', length: 'bytes64', access: 'access' } },
  unmap: { category: 'kernel', args: { domain: 'u32', addr: 'hex64', length: 'bytes64' } },
  attach: { category: 'kernel', args: { dev: 'rid', pasid: 'pasid', domain: 'u32' } },
  detach: { category: 'kernel', args: { dev: 'rid', pasid: 'pasid', domain: 'u32' } },
  replace: { category: 'kernel', args: { dev: 'rid', pasid: 'pasid', old: 'u32', domain: 'u32' } },
  device_removed: { category: 'kernel', args: { dev: 'rid', partial: 'u32', pending: 'u32' } },
  /** The device has too many groups outstanding (a wish, off by default). */
  quota_refused: { category: 'kernel', args: { dev: 'rid', grpid: 'u32', outstanding: 'u32' } },
  /** Nobody answered in time (a wish, off by default). */
  response_timeout: { category: 'kernel', args: { dev: 'rid', pasid: 'pasid', grpid: 'u32' } },
  /** An answer to a group that had timed out: refused. */
  late_response: { category: 'kernel', args: { cookie: 'u32' } },

  /** The group is on the deliver list of a fault queue. */
  group_deliver: { category: 'iommufd', args: { dev_id: 'u32', grpid: 'u32', count: 'u32', queue: 'u32' } },
  group_read: { category: 'iommufd', args: { dev_id: 'u32', grpid: 'u32', count: 'u32', cookie: 'u32' } },
  group_write: { category: 'iommufd', args: { cookie: 'u32', code: 'u32' } },
  /** The queue answered for user space: detach, replace, close. */
  group_auto_response: { category: 'iommufd', args: { dev_id: 'u32', grpid: 'u32', code: 'response' } },
  /** The event queue of a vIOMMU had no room: its lost-events marker has this number. */
  vevent_lost: { category: 'iommufd', args: { queue: 'u32', sequence: 'u32' } },

  evict: { category: 'handler', args: { addr: 'hex64', pages: 'u32', dirty: 'bool' } },
  page_in: { category: 'handler', args: { addr: 'hex64', pages: 'u32' } },
  write_back: { category: 'handler', args: { addr: 'hex64', pages: 'u32' } },
} as const

export type EventName = keyof typeof DEFINITIONS

/** Definitions by name. */
export const EVENT_DEFINITIONS: Readonly<Record<EventName, EventDefinition>> = DEFINITIONS

/** Whether the catalogue has an event of this name. */
export function isEventName(name: string): name is EventName {
  return Object.hasOwn(DEFINITIONS, name)
}

/** Names by event number. */
export const EVENT_NAMES: readonly EventName[] = Object.keys(DEFINITIONS).filter(isEventName)

/** Event numbers by name: `trace.emit(EVENTS.page_request, flow, ...)`. */
export const EVENTS: Readonly<Record<EventName, number>> = numbered()

function isComplete(numbers: Partial<Record<EventName, number>>): numbers is Record<EventName, number> {
  return EVENT_NAMES.every((name) => numbers[name] !== undefined)
}

function numbered(): Record<EventName, number> {
  const numbers: Partial<Record<EventName, number>> = {}
  EVENT_NAMES.forEach((name, number) => (numbers[name] = number))
  assert(isComplete(numbers), 'an event without a number')
  return numbers
}

/** Int32 values that an argument of the kind takes. */
export function widthOf(kind: ArgumentKind): 1 | 2 {
  return kind === 'hex64' || kind === 'bytes64' ? 2 : 1
}
