// SPDX-License-Identifier: MIT
import type { Alarm } from '../../../sim/clock.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { World } from '../../../trace/world.ts'
import type { PhysicalMemory } from '../../memory.ts'
import * as messages from '../../pci/messages.ts'
import type { Functions } from '../functions.ts'
import type { ResponseLink } from '../response-link.ts'
import type { EventRegisters } from './events.ts'
import type { FaultStatus } from './fault-status.ts'
import type { CacheInvalidations } from './invalidations.ts'
import * as layout from './layout.ts'
import * as queues from './layout-queues.ts'
import type { Queue } from './queue.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { NO_PASID } = messages
const {
  FSTS_IQE,
  FSTS_ITE,
  ICS_IWC,
  IQA_DW,
  IQEI_FETCH_ERROR,
  IQEI_RESERVED_FIELD,
  IQEI_TAIL_INVALID,
  IQEI_TAIL_UNALIGNED,
  IQEI_TYPE_INVALID,
  IQEI_WIDTH_INVALID,
  IQ_TAIL_BITS,
} = layout
const {
  DESCRIPTOR_BYTES,
  QI_CONTEXT,
  QI_CONTEXT_SID_MASK,
  QI_DEVICE_TLB,
  QI_DEVICE_TLB_RESERVED0,
  QI_DEVICE_TLB_RESERVED1,
  QI_DEVICE_TLB_RESERVED2,
  QI_DEVICE_TLB_S,
  QI_IOTLB,
  QI_PAGE_GROUP_RESPONSE,
  QI_PASID_CACHE,
  QI_PASID_DEVICE_TLB,
  QI_PASID_DEVICE_TLB_RESERVED2,
  QI_PASID_DEVICE_TLB_S,
  QI_PASID_DEVICE_TLB_SID_SHIFT,
  QI_PASID_IOTLB,
  QI_PASID_MASK,
  QI_PASID_RESERVED1,
  QI_RESPONSE_CODE_MASK,
  QI_RESPONSE_CODE_SHIFT,
  QI_RESPONSE_PDP,
  QI_RESPONSE_PP,
  QI_RESPONSE_PRGI_MASK,
  QI_RESPONSE_PRGI_SHIFT,
  QI_RESPONSE_RESERVED0,
  QI_RESPONSE_RESERVED2,
  QI_RESPONSE_RID_SHIFT,
  QI_TYPE_MASK,
  QI_WAIT,
  QI_WAIT_IF,
  QI_WAIT_PD,
  QI_WAIT_RESERVED0,
  QI_WAIT_SW,
} = queues

/** What descriptors act on. */
export interface InvalidationParts {
  readonly memory: PhysicalMemory
  readonly queue: Queue
  readonly status: FaultStatus
  /** Of waits with IF. */
  readonly event: EventRegisters
  readonly caches: CacheInvalidations
  readonly functions: Functions
  readonly link: ResponseLink
  /** 0: never. */
  readonly timeoutNanos: number
}

// Result of one descriptor: executed, must wait, or an IQEI_ code.
const DONE = 0
const BLOCKED = -1

/**
 * The queued invalidation interface (VT-d 6.5.2): descriptors in order, at once, until a wait has to wait for device
 * TLBs. Every wait is a fence, which the manual allows.
 *
 * @spec VT-d 6.5.2.7 missing
 * @spec VT-d 6.5.2.9 done
 * @spec VT-d 6.5.2.10 done
 * @spec VT-d 7.7 partly: what is on the link arrives; nothing else is under way
 */
export class InvalidationQueue {
  executed: number
  /** Device-TLB invalidations that no function completed in time. */
  timedOut: number
  /** ICS_REG. */
  completion: number
  /** 1: GSTS.QIES. */
  #on: number
  readonly #trace: Recorder
  readonly #parts: InvalidationParts
  readonly #words: Int32Array
  readonly #queue: Queue
  readonly #status: FaultStatus
  readonly #functions: Functions
  readonly #timeout: Alarm
  #running: boolean
  #tailWritten: number

  constructor(world: World, name: string, parts: InvalidationParts) {
    this.executed = 0
    this.timedOut = 0
    this.completion = 0
    this.#on = 0
    this.#trace = world.trace
    this.#parts = parts
    this.#words = parts.memory.words
    this.#queue = parts.queue
    this.#status = parts.status
    this.#functions = parts.functions
    this.#timeout = world.clock.createAlarm(`${name} invalidation timeout`, () => this.#giveUp())
    this.#running = false
    this.#tailWritten = 0
  }

