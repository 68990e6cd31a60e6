// SPDX-License-Identifier: MIT
import type { Alarm } from '../../../sim/clock.ts'
import { EVENTS } from '../../../trace/events.ts'
import type { World } from '../../../trace/world.ts'
import type { PhysicalMemory } from '../../memory.ts'
import { NO_PASID } from '../../pci/messages.ts'
import type { Functions } from './functions.ts'
import type { Iotlb } from './iotlb.ts'
import {
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
  COMMAND_WORD0,
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
} from './layout.ts'
import type { ResponseLink } from './response-link.ts'
import type { Ring } from './ring.ts'
import type { StatusRegister } from './status.ts'
import type { TableReader } from './tables.ts'

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

/** Executes the command ring: in order, at once, until a WAIT has to wait for invalidations. */
export class CommandQueue {
  executed: number
  /** Invalidations that no function completed in time. */
  timedOut: number
  readonly #world: World
  readonly #parts: CommandParts
  readonly #ring: Ring
  readonly #timeout: Alarm
  readonly #words: Int32Array
  /** First word of the command under execution. */
  #at: number
  #running: boolean

  constructor(world: World, name: string, parts: CommandParts) {
    this.executed = 0
    this.timedOut = 0
    this.#world = world
    this.#parts = parts
    this.#ring = parts.ring
    this.#timeout = world.clock.createAlarm(`${name} invalidation timeout`, () => this.#giveUp())
    this.#words = parts.memory.words
    this.#at = 0
    this.#running = false
  }

  /** Executes what can be executed. Calls from within (a function that completes at once) return immediately. */
  run(): void {
    if (this.#running) return
    this.#running = true
    const ring = this.#ring
    while (ring.enabled && !ring.empty && !this.#parts.status.has(STATUS_COMMAND_ERROR)) {
      this.#at = ring.wordOf(ring.head)
      const result = this.#execute()
      if (result === MALFORMED) this.#parts.status.set(STATUS_COMMAND_ERROR)
      if (result !== DONE) break
      ring.head = ring.after(ring.head)
      this.executed++
    }
    this.#running = false
  }

  completed(rid: number, itagVector: number): void {
    const { trace } = this.#world
    if (trace.enabled) trace.emit(EVENTS.atc_invalidate_done, 0, rid, itagVector)
    this.#parts.functions.complete(rid, itagVector)
    this.settle()
  }

  /** Invalidations were completed or forgotten: goes on where it had to wait. */
  settle(): void {
    if (this.#parts.functions.outstanding === 0) this.#timeout.cancel()
    this.run()
  }

  #word(offset: number): number {
    return this.#words[this.#at + (offset >> 2)]!
  }

  get #rid(): number {
    return this.#word(COMMAND_WORD0) >>> COMMAND_RID_SHIFT
  }

  get #pasid(): number {
    const present = (this.#word(COMMAND_WORD0) & COMMAND_PASID_PRESENT) !== 0
    return present ? this.#word(COMMAND_WORD1) & COMMAND_PASID_MASK : NO_PASID
  }

  #flag(bit: number): boolean {
    return (this.#word(COMMAND_WORD0) & bit) !== 0
  }

  #execute(): number {
    if (this.#flag(RESERVED_FLAGS)) return MALFORMED
    switch (this.#word(COMMAND_WORD0) & COMMAND_OPCODE_MASK) {
      case COMMAND_INVALIDATE_CONTEXT:
        return this.#invalidateContext()
      case COMMAND_INVALIDATE_PASID:
        return this.#invalidatePasid()
      case COMMAND_INVALIDATE_IOTLB:
        return this.#invalidateIotlb()
      case COMMAND_INVALIDATE_ATC:
        return this.#invalidateAtc()
      case COMMAND_PAGE_RESPONSE:
        return this.#pageResponse()
      case COMMAND_WAIT:
        return this.#wait()
      default:
        return MALFORMED
    }
  }

  #invalidateContext(): number {
    if (this.#flag(COMMAND_ALL)) this.#parts.tables.invalidateAll()
    else this.#parts.tables.invalidateDevice(this.#rid)
    return DONE
  }

