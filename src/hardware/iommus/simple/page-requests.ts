// SPDX-License-Identifier: MIT
import { EVENTS } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { World } from '../../../trace/world.ts'
import type { PhysicalMemory } from '../../memory.ts'
import * as messages from '../../pci/messages.ts'
import type { PageRequest } from '../../pci/messages.ts'
import type { FaultLog } from './fault-log.ts'
import * as layout from './layout.ts'
import type { ResponseLink } from '../response-link.ts'
import type { Ring } from './ring.ts'
import type { DeviceContext } from './space.ts'
import type { StatusRegister } from './status.ts'
import type { TableReader } from './tables.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const {
  ACCESS_EXEC,
  ACCESS_PRIV,
  ACCESS_READ,
  ACCESS_WRITE,
  NO_PASID,
  PRG_INVALID_REQUEST,
  PRG_RESPONSE_FAILURE,
  PRG_SUCCESS,
} = messages
const {
  DEVICE_FAULT_DISABLE,
  DEVICE_PRI,
  DEVICE_RESPONSE_PASID,
  FAULT_PAGE_REQUEST,
  REASON_PRI_DISABLED,
  REQUEST_ADDRESS_HIGH,
  REQUEST_ADDRESS_MASK,
  REQUEST_EXEC,
  REQUEST_LAST,
  REQUEST_PASID_PRESENT,
  REQUEST_PRGI_SHIFT,
  REQUEST_PRIV,
  REQUEST_PRIVATE0,
  REQUEST_PRIVATE1,
  REQUEST_PRIVATE_PRESENT,
  REQUEST_READ,
  REQUEST_RID_SHIFT,
  REQUEST_TYPE_PAGE,
  REQUEST_WORD0,
  REQUEST_WORD1,
  REQUEST_WORD2,
  REQUEST_WRITE,
  STATUS_PAGE_REQUEST_OVERFLOW,
  STATUS_PAGE_REQUEST_PENDING,
} = layout

// Where a record's words stand, counted from the first.
const WORD0: number = REQUEST_WORD0 >> 2
const WORD1: number = REQUEST_WORD1 >> 2
const WORD2: number = REQUEST_WORD2 >> 2
const ADDRESS_HIGH: number = REQUEST_ADDRESS_HIGH >> 2
const PRIVATE0: number = REQUEST_PRIVATE0 >> 2
const PRIVATE1: number = REQUEST_PRIVATE1 >> 2

/** What the page-request queue works with. */
export interface PageRequestParts {
  readonly memory: PhysicalMemory
  readonly ring: Ring
  readonly status: StatusRegister
  readonly tables: TableReader
  readonly faults: FaultLog
  readonly link: ResponseLink
  readonly privateData: boolean
}

/** Page requests on their way into the ring in memory, and those that the unit answers itself. */
export class PageRequestQueue {
  queued: number
  /** Requests that found the ring full, or the overflow bit set. */
  overflowed: number
  /** Requests refused because the tables or the unit do not allow them. */
  refused: number
  readonly #trace: Recorder
  readonly #parts: PageRequestParts
  readonly #words: Int32Array
  readonly #tables: TableReader
  readonly #privateData: boolean
  readonly #ring: Ring
  readonly #status: StatusRegister

  constructor(world: World, parts: PageRequestParts) {
    this.queued = 0
    this.overflowed = 0
    this.refused = 0
    this.#trace = world.trace
    this.#parts = parts
    this.#words = parts.memory.words
    this.#tables = parts.tables
    this.#privateData = parts.privateData
    this.#ring = parts.ring
    this.#status = parts.status
  }

  /** `supported`: the unit has PRI and translates. */
  receive(request: PageRequest, supported: boolean): void {
    const device = this.#tables.device(request.rid)
    const ring = this.#ring
    if (
      device !== undefined &&
      (device.flags & DEVICE_PRI) !== 0 &&
      request.pasid < device.pasidEnd &&
      (this.#status.bits & STATUS_PAGE_REQUEST_OVERFLOW) === 0 &&
      ring.after(ring.tail) !== ring.head &&
      ring.enabled &&
      supported
    )
      this.#queue(request)
    else this.#divert(request, device, supported)
  }

  /** A request that does not go into the ring. */
  #divert(request: PageRequest, device: DeviceContext | undefined, supported: boolean): void {
    if (!supported || !this.#ring.enabled) {
      this.#refuse(request, device, PRG_RESPONSE_FAILURE, 'page-request queue off')
    } else if (device === undefined || (device.flags & DEVICE_PRI) === 0) {
      this.#fault(request, device, device === undefined ? this.#tables.reason : REASON_PRI_DISABLED)
      this.#refuse(request, device, PRG_RESPONSE_FAILURE, 'PRI disabled for the device')
    } else if (request.pasid !== NO_PASID && this.#tables.checkPasid(device, request.pasid) !== 0) {
      this.#fault(request, device, this.#tables.checkPasid(device, request.pasid))
      this.#refuse(request, device, PRG_INVALID_REQUEST, 'PASID not allowed')
    } else {
      this.#overflow(request, device)
    }
  }

