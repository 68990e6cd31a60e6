// SPDX-License-Identifier: MIT
import type { Alarm } from '../../../sim/clock.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { World } from '../../../trace/world.ts'
import type { PhysicalMemory } from '../../memory.ts'
import * as messages from '../../pci/messages.ts'
import type { Functions } from '../functions.ts'
import type { ResponseLink } from '../response-link.ts'
import type { Contexts } from './contexts.ts'
import type { GlobalErrors } from './gerror.ts'
import * as layout from './layout.ts'
import * as queues from './layout-queues.ts'
import type { Queue } from './queue.ts'
import type { Stalls } from './stalls.ts'
import type { Streams } from './streams.ts'
import type { TlbInvalidation } from './tlb-invalidation.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { NO_PASID, PRG_INVALID_REQUEST, PRG_RESPONSE_FAILURE, PRG_SUCCESS, STALL_ABORT, STALL_RETRY } =
  messages
const { GERROR_CMDQ_ERR } = layout
const {
  ATC_INV_SIZE_ALL,
  ATC_INV_SIZE_MASK,
  CERROR_ABT,
  CERROR_ATC_INV_SYNC,
  CERROR_ILL,
  CERROR_NONE,
  CFGI_RANGE_ALL,
  CFGI_RANGE_MASK,
  CMDQ_CONS_ERR_MASK,
  CMDQ_CONS_ERR_SHIFT,
  CMD_ATC_INV,
  CMD_CFGI_CD,
  CMD_CFGI_CD_ALL,
  CMD_CFGI_STE,
  CMD_CFGI_STE_RANGE,
  CMD_OPCODE_MASK,
  CMD_PREFETCH_ADDR,
  CMD_PREFETCH_CONFIG,
  CMD_PRI_RESP,
  CMD_RESUME,
  CMD_SSID_SHIFT,
  CMD_SSV,
  CMD_STALL_TERM,
  CMD_SYNC,
  PRI_RESP_DENY,
  PRI_RESP_FAIL,
  PRI_RESP_MASK,
  PRI_RESP_PRGI_MASK,
  PRI_RESP_SHIFT,
  PRI_RESP_SUCC,
  RESUME_AC,
  RESUME_STAG_MASK,
  SYNC_CS_IRQ,
  SYNC_CS_MASK,
  SYNC_CS_SEV,
  SYNC_CS_SHIFT,
} = queues

/** What commands act on. */
export interface CommandParts {
  readonly memory: PhysicalMemory
  readonly queue: Queue
  readonly errors: GlobalErrors
  readonly streams: Streams
  readonly contexts: Contexts
  readonly tlb: TlbInvalidation
  readonly functions: Functions
  readonly stalls: Stalls
  readonly link: ResponseLink
  readonly hasAts: boolean
  readonly hasPri: boolean
  readonly hasStalls: boolean
  /** 0: never. */
  readonly invalidationTimeoutNanos: number
}

/** Results of a command beside the errors: executed, or it must wait. */
const DONE: number = CERROR_NONE
const BLOCKED = -1
const ONE_STREAM = 0
const ALL_STREAMS = 32

/**
 * The command queue: in order, at once, until CMD_SYNC has to wait for invalidations of functions, or a command is wrong.
 *
 * @spec SMMUv3 4.1 done
 * @spec SMMUv3 7.1 done
 */
export class CommandQueue {
  executed = 0
  /** Invalidations that no function completed in time. */
  timedOut = 0
  readonly #trace: Recorder
  readonly #parts: CommandParts
  readonly #words: Int32Array
  readonly #queue: Queue
  readonly #timeout: Alarm
  #running = false
  /** Invalidations were given up since the last CMD_SYNC. */
  #gaveUp = false

  constructor(world: World, name: string, parts: CommandParts) {
    this.#trace = world.trace
    this.#parts = parts
    this.#words = parts.memory.words
    this.#queue = parts.queue
    this.#timeout = world.clock.createAlarm(`${name} invalidation timeout`, () => this.#giveUp())
  }

