// SPDX-License-Identifier: MIT
import { EVENTS } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { World } from '../../../trace/world.ts'
import type { PhysicalMemory } from '../../memory.ts'
import * as messages from '../../pci/messages.ts'
import type { PageRequest } from '../../pci/messages.ts'
import type { ResponseLink } from '../response-link.ts'
import type { EventRegisters } from './events.ts'
import { type FaultRecording, KIND_PAGE_REQUEST } from './fault-recording.ts'
import * as layout from './layout.ts'
import * as faults from './layout-faults.ts'
import * as queues from './layout-queues.ts'
import * as tables from './layout-tables.ts'
import type { Queue } from './queue.ts'
import type { DeviceContext } from './space.ts'
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
const { PQ_OFFSET_MASK, PRS_PPR, PRS_PRO } = layout
const {
  DESCRIPTOR_BYTES,
  DESCRIPTOR_SHIFT,
  PRQ_ADDRESS_MASK,
  PRQ_EXR,
  PRQ_LPIG,
  PRQ_PDP,
  PRQ_PP,
  PRQ_PR,
  PRQ_PRGI_SHIFT,
  PRQ_RD,
  PRQ_RID_SHIFT,
  PRQ_TYPE_PAGE,
  PRQ_WR,
} = queues
const { CONTEXT_FPD, CONTEXT_PRE } = tables
const { SCT_8 } = faults

/** What the page request queue works with. */
export interface PageRequestParts {
  readonly memory: PhysicalMemory
  readonly queue: Queue
  readonly event: EventRegisters
  readonly tables: TableReader
  readonly faults: FaultRecording
  readonly link: ResponseLink
  readonly privateData: boolean
  /** 0: as many as fit. */
  readonly waitingMax: number
}

/**
 * Page requests on their way into the queue in memory, and those that the unit answers itself (VT-d 7.4.1, 7.5).
 *
 * @spec VT-d 7.4.1 done
 * @spec VT-d 7.5 done
 */
export class PageRequestQueue {
  queued: number
  /** Requests that found the queue full, or the overflow bit set. */
  overflowed: number
  /** Requests refused because the tables or the unit do not allow them. */
  refused: number
  /** PRS_REG. */
  status: number
  readonly #trace: Recorder
  readonly #parts: PageRequestParts
  readonly #words: Int32Array
  readonly #tables: TableReader
  readonly #queue: Queue
  readonly #event: EventRegisters
  readonly #privateData: boolean
  /** Bytes of the requests that may wait. */
  #waitingMax: number

  constructor(world: World, parts: PageRequestParts) {
    this.queued = 0
    this.overflowed = 0
    this.refused = 0
    this.status = 0
    this.#trace = world.trace
    this.#parts = parts
    this.#words = parts.memory.words
    this.#tables = parts.tables
    this.#queue = parts.queue
    this.#event = parts.event
    this.#privateData = parts.privateData
    this.#waitingMax = 0
  }

  /** PQA_REG was written. */
  resize(): void {
    const { waitingMax } = this.#parts
    const most = this.#queue.mask + 1 - DESCRIPTOR_BYTES
    this.#waitingMax = waitingMax === 0 ? most : Math.min(most, waitingMax << DESCRIPTOR_SHIFT)
  }

  writeHead(value: number): void {
    this.#queue.head = value & PQ_OFFSET_MASK & this.#queue.mask
  }

  writeTail(value: number): void {
    this.#queue.tail = value & PQ_OFFSET_MASK & this.#queue.mask
  }

  /** RW1C. */
  clearStatus(value: number): void {
    this.status &= ~value
    if (this.status === 0) this.#event.settle()
  }

  /** `supported`: the unit has page requests and translates. */
  receive(request: PageRequest, supported: boolean): void {
    const device = this.#tables.contexts.device(request.rid)
    const queue = this.#queue
    if (
      device !== undefined &&
      (device.flags & CONTEXT_PRE) !== 0 &&
      request.pasid < device.pasidEnd &&
      (this.status & PRS_PRO) === 0 &&
      ((queue.tail - queue.head) & queue.mask) < this.#waitingMax &&
      queue.ready &&
      supported
    )
      this.#enqueue(request)
    else this.#divert(request, device, supported)
  }

