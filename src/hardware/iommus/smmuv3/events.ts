// SPDX-License-Identifier: MIT
import { EVENTS } from '../../../trace/events.ts'
import type { World } from '../../../trace/world.ts'
import type { PhysicalMemory } from '../../memory.ts'
import * as messages from '../../pci/messages.ts'
import { Refusal } from './fault.ts'
import type { GlobalErrors } from './gerror.ts'
import * as layout from './layout.ts'
import * as queues from './layout-queues.ts'
import type { Queue } from './queue.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { ACCESS_EXEC, ACCESS_PRIV, ACCESS_WRITE, NO_PASID } = messages
const { GERROR_EVENTQ_ABT_ERR } = layout
const {
  EVENTQ_ENTRY_SHIFT,
  EVT_CLASS_SHIFT,
  EVT_IND,
  EVT_PNU,
  EVT_RNW,
  EVT_S2,
  EVT_SSID_SHIFT,
  EVT_SSV,
  EVT_STALL,
} = queues

const WORDS = 1 << EVENTQ_ENTRY_SHIFT
export const NO_STAG = -1

/**
 * The event queue. What does not fit is lost with the overflow flag, but for stalls: those wait until it does.
 *
 * @spec SMMUv3 7.2 done
 */
export class EventQueue {
  /** Events of transactions that did not wait. */
  recorded = 0
  /** Events that no record was written for: queue off, full, or not in RAM. */
  lost = 0
  readonly #world: World
  readonly #words: Int32Array
  readonly #queue: Queue
  readonly #errors: GlobalErrors
  readonly #plain: Refusal = new Refusal()

  constructor(world: World, memory: PhysicalMemory, queue: Queue, errors: GlobalErrors) {
    this.#world = world
    this.#words = memory.words
    this.#queue = queue
    this.#errors = errors
  }

  /** A stall can be recorded now. */
  get hasRoom(): boolean {
    const queue = this.#queue
    return queue.on && queue.accessible && !queue.full
  }

  /** An event that has nothing to say beside its number. */
  record(sid: number, ssid: number, hi: number, lo: number, access: number, event: number): void {
    this.#plain.set(event)
    this.refuse(this.#plain, sid, ssid, hi, lo, access)
  }

  /** A transaction that ended. */
  refuse(refusal: Refusal, sid: number, ssid: number, hi: number, lo: number, access: number): void {
    const { trace } = this.#world
    if (trace.enabled) trace.emit(EVENTS.unrecoverable_fault, 0, sid, ssid, hi, lo, access, refusal.event)
    if (this.hasRoom) {
      this.recorded++
      this.write(refusal, sid, ssid, hi, lo, access, NO_STAG)
    } else {
      this.#lose()
    }
  }

  /** `stag`: of a stalled transaction, or NO_STAG. There is room. */
  write(
    refusal: Refusal,
    sid: number,
    ssid: number,
    hi: number,
    lo: number,
    access: number,
    stag: number,
  ): void {
    const words = this.#words
    const queue = this.#queue
    const wasEmpty = queue.empty
    const at = queue.wordOf(queue.prod)
    const present = ssid === NO_PASID ? 0 : EVT_SSV | (ssid << EVT_SSID_SHIFT)
    words.fill(0, at, at + WORDS)
    words[at] = refusal.event | present
    words[at + 1] = sid
    words[at + 2] = stag === NO_STAG ? 0 : stag | EVT_STALL
    words[at + 3] = kindOf(access) | (refusal.stage2 ? EVT_S2 : 0) | (refusal.class << EVT_CLASS_SHIFT)
    words[at + 4] = lo
    words[at + 5] = hi
    words[at + 6] = refusal.ipaLo & ~7
    words[at + 7] = refusal.ipaHi
    queue.prod = queue.after(queue.prod)
    if (wasEmpty) this.#errors.eventArrived()
  }

  #lose(): void {
    const queue = this.#queue
    this.lost++
    if (!queue.on) return
    if (queue.accessible) queue.setOverflow()
    else this.#errors.raise(GERROR_EVENTQ_ABT_ERR)
  }
}

function kindOf(access: number): number {
  return (
    (access & ACCESS_WRITE ? 0 : EVT_RNW) |
    (access & ACCESS_EXEC ? EVT_IND : 0) |
    (access & ACCESS_PRIV ? EVT_PNU : 0)
  )
}
