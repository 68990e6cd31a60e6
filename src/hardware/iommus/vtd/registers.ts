// SPDX-License-Identifier: MIT
import { capabilityHigh, capabilityLow, extendedHigh, extendedLow, type VtdConfig } from './config.ts'
import type { EventRegisters } from './events.ts'
import type { FaultRecording } from './fault-recording.ts'
import type { FaultStatus } from './fault-status.ts'
import type { InvalidationQueue } from './invalidation-queue.ts'
import * as layout from './layout.ts'
import type { PageRequestQueue } from './page-requests.ts'
import type { Queue } from './queue.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const {
  CAP_REG,
  ECAP_REG,
  FECTL_REG,
  FEUADDR_REG,
  FRCD_OFFSET,
  FSTS_REG,
  GCMD_QIE,
  GCMD_REG,
  GCMD_SRTP,
  GCMD_TE,
  GSTS_REG,
  ICS_REG,
  IECTL_REG,
  IEUADDR_REG,
  IQA_DW,
  IQA_QS_MASK,
  IQA_REG,
  IQERCD_REG,
  IQH_REG,
  IQT_REG,
  PECTL_REG,
  PEUADDR_REG,
  PQA_PQS_MASK,
  PQA_REG,
  PQH_REG,
  PQT_REG,
  PRS_REG,
  RTADDR_REG,
  RTADDR_TTM_MASK,
  VER_MAJOR_6,
  VER_REG,
} = layout

/** The high double word of a 64-bit register. */
const HI = 4
/** Bits of an address register that hold a page's address. */
const PAGE_BITS = ~0xfff

/** What stands behind the registers. */
export interface RegisterParts {
  readonly config: VtdConfig
  readonly status: FaultStatus
  readonly recording: FaultRecording
  readonly invalidations: InvalidationQueue
  readonly invalidationQueue: Queue
  readonly pageRequests: PageRequestQueue
  readonly requestQueue: Queue
  readonly faultEvent: EventRegisters
  readonly invalidationEvent: EventRegisters
  readonly pageRequestEvent: EventRegisters
  /** GCMD.SRTP: the root table pointer takes effect. */
  readonly setRoot: (hi: number, lo: number) => void
  /** GCMD.TE. */
  readonly setTranslation: (on: boolean) => void
}

/** The register space, in double words (VT-d 11). */
export class Registers {
  /** Accesses to registers that do not exist: reads give 0, writes vanish. */
  unknown: number
  /** GSTS_REG. */
  #global: number
  #rootLo: number
  #rootHi: number
  readonly #parts: RegisterParts

  constructor(parts: RegisterParts) {
    this.unknown = 0
    this.#global = 0
    this.#rootLo = 0
    this.#rootHi = 0
    this.#parts = parts
  }

  read(offset: number): number {
    const { config, status, invalidations, pageRequests } = this.#parts
    switch (offset) {
      case PRS_REG:
        return pageRequests.status
      case FSTS_REG:
        return status.value
      case GSTS_REG:
        return this.#global
      case CAP_REG:
        return capabilityLow(config)
      case CAP_REG + HI:
        return capabilityHigh(config)
      case ECAP_REG:
        return extendedLow(config)
      case ECAP_REG + HI:
        return extendedHigh(config)
      case VER_REG:
        return VER_MAJOR_6
      case ICS_REG:
        return invalidations.completion
      case IQERCD_REG:
        return status.queueError
      case IQERCD_REG + HI:
        return status.timeoutSource
      case RTADDR_REG:
        return this.#rootLo
      case RTADDR_REG + HI:
        return this.#rootHi
      default:
        return this.#readQueue(offset)
    }
  }

  write(offset: number, value: number): void {
    const { status, invalidations, pageRequests } = this.#parts
    switch (offset) {
      case IQT_REG:
        return invalidations.writeTail(value)
      case PQH_REG:
        return pageRequests.writeHead(value)
      case PRS_REG:
        return pageRequests.clearStatus(value)
      case FSTS_REG:
        status.clear(value)
        return invalidations.run()
      case ICS_REG:
        return invalidations.clearCompletion(value)
      case GCMD_REG:
        return this.#command(value)
      case RTADDR_REG:
        this.#rootLo = value & (PAGE_BITS | RTADDR_TTM_MASK)
        return undefined
      case RTADDR_REG + HI:
        this.#rootHi = value
        return undefined
      default:
        return this.#writeQueue(offset, value)
    }
  }

