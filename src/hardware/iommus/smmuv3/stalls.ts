// SPDX-License-Identifier: MIT
import { EVENTS, REQUEST_LAST } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import * as messages from '../../pci/messages.ts'
import type { PciFunction } from '../../pci/messages.ts'
import { ResponseLink } from '../response-link.ts'
import { type EventQueue, NO_STAG } from './events.ts'
import { Refusal } from './fault.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { NO_PASID, PRG_INVALID_REQUEST, PRG_SUCCESS, STALL_ABORT, STALL_RETRY } = messages

// Where a transaction is: in the pool; in line for its event; waiting for CMD_RESUME; over, and its function not told yet.
const FREE = 0
const IN_LINE = 1
const OUTSTANDING = 2
const ENDED = 3

/** A transaction that waits in the unit. */
class Stall {
  /** What its function knows it by; given to another only when the function was told of the end. */
  readonly transaction: number
  state: number = FREE
  readonly refusal: Refusal = new Refusal()
  sid = 0
  ssid: number = NO_PASID
  hi = 0
  lo = 0
  access = 0
  stag: number = NO_STAG
  /** Next in line, or in the pool. */
  next: Stall | undefined = undefined

  constructor(transaction: number) {
    this.transaction = transaction
  }
}

/** Carries the ends of stalls to the functions, as others carry PRG Responses. */
export class ResumeLink extends ResponseLink {
  /** Called before the function hears of the end of a transaction. */
  onDelivery: (transaction: number) => void = () => undefined

  protected override deliver(port: PciFunction, transaction: number, _grpid: number, outcome: number): void {
    this.onDelivery(transaction)
    port.transactionResumed?.(transaction, outcome)
  }
}

/**
 * Stalled transactions (3.12.2). Each that software has been told of has a STAG, and waits for CMD_RESUME. Where the event
 * queue is full, or no STAG is free, those behind wait in line: no stall is lost.
 *
 * @spec SMMUv3 3.12.2 done
 */
export class Stalls {
  /** Events written. */
  recorded = 0
  /** Stalls that found the event queue full or no STAG free. */
  delayed = 0
  /** Transactions that wait. */
  waiting = 0
  readonly #trace: Recorder
  readonly #events: EventQueue
  readonly #link: ResumeLink
  readonly #stalls: Stall[] = []
  #free: Stall | undefined = undefined
  /** Those whose event is not written, oldest first. */
  #first: Stall | undefined = undefined
  #last: Stall | undefined = undefined
  /** By STAG; those that have none are linked through `#freeStags`. */
  readonly #byStag: (Stall | undefined)[]
  readonly #freeStags: Int32Array
  #freeStagCount: number

  constructor(trace: Recorder, events: EventQueue, link: ResumeLink, stallMax: number) {
    this.#trace = trace
    this.#events = events
    this.#link = link
    this.#byStag = Array.from({ length: stallMax }, () => undefined)
    this.#freeStags = Int32Array.from({ length: stallMax }, (_, i) => stallMax - 1 - i)
    this.#freeStagCount = stallMax
    link.onDelivery = (transaction): void => this.#recycle(this.#stalls[transaction - 1]!)
  }

  /** The transaction waits from now on. Returns its number. */
  begin(refusal: Refusal, sid: number, ssid: number, hi: number, lo: number, access: number): number {
    const stall = this.#take()
    stall.refusal.event = refusal.event
    stall.refusal.class = refusal.class
    stall.refusal.stage2 = refusal.stage2
    stall.refusal.ipaHi = refusal.ipaHi
    stall.refusal.ipaLo = refusal.ipaLo
    stall.sid = sid
    stall.ssid = ssid
    stall.hi = hi
    stall.lo = lo
    stall.access = access
    stall.state = IN_LINE
    this.waiting++
    this.#giveStag(stall)
    this.#enqueue(stall)
    this.pump()
    if (stall.state === IN_LINE) this.#delay(stall)
    return stall.transaction
  }

