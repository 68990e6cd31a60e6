// SPDX-License-Identifier: MIT
import { assert, broken } from '../../base/assert.ts'
import {
  CAPABILITY_PRI,
  PRI_ALLOCATION,
  PRI_CAPACITY,
  PRI_CONTROL,
  PRI_ENABLE,
  PRI_RESET,
  PRI_RESPONSE_FAILURE,
  PRI_RESPONSE_PASID_REQUIRED,
  PRI_STOPPED,
  PRI_UNEXPECTED_PRGI,
} from './config-layout.ts'
import type { CapabilityRegisters } from './config-space.ts'
import * as messages from './messages.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { NO_PASID, PRG_INVALID_REQUEST, PRG_RESPONSE_FAILURE, PRG_SUCCESS } = messages

/** Page Request Group indices are 9 bits. */
export const PRG_INDICES = 512
const INDEX_MASK = 511
/** Stands for the page requests of a group index that is not outstanding. */
const CLOSED = -1
/** Result of `Pri.respond`: the function takes no notice of the response. */
export const PRG_IGNORED = -1

export interface PriConfig {
  /** Outstanding Page Request Capacity: most page requests that can be outstanding, at least 1. */
  readonly capacity: number
  /** PRG-Response-PASID-Required. */
  readonly responsePasidRequired: boolean
}

/** Told when software or a response takes away what waiting transfers wait for. */
export interface PriListener {
  /** PRI no longer issues requests; groups outstanding may still be answered. */
  requestsStopped(): void
  /** The group is forgotten without a response: Response Failure of another group, or Reset. */
  groupDropped(grpid: number): void
}

/**
 * The Page Request Interface of one function (`spec/01` §6.1, §6.2): credits, outstanding group indices, and the state
 * that its capability registers show.
 */
export class Pri implements CapabilityRegisters {
  readonly id: number = CAPABILITY_PRI
  readonly bytes: number = 0x10
  readonly capacity: number
  readonly responsePasidRequired: boolean
  /** Outstanding Page Request Allocation, never above the capacity. */
  allocation: number
  /** Meaningful while not enabled. */
  stopped: boolean
  responseFailure: boolean
  unexpectedPrgi: boolean
  /** Page requests that wait for a response. */
  outstandingRequests: number
  /** Groups that wait for a response. */
  outstandingGroups: number
  readonly #listener: PriListener
  /** By group index two numbers: PASID, and page requests or CLOSED. */
  readonly #groups: Int32Array
  #nextIndex: number
  /** 1: enabled. */
  #on: number

  constructor(config: PriConfig, listener: PriListener) {
    assert(config.capacity >= 1, `PRI capacity ${config.capacity}`)
    this.capacity = config.capacity
    this.responsePasidRequired = config.responsePasidRequired
    this.allocation = 0
    this.#on = 0
    this.stopped = true
    this.responseFailure = false
    this.unexpectedPrgi = false
    this.outstandingRequests = 0
    this.outstandingGroups = 0
    this.#listener = listener
    this.#groups = new Int32Array(2 * PRG_INDICES).fill(CLOSED)
    this.#nextIndex = 0
  }

  get enabled(): boolean {
    return this.#on !== 0
  }

  /** Page requests that may be issued now. */
  get credits(): number {
    return this.enabled ? this.allocation - this.outstandingRequests : 0
  }

  isOutstanding(grpid: number): boolean {
    return this.#groups[2 * grpid + 1]! >= 0
  }

