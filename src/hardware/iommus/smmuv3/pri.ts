// SPDX-License-Identifier: MIT
import { EVENTS } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { PhysicalMemory } from '../../memory.ts'
import * as messages from '../../pci/messages.ts'
import type { PageRequest } from '../../pci/messages.ts'
import type { ResponseLink } from '../response-link.ts'
import type { GlobalErrors } from './gerror.ts'
import * as layout from './layout.ts'
import * as queues from './layout-queues.ts'
import type { Queue } from './queue.ts'
import type { Streams } from './streams.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { ACCESS_EXEC, ACCESS_PRIV, ACCESS_READ, ACCESS_WRITE, NO_PASID, PRG_RESPONSE_FAILURE, PRG_SUCCESS } =
  messages
const { GERROR_PRIQ_ABT_ERR } = layout
const { PRI_ADDRESS_MASK, PRI_EXEC, PRI_LAST, PRI_PRIV, PRI_READ, PRI_SSV, PRI_WRITE } = queues

export interface PriParts {
  readonly memory: PhysicalMemory
  readonly queue: Queue
  readonly errors: GlobalErrors
  readonly streams: Streams
  readonly link: ResponseLink
}

/**
 * Page requests on their way into the PRI queue, and those that the unit answers itself.
 *
 * @spec SMMUv3 8.1 done
 * @spec SMMUv3 8.2 done
 */
export class PriQueue {
  queued = 0
  /** Requests that found the queue full, or an overflow not acknowledged. */
  overflowed = 0
  /** Requests refused because the queue is off. */
  refused = 0
  readonly #trace: Recorder
  readonly #parts: PriParts
  readonly #words: Int32Array
  readonly #queue: Queue

  constructor(trace: Recorder, parts: PriParts) {
    this.#trace = trace
    this.#parts = parts
    this.#words = parts.memory.words
    this.#queue = parts.queue
  }

  /** `supported`: the unit has PRI and translates. */
  receive(request: PageRequest, supported: boolean): void {
    const queue = this.#queue
    if (!supported || !queue.on) this.#refuse(request)
    else if (queue.overflowed || queue.full || !queue.accessible) this.#overflow(request)
    else this.#write(request)
  }

  #write(request: PageRequest): void {
    const queue = this.#queue
    const trace = this.#trace
    const wasEmpty = queue.empty
    const at = queue.wordOf(queue.prod)
    const words = this.#words
    const { rid, pasid, access, grpid } = request
    if (trace.enabled) {
      const index = queue.prod & (queue.size - 1)
      trace.emit(EVENTS.page_request_queued, trace.flowOf(rid, grpid), rid, grpid, index)
    }
    words[at] = rid
    words[at + 1] =
      (pasid === NO_PASID ? 0 : PRI_SSV | pasid) | directionOf(access) | (request.last ? PRI_LAST : 0)
    words[at + 2] = (request.addressLo & PRI_ADDRESS_MASK) | grpid
    words[at + 3] = request.addressHi
    queue.prod = queue.after(queue.prod)
    this.queued++
    if (wasEmpty) this.#parts.errors.requestArrived()
  }

  /** The group must not be lost for ever: its last request is answered Success, and the function tries again. */
  #overflow(request: PageRequest): void {
    const { rid, grpid } = request
    const trace = this.#trace
    this.overflowed++
    if (trace.enabled) {
      const last = request.last ? 1 : 0
      trace.emit(EVENTS.page_request_overflow, trace.flowOf(rid, grpid), rid, grpid, last)
    }
    if (this.#queue.accessible) this.#queue.setOverflow()
    else this.#parts.errors.raise(GERROR_PRIQ_ABT_ERR)
    this.#answer(request, PRG_SUCCESS)
  }

  #refuse(request: PageRequest): void {
    const { rid, grpid } = request
    const trace = this.#trace
    this.refused++
    if (trace.enabled) {
      const why = trace.intern('PRI queue off')
      const last = request.last ? 1 : 0
      trace.emit(EVENTS.page_request_dropped, trace.flowOf(rid, grpid), rid, grpid, last, why)
    }
    this.#answer(request, PRG_RESPONSE_FAILURE)
  }

  /** One answer a group, at its last request; a Stop Marker gets none. */
  #answer({ rid, pasid, grpid, access, last }: PageRequest, code: number): void {
    const stopMarker = pasid !== NO_PASID && (access & (ACCESS_READ | ACCESS_WRITE)) === 0
    if (!last || stopMarker) return
    const { streams, link } = this.#parts
    const wantsPasid = streams.find(rid)?.responsePasid === true
    link.send(rid, wantsPasid ? pasid : NO_PASID, grpid, code, 0, 0)
  }
}

function directionOf(access: number): number {
  return (
    (access & ACCESS_READ ? PRI_READ : 0) |
    (access & ACCESS_WRITE ? PRI_WRITE : 0) |
    (access & ACCESS_EXEC ? PRI_EXEC : 0) |
    (access & ACCESS_PRIV ? PRI_PRIV : 0)
  )
}