  /** Writes the events of those in line, as far as there is room. */
  pump(): void {
    for (let stall = this.#first; stall !== undefined; stall = this.#first) {
      if (!this.#events.hasRoom || !this.#giveStag(stall)) return
      this.#first = stall.next
      if (stall.next === undefined) this.#last = undefined
      stall.next = undefined
      this.#record(stall)
    }
  }

  /** CMD_RESUME. Nothing happens unless the stream has a transaction with the STAG that software was told of. */
  resume(sid: number, stag: number, outcome: number): void {
    const stall = stag < this.#byStag.length ? this.#byStag[stag] : undefined
    if (stall === undefined || stall.sid !== sid || stall.state !== OUTSTANDING) return
    this.#end(stall, outcome)
    this.pump()
  }

  /** CMD_STALL_TERM: all that the stream has waiting are aborted. */
  terminate(sid: number): void {
    this.#abortWhere((stall) => stall.sid === sid)
  }

  /** The unit is switched off. */
  terminateAll(): void {
    this.#abortWhere(() => true)
  }

  /** The stream's function is gone, and its transactions with it. */
  forget(sid: number): void {
    this.terminate(sid)
    for (const stall of this.#stalls) if (stall.sid === sid) this.#recycle(stall)
  }

  #take(): Stall {
    const free = this.#free
    if (free !== undefined) {
      this.#free = free.next
      free.next = undefined
      return free
    }
    const stall = new Stall(this.#stalls.length + 1)
    this.#stalls.push(stall)
    return stall
  }

  /** Whether it has one now. */
  #giveStag(stall: Stall): boolean {
    if (stall.stag !== NO_STAG) return true
    if (this.#freeStagCount === 0) return false
    stall.stag = this.#freeStags[--this.#freeStagCount]!
    this.#byStag[stall.stag] = stall
    if (this.#trace.enabled) this.#traceBegin(stall)
    return true
  }

  #enqueue(stall: Stall): void {
    if (this.#last === undefined) this.#first = stall
    else this.#last.next = stall
    this.#last = stall
  }

  #record(stall: Stall): void {
    const { sid, ssid, hi, lo, access, stag } = stall
    const trace = this.#trace
    if (trace.enabled) trace.emit(EVENTS.page_request_queued, trace.flowOf(sid, stag), sid, stag, 0)
    stall.state = OUTSTANDING
    this.recorded++
    this.#events.write(stall.refusal, sid, ssid, hi, lo, access, stag)
  }

  #delay({ sid, stag }: Stall): void {
    const trace = this.#trace
    this.delayed++
    if (trace.enabled) trace.emit(EVENTS.page_request_overflow, trace.flowOf(sid, stag), sid, stag, 1)
  }

  #end(stall: Stall, outcome: number): void {
    const trace = this.#trace
    const { sid, ssid, stag } = stall
    if (trace.enabled) {
      const code = outcome === STALL_RETRY ? PRG_SUCCESS : PRG_INVALID_REQUEST
      trace.emit(EVENTS.prg_response, trace.flowOf(sid, stag), sid, ssid, stag, code)
    }
    if (trace.openFlows > 0 && stag !== NO_STAG) trace.closeFlow(sid, stag)
    if (stag !== NO_STAG) {
      this.#byStag[stag] = undefined
      this.#freeStags[this.#freeStagCount++] = stag
      stall.stag = NO_STAG
    }
    stall.state = ENDED
    this.waiting--
    this.#link.send(sid, stall.transaction, 0, outcome, 0, 0)
  }

  #recycle(stall: Stall): void {
    if (stall.state !== ENDED) return
    stall.state = FREE
    stall.next = this.#free
    this.#free = stall
  }

  #abortWhere(which: (stall: Stall) => boolean): void {
    this.#leaveLine(which)
    for (const stall of this.#stalls) {
      if ((stall.state === IN_LINE || stall.state === OUTSTANDING) && which(stall))
        this.#end(stall, STALL_ABORT)
    }
    this.pump()
  }

  #leaveLine(which: (stall: Stall) => boolean): void {
    let stall = this.#first
    this.#first = this.#last = undefined
    while (stall !== undefined) {
      const { next } = stall
      stall.next = undefined
      if (!which(stall)) this.#enqueue(stall)
      stall = next
    }
  }

  #traceBegin({ sid, ssid, hi, lo, access, stag }: Stall): void {
    const trace = this.#trace
    trace.openFlow(sid, stag)
    trace.emit(EVENTS.page_request, trace.flowOf(sid, stag), sid, ssid, hi, lo, stag, access | REQUEST_LAST)
  }
}