  #invalidatePasid(): number {
    if (this.#flag(COMMAND_ALL)) this.#parts.tables.invalidateAllPasids(this.#rid)
    else this.#parts.tables.invalidatePasid(this.#rid, this.#pasid)
    return DONE
  }

  #invalidateIotlb(): number {
    const shift = this.#word(COMMAND_WORD4)
    if (!this.#rangeValid()) return MALFORMED
    const domain = this.#flag(COMMAND_ALL) ? -1 : this.#word(COMMAND_WORD1)
    const hi = this.#word(COMMAND_WORD3)
    const lo = this.#word(COMMAND_WORD2)
    const { trace } = this.#world
    if (trace.enabled) {
      const pages = 2 ** (shift - 12)
      const pagesHi = (pages / 4294967296) | 0
      trace.emit(EVENTS.iotlb_invalidate, 0, domain, NO_PASID, hi, lo, pagesHi, pages | 0)
    }
    this.#parts.iotlb.invalidate(domain, hi, lo, shift)
    return DONE
  }

  #invalidateAtc(): number {
    if (!this.#rangeValid()) return MALFORMED
    const { functions } = this.#parts
    const target = functions.get(this.#rid)
    if (target === undefined) return DONE
    const itag = functions.takeTag(target)
    if (itag < 0) return BLOCKED
    const pasid = this.#pasid
    const hi = this.#word(COMMAND_WORD3)
    const lo = this.#word(COMMAND_WORD2)
    const shift = this.#word(COMMAND_WORD4)
    const { trace } = this.#world
    if (trace.enabled) trace.emit(EVENTS.atc_invalidate, 0, this.#rid, pasid, hi, lo, shift, itag)
    target.port.invalidateRequest(pasid, hi, lo, shift, itag)
    this.#watch()
    return DONE
  }

  /** Size and alignment of an invalidated range. */
  #rangeValid(): boolean {
    const shift = this.#word(COMMAND_WORD4)
    if (shift === COMMAND_RANGE_ALL) return true
    if (shift < 12 || shift > 63) return false
    const lo = this.#word(COMMAND_WORD2)
    if (shift < 32) return (lo & ((1 << shift) - 1)) === 0
    return lo === 0 && (this.#word(COMMAND_WORD3) & (2 ** (shift - 32) - 1)) === 0
  }

  #pageResponse(): number {
    const device = this.#parts.tables.device(this.#rid)
    const wantsPasid = device !== undefined && (device.flags & DEVICE_RESPONSE_PASID) !== 0
    const hasPrivate = this.#flag(COMMAND_PRIVATE_PRESENT)
    this.#parts.link.send(
      this.#rid,
      wantsPasid ? this.#pasid : NO_PASID,
      (this.#word(COMMAND_WORD2) >>> COMMAND_PRGI_SHIFT) & COMMAND_PRGI_MASK,
      (this.#word(COMMAND_WORD1) >>> COMMAND_CODE_SHIFT) & COMMAND_CODE_MASK,
      hasPrivate ? this.#word(COMMAND_WORD4) : 0,
      hasPrivate ? this.#word(COMMAND_WORD5) : 0,
    )
    return DONE
  }

  #wait(): number {
    const { memory, functions, link, status } = this.#parts
    const store = this.#flag(WAIT_STORE)
    const frame = this.#word(COMMAND_WORD2)
    const offset = this.#word(COMMAND_WORD3)
    if (store && (!memory.exists(frame) || (offset & 3) !== 0 || offset >>> 0 > 4092)) return MALFORMED
    if (functions.outstanding > 0) return BLOCKED
    if (this.#flag(WAIT_PAGE_REQUEST_DRAIN)) link.flush()
    if (store) memory.store32(frame, offset, this.#word(COMMAND_WORD1))
    if (this.#flag(WAIT_INTERRUPT)) status.set(STATUS_WAIT_COMPLETE)
    return DONE
  }

  #watch(): void {
    const nanos = this.#parts.invalidationTimeoutNanos
    if (nanos > 0 && this.#parts.functions.outstanding > 0 && !this.#timeout.armed) this.#timeout.arm(nanos)
  }

  #giveUp(): void {
    this.timedOut += this.#parts.functions.outstanding
    this.#parts.functions.giveUp()
    this.#parts.status.set(STATUS_INVALIDATION_TIMEOUT)
    this.run()
  }
}
