// SPDX-License-Identifier: MIT
import type { Alarm } from '../../../sim/clock.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { Recorder } from '../../../trace/recorder.ts'
import type { World } from '../../../trace/world.ts'
import type { PhysicalMemory } from '../../memory.ts'
import * as messages from '../../pci/messages.ts'
import type { Functions } from '../functions.ts'
import type { Iotlb } from '../iotlb.ts'
import * as layout from './layout.ts'
import type { ResponseLink } from '../response-link.ts'
import type { Ring } from './ring.ts'
import type { StatusRegister } from './status.ts'
import type { TableReader } from './tables.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { NO_PASID } = messages
const {
  COMMAND_ALL,
  COMMAND_CODE_MASK,
  COMMAND_CODE_SHIFT,
  COMMAND_INVALIDATE_ATC,
  COMMAND_INVALIDATE_CONTEXT,
  COMMAND_INVALIDATE_IOTLB,
  COMMAND_INVALIDATE_PASID,
  COMMAND_OPCODE_MASK,
  COMMAND_PAGE_RESPONSE,
  COMMAND_PASID_MASK,
  COMMAND_PASID_PRESENT,
  COMMAND_PRGI_MASK,
  COMMAND_PRGI_SHIFT,
  COMMAND_PRIVATE_PRESENT,
  COMMAND_RANGE_ALL,
  COMMAND_RID_SHIFT,
  COMMAND_WAIT,
  COMMAND_WORD1,
  COMMAND_WORD2,
  COMMAND_WORD3,
  COMMAND_WORD4,
  COMMAND_WORD5,
  DEVICE_RESPONSE_PASID,
  STATUS_COMMAND_ERROR,
  STATUS_INVALIDATION_TIMEOUT,
  STATUS_WAIT_COMPLETE,
  WAIT_INTERRUPT,
  WAIT_PAGE_REQUEST_DRAIN,
  WAIT_STORE,
} = layout

/** What commands act on. */
export interface CommandParts {
  readonly memory: PhysicalMemory
  readonly ring: Ring
  readonly status: StatusRegister
  readonly tables: TableReader
  readonly iotlb: Iotlb
  readonly functions: Functions
  readonly link: ResponseLink
  /** 0: never. */
  readonly invalidationTimeoutNanos: number
}

/** Result of one command: executed, must wait, or malformed. */
const DONE = 0
const BLOCKED = 1
const MALFORMED = 2

const RESERVED_FLAGS = 0xc000

// Where a command's words stand, counted from the first.
const WORD1: number = COMMAND_WORD1 >> 2
const WORD2: number = COMMAND_WORD2 >> 2
const WORD3: number = COMMAND_WORD3 >> 2
const WORD4: number = COMMAND_WORD4 >> 2
const WORD5: number = COMMAND_WORD5 >> 2

/** Executes the command ring: in order, at once, until a WAIT has to wait for invalidations. */
export class CommandQueue {
  executed: number
  /** Invalidations that no function completed in time. */
  timedOut: number
  readonly #trace: Recorder
  readonly #memory: PhysicalMemory
  readonly #ring: Ring
  readonly #status: StatusRegister
  readonly #tables: TableReader
  readonly #iotlb: Iotlb
  readonly #functions: Functions
  readonly #link: ResponseLink
  readonly #timeoutNanos: number
  readonly #timeout: Alarm
  readonly #words: Int32Array
  #running: boolean

  constructor(world: World, name: string, parts: CommandParts) {
    this.executed = 0
    this.timedOut = 0
    this.#trace = world.trace
    this.#memory = parts.memory
    this.#ring = parts.ring
    this.#status = parts.status
    this.#tables = parts.tables
    this.#iotlb = parts.iotlb
    this.#functions = parts.functions
    this.#link = parts.link
    this.#timeoutNanos = parts.invalidationTimeoutNanos
    this.#timeout = world.clock.createAlarm(`${name} invalidation timeout`, () => this.#giveUp())
    this.#words = parts.memory.words
    this.#running = false
  }

  /** Executes what can be executed. Calls from within (a function that completes at once) return immediately. */
  run(): void {
    if (this.#running) return
    this.#running = true
    const ring = this.#ring
    const status = this.#status
    while (ring.head !== ring.tail && ring.enabled && (status.bits & STATUS_COMMAND_ERROR) === 0) {
      const result = this.#execute(ring.wordOf(ring.head))
      if (result === MALFORMED) status.set(STATUS_COMMAND_ERROR)
      if (result !== DONE) break
      ring.head = ring.after(ring.head)
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

  /** `at`: the command's first word. */
  #execute(at: number): number {
    const word0 = this.#words[at]!
    if ((word0 & RESERVED_FLAGS) !== 0) return MALFORMED
    switch (word0 & COMMAND_OPCODE_MASK) {
      case COMMAND_INVALIDATE_CONTEXT:
        return this.#invalidateContext(word0)
      case COMMAND_INVALIDATE_PASID:
        return this.#invalidatePasid(at, word0)
      case COMMAND_INVALIDATE_IOTLB:
        return this.#invalidateIotlb(at, word0)
      case COMMAND_INVALIDATE_ATC:
        return this.#invalidateAtc(at, word0)
      case COMMAND_PAGE_RESPONSE:
        return this.#pageResponse(at, word0)
      case COMMAND_WAIT:
        return this.#wait(at, word0)
      default:
        return MALFORMED
    }
  }

  #invalidateContext(word0: number): number {
    if ((word0 & COMMAND_ALL) !== 0) this.#tables.invalidateAll()
    else this.#tables.invalidateDevice(word0 >>> COMMAND_RID_SHIFT)
    return DONE
  }

  #invalidatePasid(at: number, word0: number): number {
    const rid = word0 >>> COMMAND_RID_SHIFT
    if ((word0 & COMMAND_ALL) !== 0) this.#tables.invalidateAllPasids(rid)
    else this.#tables.invalidatePasid(rid, this.#pasid(at, word0))
    return DONE
  }

