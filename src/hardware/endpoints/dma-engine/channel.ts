// SPDX-License-Identifier: MIT
import type { List, ListNode } from '../../../base/list.ts'
import type { Alarm } from '../../../sim/clock.ts'
import { ACCESS_READ, ACCESS_WRITE, NO_PASID, type Translation } from '../../pci/messages.ts'
import type { Transfer, TransferStatus } from './transfer.ts'

const WHOLE_PAGE = 0xfff
/** Low address of no page. */
const NO_PAGE = 1

/** The translation that a channel uses for one side of the page that it moves. */
export class PageHold {
  hi = 0
  /** Bits 31:12, or NO_PAGE. */
  lo: number = NO_PAGE
  frame = 0
  /** Address bits within the translated region, at most those of a page. */
  offsetMask: number = WHOLE_PAGE
  /** Where the region starts in the frame: not 0 only for regions smaller than a page. */
  frameOffset = 0

  matches(hi: number, lo: number): boolean {
    return this.lo === (lo & ~0xfff) && this.hi === hi
  }

  /** A whole page, usable until dropped. */
  keep(hi: number, lo: number, frame: number): void {
    this.hi = hi
    this.lo = lo & ~0xfff
    this.frame = frame
    this.offsetMask = WHOLE_PAGE
    this.frameOffset = 0
  }

  /** A translation for this step only. */
  use(result: Translation): void {
    this.lo = NO_PAGE
    this.frame = result.frame
    this.offsetMask = result.shift >= 12 ? WHOLE_PAGE : (1 << result.shift) - 1
    this.frameOffset = result.shift >= 12 ? 0 : result.frameOffset
  }

  drop(): void {
    this.lo = NO_PAGE
  }

  /** Byte offset in the frame. */
  offset(lo: number): number {
    return this.frameOffset + (lo & this.offsetMask)
  }

  /** Bytes from the address to the end of the region. */
  room(lo: number): number {
    return this.offsetMask + 1 - (lo & this.offsetMask)
  }
}

/** A place for one running transfer. Its alarm is armed, or it waits for a response or for credits, or it is idle. */
export class Channel implements ListNode<Channel> {
  readonly index: number
  readonly alarm: Alarm
  transfer: Transfer | undefined
  pasid: number
  /** ACCESS_PRIV where the transfer asks for it and may. */
  prefixAccess: number
  /** ACCESS_READ where the transfer reads memory, else 0. */
  reads: number
  /** ACCESS_WRITE where it writes memory, else 0. */
  writes: number
  readonly source: PageHold
  readonly destination: PageHold
  sourceHi: number
  sourceLo: number
  destinationHi: number
  destinationLo: number
  remaining: number
  /** Pages moved whose time has not been spent yet. */
  unpaidPages: number
  /** The time before the next translation request has been spent. */
  paid: boolean
  /** Success responses since bytes last moved. */
  attempts: number
  /** 1: the next translation request follows a Success response. */
  retrying: number
  /** Group whose response it waits for, -1: none. */
  grpid: number
  /** Set: the transfer ends thus at the next step. */
  ending: TransferStatus | undefined
  /** Those that wait for credits. */
  list: List<Channel> | undefined
  next: Channel | undefined
  previous: Channel | undefined

  constructor(index: number, alarmOf: (channel: Channel) => Alarm) {
    this.index = index
    this.transfer = undefined
    this.pasid = NO_PASID
    this.prefixAccess = 0
    this.reads = this.writes = 0
    this.source = new PageHold()
    this.destination = new PageHold()
    this.sourceHi = this.sourceLo = 0
    this.destinationHi = this.destinationLo = 0
    this.remaining = 0
    this.unpaidPages = 0
    this.paid = false
    this.attempts = 0
    this.retrying = 0
    this.grpid = -1
    this.ending = undefined
    this.list = undefined
    this.next = undefined
    this.previous = undefined
    this.alarm = alarmOf(this)
  }

  /** For a response, or for credits. */
  get waits(): boolean {
    return this.grpid >= 0 || this.list !== undefined
  }

  begin(transfer: Transfer, prefixAccess: number): void {
    this.transfer = transfer
    this.pasid = transfer.pasid
    this.prefixAccess = prefixAccess
    this.reads = transfer.readsMemory ? ACCESS_READ : 0
    this.writes = transfer.writesMemory ? ACCESS_WRITE : 0
    this.sourceHi = transfer.sourceHi
    this.sourceLo = transfer.sourceLo
    this.destinationHi = transfer.destinationHi
    this.destinationLo = transfer.destinationLo
    this.remaining = transfer.lengthBytes
    this.unpaidPages = 0
    this.paid = false
    this.attempts = this.retrying = 0
    this.grpid = -1
    this.ending = undefined
    this.dropHolds()
  }

  /** `bytes`: at most a page. */
  advance(bytes: number): void {
    this.remaining -= bytes
    this.attempts = 0
    const source = (this.sourceLo + bytes) | 0
    if (source >= 0 && this.sourceLo < 0) this.sourceHi = (this.sourceHi + 1) | 0
    this.sourceLo = source
    const destination = (this.destinationLo + bytes) | 0
    if (destination >= 0 && this.destinationLo < 0) this.destinationHi = (this.destinationHi + 1) | 0
    this.destinationLo = destination
  }

  dropHolds(): void {
    this.source.drop()
    this.destination.drop()
  }

  /** The transfer ends at the channel's next step. */
  endSoon(status: TransferStatus): void {
    this.ending = status
    this.alarm.arm(0)
  }
}