  /** Every bit says what is to be, SRTP that the root table pointer is to take effect. */
  #command(value: number): void {
    const { invalidations, setRoot, setTranslation } = this.#parts
    const kept = this.#global & GCMD_SRTP
    if ((value & GCMD_SRTP) !== 0) setRoot(this.#rootHi, this.#rootLo)
    this.#global = kept | (value & (GCMD_TE | GCMD_SRTP | GCMD_QIE))
    setTranslation((value & GCMD_TE) !== 0)
    invalidations.enable((value & GCMD_QIE) !== 0)
  }

  #readQueue(offset: number): number {
    const { invalidations, invalidationQueue, requestQueue } = this.#parts
    switch (offset) {
      case IQH_REG:
        return invalidationQueue.head
      case IQT_REG:
        return invalidations.tail
      case IQA_REG:
        return invalidationQueue.addressLo
      case IQA_REG + HI:
        return invalidationQueue.addressHi
      case PQH_REG:
        return requestQueue.head
      case PQT_REG:
        return requestQueue.tail
      case PQA_REG:
        return requestQueue.addressLo
      case PQA_REG + HI:
        return requestQueue.addressHi
      default:
        return this.#readEvent(offset)
    }
  }

  /** The high words of heads and tails have no bits. */
  #writeQueue(offset: number, value: number): void {
    const { invalidationQueue, requestQueue, pageRequests } = this.#parts
    switch (offset) {
      case IQA_REG:
        return invalidationQueue.setAddress(
          invalidationQueue.addressHi,
          value & (PAGE_BITS | IQA_DW | IQA_QS_MASK),
        )
      case IQA_REG + HI:
        return invalidationQueue.setAddress(value, invalidationQueue.addressLo)
      case PQA_REG:
        requestQueue.setAddress(requestQueue.addressHi, value & (PAGE_BITS | PQA_PQS_MASK))
        return pageRequests.resize()
      case PQA_REG + HI:
        requestQueue.setAddress(value, requestQueue.addressLo)
        return pageRequests.resize()
      case PQT_REG:
        return pageRequests.writeTail(value)
      case IQH_REG:
      case IQH_REG + HI:
      case IQT_REG + HI:
      case PQH_REG + HI:
      case PQT_REG + HI:
        return undefined
      default:
        return this.#writeEvent(offset, value)
    }
  }

  #readEvent(offset: number): number {
    const event = this.#eventAt(offset)
    if (event !== undefined) return event.read(eventRegister(offset))
    if (this.#isRecord(offset)) return this.#parts.recording.read(offset - FRCD_OFFSET)
    this.unknown++
    return 0
  }

  #writeEvent(offset: number, value: number): void {
    const event = this.#eventAt(offset)
    if (event !== undefined) event.write(eventRegister(offset), value)
    else if (this.#isRecord(offset)) this.#parts.recording.write(offset - FRCD_OFFSET, value)
    else this.unknown++
  }

  #eventAt(offset: number): EventRegisters | undefined {
    const { faultEvent, invalidationEvent, pageRequestEvent } = this.#parts
    if (offset >= FECTL_REG && offset <= FEUADDR_REG) return faultEvent
    if (offset >= IECTL_REG && offset <= IEUADDR_REG) return invalidationEvent
    return offset >= PECTL_REG && offset <= PEUADDR_REG ? pageRequestEvent : undefined
  }

  #isRecord(offset: number): boolean {
    return offset >= FRCD_OFFSET && offset < FRCD_OFFSET + this.#parts.recording.bytes
  }
}

/** Distance from the event's control register. */
function eventRegister(offset: number): number {
  return offset <= FEUADDR_REG ? offset - FECTL_REG : offset & 15
}