  #queue(request: PageRequest): void {
    const ring = this.#ring
    const trace = this.#trace
    if (trace.enabled) {
      const flow = trace.flowOf(request.rid, request.grpid)
      trace.emit(EVENTS.page_request_queued, flow, request.rid, request.grpid, ring.tail)
    }
    this.#write(request, ring.wordOf(ring.tail))
    ring.tail = ring.after(ring.tail)
    this.queued++
    const status = this.#status
    if ((status.bits & STATUS_PAGE_REQUEST_PENDING) === 0) status.set(STATUS_PAGE_REQUEST_PENDING)
  }

  #write(request: PageRequest, at: number): void {
    const words = this.#words
    const { access, pasid } = request
    const hasPrivate = this.#privateData && (request.private0 | request.private1) !== 0
    const present =
      (pasid === NO_PASID ? 0 : REQUEST_PASID_PRESENT) | (hasPrivate ? REQUEST_PRIVATE_PRESENT : 0)
    const group = request.grpid << REQUEST_PRGI_SHIFT
    const last = request.last ? REQUEST_LAST : 0
    words[at + WORD0] = REQUEST_TYPE_PAGE | present | (request.rid << REQUEST_RID_SHIFT)
    words[at + WORD1] = pasid === NO_PASID ? 0 : pasid | prefixOf(access)
    words[at + WORD2] = (request.addressLo & REQUEST_ADDRESS_MASK) | group | last | directionOf(access)
    words[at + ADDRESS_HIGH] = request.addressHi
    words[at + PRIVATE0] = hasPrivate ? request.private0 : 0
    words[at + PRIVATE1] = hasPrivate ? request.private1 : 0
    words[at + PRIVATE1 + 1] = 0
    words[at + PRIVATE1 + 2] = 0
  }

  /** The group must not be lost for ever: its last request is answered Success, and the function tries again. */
  #overflow(request: PageRequest, device: DeviceContext): void {
    const trace = this.#trace
    this.overflowed++
    if (trace.enabled) {
      const flow = trace.flowOf(request.rid, request.grpid)
      trace.emit(EVENTS.page_request_overflow, flow, request.rid, request.grpid, request.last ? 1 : 0)
    }
    this.#status.set(STATUS_PAGE_REQUEST_OVERFLOW)
    this.#answer(request, device, PRG_SUCCESS)
  }

  #refuse(request: PageRequest, device: DeviceContext | undefined, code: number, why: string): void {
    const trace = this.#trace
    this.refused++
    if (trace.enabled) {
      const flow = trace.flowOf(request.rid, request.grpid)
      const last = request.last ? 1 : 0
      trace.emit(EVENTS.page_request_dropped, flow, request.rid, request.grpid, last, trace.intern(why))
    }
    this.#answer(request, device, code)
  }

  /** One answer a group, at its last request; a Stop Marker gets none. */
  #answer(request: PageRequest, device: DeviceContext | undefined, code: number): void {
    const { access, pasid } = request
    const stopMarker = pasid !== NO_PASID && (access & (ACCESS_READ | ACCESS_WRITE)) === 0
    if (!request.last || stopMarker) return
    const wantsPasid = device !== undefined && (device.flags & DEVICE_RESPONSE_PASID) !== 0
    const { link } = this.#parts
    link.send(
      request.rid,
      wantsPasid ? pasid : NO_PASID,
      request.grpid,
      code,
      request.private0,
      request.private1,
    )
  }

  #fault(request: PageRequest, device: DeviceContext | undefined, reason: number): void {
    const { faults, tables } = this.#parts
    const suppressed =
      device === undefined ? tables.faultDisable : (device.flags & DEVICE_FAULT_DISABLE) !== 0
    if (suppressed) return
    const { rid, pasid, addressHi, addressLo, access } = request
    faults.record(rid, pasid, addressHi, addressLo, access, reason, FAULT_PAGE_REQUEST)
  }
}

function prefixOf(access: number): number {
  return (access & ACCESS_EXEC ? REQUEST_EXEC : 0) | (access & ACCESS_PRIV ? REQUEST_PRIV : 0)
}

function directionOf(access: number): number {
  return (access & ACCESS_READ ? REQUEST_READ : 0) | (access & ACCESS_WRITE ? REQUEST_WRITE : 0)
}