  get enabled(): boolean {
    return this.#on !== 0
  }

  /** GCMD.QIE; switching on starts at descriptor 0. */
  enable(on: boolean): void {
    if (on === this.enabled) return
    if (on) this.#queue.head = 0
    this.#on = on ? 1 : 0
    this.run()
  }

  get tail(): number {
    return this.#tailWritten
  }

  writeTail(value: number): void {
    this.#tailWritten = value & IQ_TAIL_BITS
    this.run()
  }

  /** RW1C. */
  clearCompletion(value: number): void {
    this.completion &= ~value
    if (this.completion === 0) this.#parts.event.settle()
  }

  /** Executes what can be executed. Calls from within (a function that completes at once) return immediately. */
  run(): void {
    if (this.#running || this.#on === 0) return
    this.#running = true
    const queue = this.#queue
    const status = this.#status
    while (queue.head !== this.#tailWritten && (status.bits & (FSTS_IQE | FSTS_ITE)) === 0) {
      const wrong = this.#check()
      const result = wrong === 0 ? this.#execute(queue.wordOf(queue.head)) : wrong
      if (result > DONE) this.#fail(result)
      if (result !== DONE) break
      queue.head = queue.after(queue.head)
      this.executed++
    }
    this.#running = false
  }

  completed(rid: number, itagVector: number): void {
    const trace = this.#trace
    if (trace.enabled) trace.emit(EVENTS.atc_invalidate_done, 0, rid, itagVector)
    this.#functions.complete(rid, itagVector)
    this.settle()
  }

  /** Invalidations were completed or forgotten: goes on where it had to wait. */
  settle(): void {
    if (this.#timeout.armed && this.#functions.outstanding === 0) this.#timeout.cancel()
    this.run()
  }

  /** Of the registers: 0 or IQEI_. */
  #check(): number {
    const queue = this.#queue
    if ((queue.addressLo & IQA_DW) === 0) return IQEI_WIDTH_INVALID
    if (this.#tailWritten > queue.mask) return IQEI_TAIL_INVALID
    if ((this.#tailWritten & (DESCRIPTOR_BYTES - 1)) !== 0) return IQEI_TAIL_UNALIGNED
    return queue.ready ? 0 : IQEI_FETCH_ERROR
  }

  #fail(code: number): void {
    this.#status.queueError = code
    this.#status.set(FSTS_IQE)
  }

  /** `at`: the descriptor's first word. */
  #execute(at: number): number {
    const word0 = this.#words[at]!
    const { caches } = this.#parts
    switch (word0 & QI_TYPE_MASK) {
      case QI_CONTEXT:
        return caches.context(at, word0) ? DONE : IQEI_RESERVED_FIELD
      case QI_PASID_CACHE:
        return caches.pasidCache(at, word0) ? DONE : IQEI_RESERVED_FIELD
      case QI_IOTLB:
        return caches.iotlb(at, word0) ? DONE : IQEI_RESERVED_FIELD
      case QI_PASID_IOTLB:
        return caches.pasidIotlb(at, word0) ? DONE : IQEI_RESERVED_FIELD
      case QI_DEVICE_TLB:
        return this.#deviceTlb(at, word0)
      case QI_PASID_DEVICE_TLB:
        return this.#pasidDeviceTlb(at, word0)
      case QI_PAGE_GROUP_RESPONSE:
        return this.#pageGroupResponse(at, word0)
      case QI_WAIT:
        return this.#wait(at, word0)
      default:
        return IQEI_TYPE_INVALID
    }
  }

  #deviceTlb(at: number, word0: number): number {
    const words = this.#words
    const word1 = words[at + 1]!
    const lo = words[at + 2]!
    const reserved = (word0 & QI_DEVICE_TLB_RESERVED0) | (word1 & QI_DEVICE_TLB_RESERVED1)
    if ((reserved | (lo & QI_DEVICE_TLB_RESERVED2)) !== 0) return IQEI_RESERVED_FIELD
    const shift = (lo & QI_DEVICE_TLB_S) === 0 ? 12 : sizeShift(words[at + 3]!, lo)
    return this.#request(word1 & QI_CONTEXT_SID_MASK, NO_PASID, words[at + 3]!, lo, shift)
  }

  #pasidDeviceTlb(at: number, word0: number): number {
    const words = this.#words
    const lo = words[at + 2]!
    if ((lo & QI_PASID_DEVICE_TLB_RESERVED2) !== 0) return IQEI_RESERVED_FIELD
    const shift = (lo & QI_PASID_DEVICE_TLB_S) === 0 ? 12 : sizeShift(words[at + 3]!, lo)
    const rid = word0 >>> QI_PASID_DEVICE_TLB_SID_SHIFT
    return this.#request(rid, words[at + 1]! & QI_PASID_MASK, words[at + 3]!, lo, shift)
  }