  /** Executes what can be executed. Calls from within (a function that completes at once) return immediately. */
  run(): void {
    if (this.#running) return
    this.#running = true
    const queue = this.#queue
    const { errors } = this.#parts
    while (queue.on && !queue.empty && !errors.isActive(GERROR_CMDQ_ERR)) {
      const result = queue.accessible ? this.#execute(queue.wordOf(queue.cons)) : CERROR_ABT
      if (result > DONE) this.#fail(result)
      if (result !== DONE) break
      queue.cons = queue.after(queue.cons)
      this.executed++
    }
    this.#running = false
  }

  completed(rid: number, itagVector: number): void {
    const trace = this.#trace
    if (trace.enabled) trace.emit(EVENTS.atc_invalidate_done, 0, rid, itagVector)
    this.#parts.functions.complete(rid, itagVector)
    this.settle()
  }

  /** Invalidations were completed or forgotten: goes on where it had to wait. */
  settle(): void {
    if (this.#timeout.armed && this.#parts.functions.outstanding === 0) this.#timeout.cancel()
    this.run()
  }

  /** The error stands in CONS until software acknowledges it in GERRORN; then the unit tries the same command again. */
  #fail(error: number): void {
    const queue = this.#queue
    queue.cons = (queue.cons & ~CMDQ_CONS_ERR_MASK) | (error << CMDQ_CONS_ERR_SHIFT)
    this.#parts.errors.raise(GERROR_CMDQ_ERR)
  }

  /** `at`: the command's first word. */
  #execute(at: number): number {
    const words = this.#words
    const { stalls, hasStalls } = this.#parts
    const sid = words[at + 1]!
    switch (words[at]! & CMD_OPCODE_MASK) {
      case CMD_PREFETCH_CONFIG:
      case CMD_PREFETCH_ADDR:
        return DONE
      case CMD_CFGI_STE:
        return this.#forgetStreams(sid, ONE_STREAM)
      case CMD_CFGI_STE_RANGE:
        return this.#forgetRange(at)
      case CMD_CFGI_CD:
        this.#parts.contexts.invalidateContext(sid, words[at]! >>> CMD_SSID_SHIFT)
        return DONE
      case CMD_CFGI_CD_ALL:
        this.#parts.contexts.invalidate(sid, ONE_STREAM)
        return DONE
      case CMD_ATC_INV:
        return this.#invalidateAtc(at)
      case CMD_PRI_RESP:
        return this.#respond(at)
      case CMD_RESUME:
        return this.#resume(at)
      case CMD_STALL_TERM:
        if (!hasStalls) return CERROR_ILL
        stalls.terminate(sid)
        return DONE
      case CMD_SYNC:
        return this.#sync(at)
      default:
        return this.#parts.tlb.execute(words, at) ? DONE : CERROR_ILL
    }
  }

  /** @spec SMMUv3 4.3.1 done */
  #forgetStreams(sid: number, log2: number): number {
    this.#parts.streams.invalidate(sid, log2)
    this.#parts.contexts.invalidate(sid, log2)
    return DONE
  }

  /** Range 31 is CMD_CFGI_ALL. */
  #forgetRange(at: number): number {
    const range = this.#words[at + 2]! & CFGI_RANGE_MASK
    return this.#forgetStreams(this.#words[at + 1]!, range === CFGI_RANGE_ALL ? ALL_STREAMS : range + 1)
  }

  #invalidateAtc(at: number): number {
    const words = this.#words
    const { functions, hasAts, invalidationTimeoutNanos } = this.#parts
    if (!hasAts) return CERROR_ILL
    const sid = words[at + 1]!
    const target = functions.get(sid)
    if (target === undefined) return DONE
    const itag = functions.takeTag(target)
    if (itag < 0) return BLOCKED
    const size = words[at + 2]! & ATC_INV_SIZE_MASK
    const shift = size >= ATC_INV_SIZE_ALL ? 64 : size + 12
    const lo = shift > 31 ? 0 : words[at + 2]! & (-1 << shift)
    const hi = shift > 63 ? 0 : shift > 32 ? words[at + 3]! & (-1 << (shift - 32)) : words[at + 3]!
    const pasid = this.#pasid(at)
    const trace = this.#trace
    if (trace.enabled) trace.emit(EVENTS.atc_invalidate, 0, sid, pasid, hi, lo, shift, itag)
    target.port.invalidateRequest(pasid, hi, lo, shift, itag)
    if (invalidationTimeoutNanos > 0 && functions.outstanding > 0 && !this.#timeout.armed)
      this.#timeout.arm(invalidationTimeoutNanos)
    return DONE
  }

  #respond(at: number): number {
    const word2 = this.#words[at + 2]!
    const code = responseCode((word2 >>> PRI_RESP_SHIFT) & PRI_RESP_MASK)
    if (!this.#parts.hasPri || code < 0) return CERROR_ILL
    this.#parts.link.send(this.#words[at + 1]!, this.#pasid(at), word2 & PRI_RESP_PRGI_MASK, code, 0, 0)
    return DONE
  }

  /** Terminated accesses are always aborted (IDR0.TERM_MODEL): Ab makes no difference. */
  #resume(at: number): number {
    const words = this.#words
    const { stalls, hasStalls } = this.#parts
    if (!hasStalls) return CERROR_ILL
    const outcome = (words[at]! & RESUME_AC) === 0 ? STALL_ABORT : STALL_RETRY
    stalls.resume(words[at + 1]!, words[at + 2]! & RESUME_STAG_MASK, outcome)
    return DONE
  }

  #sync(at: number): number {
    const signal = (this.#words[at]! >>> SYNC_CS_SHIFT) & SYNC_CS_MASK
    if (signal > SYNC_CS_SEV) return CERROR_ILL
    if (this.#parts.functions.outstanding > 0) return BLOCKED
    if (this.#gaveUp) {
      this.#gaveUp = false
      return CERROR_ATC_INV_SYNC
    }
    if (signal === SYNC_CS_IRQ) this.#parts.errors.syncCompleted()
    return DONE
  }

  #pasid(at: number): number {
    const word0 = this.#words[at]!
    return (word0 & CMD_SSV) === 0 ? NO_PASID : word0 >>> CMD_SSID_SHIFT
  }

  #giveUp(): void {
    this.timedOut += this.#parts.functions.outstanding
    this.#parts.functions.giveUp()
    this.#gaveUp = true
    this.run()
  }
}

/** PRI_RESP_ as PCI spells it, -1: reserved. */
function responseCode(response: number): number {
  if (response === PRI_RESP_SUCC) return PRG_SUCCESS
  if (response === PRI_RESP_FAIL) return PRG_INVALID_REQUEST
  return response === PRI_RESP_DENY ? PRG_RESPONSE_FAILURE : -1
}