  #invalidateIotlb(at: number, word0: number): number {
    const words = this.#words
    const lo = words[at + WORD2]!
    const hi = words[at + WORD3]!
    const shift = words[at + WORD4]!
    if (!rangeValid(hi, lo, shift)) return MALFORMED
    const domain = (word0 & COMMAND_ALL) === 0 ? words[at + WORD1]! : -1
    const trace = this.#trace
    if (trace.enabled) {
      const pages = 2 ** (shift - 12)
      const pagesHi = (pages / 4294967296) | 0
      trace.emit(EVENTS.iotlb_invalidate, 0, domain, NO_PASID, hi, lo, pagesHi, pages | 0)
    }
    this.#iotlb.invalidate(domain, hi, lo, shift)
    return DONE
  }

  #invalidateAtc(at: number, word0: number): number {
    const words = this.#words
    const lo = words[at + WORD2]!
    const hi = words[at + WORD3]!
    const shift = words[at + WORD4]!
    if (!rangeValid(hi, lo, shift)) return MALFORMED
    const rid = word0 >>> COMMAND_RID_SHIFT
    const target = this.#functions.get(rid)
    if (target === undefined) return DONE
    const itag = this.#functions.takeTag(target)
    if (itag < 0) return BLOCKED
    const pasid = this.#pasid(at, word0)
    const trace = this.#trace
    if (trace.enabled) trace.emit(EVENTS.atc_invalidate, 0, rid, pasid, hi, lo, shift, itag)
    target.port.invalidateRequest(pasid, hi, lo, shift, itag)
    if (this.#timeoutNanos > 0) this.#watch()
    return DONE
  }

  #pageResponse(at: number, word0: number): number {
    const words = this.#words
    const rid = word0 >>> COMMAND_RID_SHIFT
    const device = this.#tables.device(rid)
    const wantsPasid = device !== undefined && (device.flags & DEVICE_RESPONSE_PASID) !== 0
    const hasPrivate = (word0 & COMMAND_PRIVATE_PRESENT) !== 0
    this.#link.send(
      rid,
      wantsPasid ? this.#pasid(at, word0) : NO_PASID,
      (words[at + WORD2]! >>> COMMAND_PRGI_SHIFT) & COMMAND_PRGI_MASK,
      (words[at + WORD1]! >>> COMMAND_CODE_SHIFT) & COMMAND_CODE_MASK,
      hasPrivate ? words[at + WORD4]! : 0,
      hasPrivate ? words[at + WORD5]! : 0,
    )
    return DONE
  }

  #wait(at: number, word0: number): number {
    const memory = this.#memory
    const store = (word0 & WAIT_STORE) !== 0
    const frame = this.#words[at + WORD2]!
    const offset = this.#words[at + WORD3]!
    if (store && (!memory.exists(frame) || (offset & 3) !== 0 || offset >>> 0 > 4092)) return MALFORMED
    if (this.#functions.outstanding > 0) return BLOCKED
    if ((word0 & WAIT_PAGE_REQUEST_DRAIN) !== 0) this.#link.flush()
    if (store) memory.store32(frame, offset, this.#words[at + WORD1]!)
    if ((word0 & WAIT_INTERRUPT) !== 0) this.#status.set(STATUS_WAIT_COMPLETE)
    return DONE
  }

  #pasid(at: number, word0: number): number {
    return (word0 & COMMAND_PASID_PRESENT) === 0 ? NO_PASID : this.#words[at + WORD1]! & COMMAND_PASID_MASK
  }

  #watch(): void {
    if (this.#functions.outstanding > 0 && !this.#timeout.armed) this.#timeout.arm(this.#timeoutNanos)
  }

  #giveUp(): void {
    this.timedOut += this.#functions.outstanding
    this.#functions.giveUp()
    this.#status.set(STATUS_INVALIDATION_TIMEOUT)
    this.run()
  }
}

/** Size and alignment of an invalidated range. */
function rangeValid(hi: number, lo: number, shift: number): boolean {
  if (shift === COMMAND_RANGE_ALL) return true
  if (shift < 12 || shift > 63) return false
  if (shift < 32) return (lo & ((1 << shift) - 1)) === 0
  return lo === 0 && (hi & (2 ** (shift - 32) - 1)) === 0
}