  /** An Invalidate Request to a function; nobody there: complete. */
  #request(rid: number, pasid: number, hi: number, lo: number, shift: number): number {
    const functions = this.#functions
    const target = functions.get(rid)
    if (target === undefined) return DONE
    const itag = functions.takeTag(target)
    if (itag < 0) return BLOCKED
    const page = lo & (shift < 32 ? -1 << shift : 0)
    const pageHi = shift < 32 ? hi : shift > 63 ? 0 : hi & (-1 << (shift - 32))
    const trace = this.#trace
    if (trace.enabled) trace.emit(EVENTS.atc_invalidate, 0, rid, pasid, pageHi, page, shift, itag)
    target.port.invalidateRequest(pasid, pageHi, page, shift, itag)
    if (this.#parts.timeoutNanos > 0) this.#watch(rid)
    return DONE
  }

  #pageGroupResponse(at: number, word0: number): number {
    const words = this.#words
    const word1 = words[at + 1]!
    const word2 = words[at + 2]!
    const reserved = (word0 & QI_RESPONSE_RESERVED0) | (word1 & QI_PASID_RESERVED1)
    if ((reserved | (word2 & QI_RESPONSE_RESERVED2) | words[at + 3]!) !== 0) return IQEI_RESERVED_FIELD
    const hasPrivate = (word0 & QI_RESPONSE_PDP) !== 0
    this.#parts.link.send(
      word0 >>> QI_RESPONSE_RID_SHIFT,
      (word0 & QI_RESPONSE_PP) === 0 ? NO_PASID : word1,
      (word2 >>> QI_RESPONSE_PRGI_SHIFT) & QI_RESPONSE_PRGI_MASK,
      (word0 >>> QI_RESPONSE_CODE_SHIFT) & QI_RESPONSE_CODE_MASK,
      hasPrivate ? words[at + 4]! : 0,
      hasPrivate ? words[at + 5]! : 0,
    )
    return DONE
  }

  #wait(at: number, word0: number): number {
    const words = this.#words
    const { memory, link, event } = this.#parts
    const lo = words[at + 2]!
    const hi = words[at + 3]!
    const stores = (word0 & QI_WAIT_SW) !== 0
    if (((word0 & QI_WAIT_RESERVED0) | (lo & 3)) !== 0) return IQEI_RESERVED_FIELD
    if (this.#functions.outstanding > 0) return BLOCKED
    if ((word0 & QI_WAIT_PD) !== 0) link.flush()
    if (stores && hi >>> 11 === 0) memory.store32((hi << 20) | (lo >>> 12), lo & 0xffc, words[at + 1]!)
    if ((word0 & QI_WAIT_IF) === 0) return DONE
    const before = this.completion
    this.completion |= ICS_IWC
    if (before === 0) event.trigger()
    return DONE
  }

  #watch(rid: number): void {
    if (this.#functions.outstanding === 0 || this.#timeout.armed) return
    this.#status.timeoutSource = rid
    this.#timeout.arm(this.#parts.timeoutNanos)
  }

  /** What no function has completed is given up, the wait behind it is dropped, and the queue stops until ITE is cleared. */
  #giveUp(): void {
    const queue = this.#queue
    this.timedOut += this.#functions.outstanding
    this.#functions.giveUp()
    const waits = (this.#words[queue.wordOf(queue.head)]! & QI_TYPE_MASK) === QI_WAIT
    if (queue.head !== this.#tailWritten && waits) queue.head = queue.after(queue.head)
    this.#status.set(FSTS_ITE)
  }
}

/** With S, the lowest clear bit of the address says how large the range is: 2^(bit + 1) bytes (PCI Express ATS). */
function sizeShift(hi: number, lo: number): number {
  const lowClear = ~lo & ~0xfff
  if (lowClear !== 0) return 32 - Math.clz32(lowClear & -lowClear)
  const highClear = ~hi
  return highClear === 0 ? 64 : 64 - Math.clz32(highClear & -highClear)
}