  /** Page requests of an outstanding group. */
  requestsOf(grpid: number): number {
    return Math.max(this.#groups[2 * grpid + 1]!, 0)
  }

  /** Takes a group index that is not outstanding, in rotation; -1 when all 512 are, or PRI is off. */
  openGroup(pasid: number): number {
    if (!this.enabled || this.outstandingGroups > INDEX_MASK) return -1
    const groups = this.#groups
    let index = this.#nextIndex
    while (groups[2 * index + 1] !== CLOSED) index = (index + 1) & INDEX_MASK
    this.#nextIndex = (index + 1) & INDEX_MASK
    groups[2 * index] = pasid
    groups[2 * index + 1] = 0
    this.outstandingGroups++
    return index
  }

  /** Takes a credit for a request of the group; Stop Markers take none. */
  takeCredit(grpid: number): void {
    if (this.credits <= 0) broken('page request without a credit')
    if (!this.isOutstanding(grpid)) broken('credit for a group that is not open')
    this.#groups[2 * grpid + 1]!++
    this.outstandingRequests++
  }

  /**
   * A PRG Response. Returns the code that holds for the group (2–14 count as Response Failure), or PRG_IGNORED.
   * A PASID that the function did not ask for, or a wrong one where it did, makes a response unexpected that is not
   * Response Failure.
   */
  respond(pasid: number, grpid: number, code: number): number {
    if (this.responseFailure && !this.enabled) return PRG_IGNORED
    const fails = code !== PRG_SUCCESS && code !== PRG_INVALID_REQUEST
    if (!this.isOutstanding(grpid) || (!fails && pasid !== this.#expectedPasid(grpid))) {
      this.unexpectedPrgi = true
      return PRG_IGNORED
    }
    if (fails) return this.#fail(grpid)
    this.#close(grpid)
    if (!this.enabled && this.outstandingGroups === 0) this.stopped = true
    return code
  }

  /** Forgets everything outstanding: Reset, or the function left the bus. */
  reset(): void {
    this.stopped = true
    this.#dropAll()
  }

  /** Function-level reset: registers at their initial values, nothing outstanding. */
  restart(): void {
    this.#setEnable(false)
    this.reset()
    this.allocation = 0
    this.responseFailure = this.unexpectedPrgi = false
  }

  read(register: number): number {
    if (register === PRI_CONTROL) return (this.enabled ? PRI_ENABLE : 0) | (this.#status() << 16)
    if (register === PRI_CAPACITY) return this.capacity
    return register === PRI_ALLOCATION ? this.allocation : 0
  }

  write(register: number, value: number, mask: number): void {
    if (register === PRI_CONTROL) {
      if ((mask & 0xffff) !== 0) this.#writeControl(value)
      this.#clearStatus((value & mask) >>> 16)
    } else if (register === PRI_ALLOCATION) {
      const wanted = ((this.allocation & ~mask) | (value & mask)) >>> 0
      this.allocation = Math.min(wanted, this.capacity)
    }
  }

  #status(): number {
    return (
      (this.responseFailure ? PRI_RESPONSE_FAILURE : 0) |
      (this.unexpectedPrgi ? PRI_UNEXPECTED_PRGI : 0) |
      (this.stopped ? PRI_STOPPED : 0) |
      (this.responsePasidRequired ? PRI_RESPONSE_PASID_REQUIRED : 0)
    )
  }

  #clearStatus(bits: number): void {
    if ((bits & PRI_RESPONSE_FAILURE) !== 0) this.responseFailure = false
    if ((bits & PRI_UNEXPECTED_PRGI) !== 0) this.unexpectedPrgi = false
  }

  #writeControl(value: number): void {
    this.#setEnable((value & PRI_ENABLE) !== 0)
    if (!this.enabled && (value & PRI_RESET) !== 0) this.reset()
  }

  /** 0 → 1 clears the status flags: "ignored until re-enabled" ends here. */
  #setEnable(enable: boolean): void {
    if (enable === this.enabled) return
    this.#on = enable ? 1 : 0
    if (enable) {
      this.stopped = this.responseFailure = this.unexpectedPrgi = false
      return
    }
    this.stopped = this.outstandingGroups === 0
    this.#listener.requestsStopped()
  }

  #expectedPasid(grpid: number): number {
    return this.responsePasidRequired ? this.#groups[2 * grpid]! : NO_PASID
  }

  #fail(grpid: number): number {
    this.#close(grpid)
    const wasEnabled = this.enabled
    this.#on = 0
    this.stopped = this.responseFailure = true
    this.#dropAll()
    if (wasEnabled) this.#listener.requestsStopped()
    return PRG_RESPONSE_FAILURE
  }

  #close(grpid: number): void {
    this.outstandingRequests -= this.#groups[2 * grpid + 1]!
    this.outstandingGroups--
    this.#groups[2 * grpid + 1] = CLOSED
  }

  #dropAll(): void {
    for (let grpid = 0; this.outstandingGroups > 0 && grpid < PRG_INDICES; grpid++) {
      if (!this.isOutstanding(grpid)) continue
      this.#close(grpid)
      this.#listener.groupDropped(grpid)
    }
  }
}