  /** A request that does not go into the queue. */
  #divert(request: PageRequest, device: DeviceContext | undefined, supported: boolean): void {
    if (!supported || !this.#queue.ready) {
      this.#refuse(request, PRG_RESPONSE_FAILURE, 'page requests off')
    } else if (device === undefined || (device.flags & CONTEXT_PRE) === 0) {
      this.#fault(request, device, device === undefined ? this.#tables.contexts.reason : SCT_8)
      this.#refuse(request, PRG_RESPONSE_FAILURE, 'page requests disabled for the device')
    } else if (request.pasid !== NO_PASID && this.#tables.checkPasid(device, request.pasid) !== 0) {
      this.#fault(request, device, this.#tables.checkPasid(device, request.pasid))
      this.#refuse(request, PRG_INVALID_REQUEST, 'PASID not allowed')
    } else {
      this.#overflow(request)
    }
  }

  #enqueue(request: PageRequest): void {
    const queue = this.#queue
    const trace = this.#trace
    if (trace.enabled) {
      const flow = trace.flowOf(request.rid, request.grpid)
      trace.emit(
        EVENTS.page_request_queued,
        flow,
        request.rid,
        request.grpid,
        queue.tail >>> DESCRIPTOR_SHIFT,
      )
    }
    this.#write(request, queue.wordOf(queue.tail))
    queue.tail = queue.after(queue.tail)
    this.queued++
    if ((this.status & PRS_PPR) === 0) this.#setStatus(PRS_PPR)
  }

  #write(request: PageRequest, at: number): void {
    const words = this.#words
    const { access, pasid } = request
    const hasPrivate = this.#privateData && (request.private0 | request.private1) !== 0
    const present = (pasid === NO_PASID ? 0 : PRQ_PP) | (hasPrivate ? PRQ_PDP : 0)
    const last = request.last ? PRQ_LPIG : 0
    words[at] = PRQ_TYPE_PAGE | present | (request.rid << PRQ_RID_SHIFT)
    words[at + 1] = pasid === NO_PASID ? 0 : pasid | prefixOf(access)
    words[at + 2] =
      (request.addressLo & PRQ_ADDRESS_MASK) | (request.grpid << PRQ_PRGI_SHIFT) | last | directionOf(access)
    words[at + 3] = request.addressHi
    words[at + 4] = hasPrivate ? request.private0 : 0
    words[at + 5] = hasPrivate ? request.private1 : 0
    words[at + 6] = 0
    words[at + 7] = 0
  }

  /** PPR or PRO: an interrupt condition only when neither was set. */
  #setStatus(bit: number): void {
    const before = this.status
    this.status |= bit
    if (before === 0) this.#event.trigger()
  }

  /** The group must not be lost for ever: its last request is answered Success, and the function tries again. */
  #overflow(request: PageRequest): void {
    const trace = this.#trace
    this.overflowed++
    if (trace.enabled) {
      const flow = trace.flowOf(request.rid, request.grpid)
      trace.emit(EVENTS.page_request_overflow, flow, request.rid, request.grpid, request.last ? 1 : 0)
    }
    this.#setStatus(PRS_PRO)
    this.#answer(request, PRG_SUCCESS)
  }

  #refuse(request: PageRequest, code: number, why: string): void {
    const trace = this.#trace
    this.refused++
    if (trace.enabled) {
      const flow = trace.flowOf(request.rid, request.grpid)
      const last = request.last ? 1 : 0
      trace.emit(EVENTS.page_request_dropped, flow, request.rid, request.grpid, last, trace.intern(why))
    }
    this.#answer(request, code)
  }

  /** One answer a group, at its last request, with a PASID if that had one; a Stop Marker gets none. */
  #answer(request: PageRequest, code: number): void {
    const { access, pasid, grpid, private0, private1 } = request
    const stopMarker = pasid !== NO_PASID && (access & (ACCESS_READ | ACCESS_WRITE)) === 0
    if (!request.last || stopMarker) return
    this.#parts.link.send(request.rid, pasid, grpid, code, private0, private1)
  }

  #fault(request: PageRequest, device: DeviceContext | undefined, reason: number): void {
    const suppressed =
      device === undefined ? this.#tables.contexts.faultDisable : (device.flags & CONTEXT_FPD) !== 0
    if (suppressed) return
    const { rid, pasid, addressHi, addressLo, access } = request
    this.#parts.faults.record(rid, pasid, addressHi, addressLo, access, reason, KIND_PAGE_REQUEST)
  }
}

function prefixOf(access: number): number {
  return (access & ACCESS_EXEC ? PRQ_EXR : 0) | (access & ACCESS_PRIV ? PRQ_PR : 0)
}

function directionOf(access: number): number {
  return (access & ACCESS_READ ? PRQ_RD : 0) | (access & ACCESS_WRITE ? PRQ_WR : 0)
}
