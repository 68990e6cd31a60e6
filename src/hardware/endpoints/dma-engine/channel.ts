// SPDX-License-Identifier: MIT
import type { List, ListNode } from '../../../base/list.ts'
import type { Alarm } from '../../../sim/clock.ts'
import * as messages from '../../pci/messages.ts'
import type { Translation } from '../../pci/messages.ts'
import type { Transfer, TransferOp, TransferStatus } from './transfer.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { ACCESS_READ, ACCESS_WRITE, NO_PASID } = messages

const WHOLE_PAGE = 0xfff
/** Low address of no page. */
const NO_PAGE = 1

export const OP_COPY = 0
export const OP_FILL = 1
export const OP_WRITE = 2
export const OP_READ = 3

function numberOf(op: TransferOp): number {
  if (op === 'copy') return OP_COPY
  if (op === 'fill') return OP_FILL
  return op === 'write' ? OP_WRITE : OP_READ
}

/** One side of a transfer under way: the address that it has reached, and the translation of its page. */
export class Side {
  /** ACCESS_READ or ACCESS_WRITE; 0: the transfer has no such side. */
  access = 0
  hi = 0
  lo = 0
  /** The page whose translation is held: bits 63:32, and bits 31:12 or NO_PAGE. */
  heldHi = 0
  heldLo: number = NO_PAGE
  frame = 0
  /** Address bits within the translated region, at most those of a page. */
  offsetMask: number = WHOLE_PAGE
  /** Where the region starts in the frame: not 0 only for regions smaller than a page. */
  frameOffset = 0

  begin(access: number, hi: number, lo: number): void {
    this.access = access
    this.hi = hi
    this.lo = lo
    this.heldLo = NO_PAGE
  }

  get held(): boolean {
    return this.heldLo === (this.lo & ~WHOLE_PAGE) && this.heldHi === this.hi
  }

  /** A whole page's translation, usable until dropped. */
  hold(frame: number): void {
    this.heldHi = this.hi
    this.heldLo = this.lo & ~WHOLE_PAGE
    this.frame = frame
    this.offsetMask = WHOLE_PAGE
    this.frameOffset = 0
  }

  /** A translation for this step only. */
  use(result: Translation): void {
    this.heldLo = NO_PAGE
    this.frame = result.frame
    this.offsetMask = result.shift >= 12 ? WHOLE_PAGE : (1 << result.shift) - 1
    this.frameOffset = result.shift >= 12 ? 0 : result.frameOffset
  }

  drop(): void {
    this.heldLo = NO_PAGE
  }

  /** Byte offset of the address in the frame. */
  get offset(): number {
    return this.frameOffset + (this.lo & this.offsetMask)
  }

  /** Bytes from the address to the end of the region. */
  get room(): number {
    return this.offsetMask + 1 - (this.lo & this.offsetMask)
  }

  /** `bytes`: below 2 GiB. */
  advance(bytes: number): void {
    const lo = (this.lo + bytes) | 0
    if (lo >= 0 && this.lo < 0) this.hi = (this.hi + 1) | 0
    this.lo = lo
  }
}

/** Whom channels tell that they can go on. */
export interface ChannelWaker {
  wake(channel: Channel): void
}

/**
 * A place for one running transfer. It is ready, or its alarm is armed, or it waits for a response or for credits, or it
 * is idle.
 */
export class Channel implements ListNode<Channel> {
  readonly index: number
  /** For what takes time. */
  readonly alarm: Alarm
  /** It goes on in the next step. */
  ready: boolean
  readonly #waker: ChannelWaker
  transfer: Transfer | undefined
  pasid: number
  /** ACCESS_PRIV where the transfer asks for it and may. */
  prefixAccess: number
  /** OP_: the transfer's operation as a number. */
  op: number
  readonly source: Side
  readonly destination: Side
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
  /** Transaction that waits for it in the unit, 0: none. */
  stalled: number
  /** Set: the transfer ends thus at the next step. */
  ending: TransferStatus | undefined
  /** Those that wait for credits. */
  list: List<Channel> | undefined
  next: Channel | undefined
  previous: Channel | undefined

  constructor(index: number, waker: ChannelWaker, alarmOf: (channel: Channel) => Alarm) {
    this.index = index
    this.ready = false
    this.#waker = waker
    this.transfer = undefined
    this.pasid = NO_PASID
    this.prefixAccess = 0
    this.op = OP_COPY
    this.source = new Side()
    this.destination = new Side()
    this.remaining = 0
    this.unpaidPages = 0
    this.paid = false
    this.attempts = 0
    this.retrying = 0
    this.grpid = -1
    this.stalled = 0
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
    const op = numberOf(transfer.op)
    const reads = op === OP_COPY || op === OP_READ
    this.op = op
    this.source.begin(reads ? ACCESS_READ : 0, transfer.sourceHi, transfer.sourceLo)
    const { destinationHi, destinationLo } = transfer
    this.destination.begin(op === OP_READ ? 0 : ACCESS_WRITE, destinationHi, destinationLo)
    this.remaining = transfer.lengthBytes
    this.unpaidPages = 0
    this.paid = false
    this.attempts = this.retrying = 0
    this.grpid = -1
    this.ending = undefined
  }

  /** It goes on now, or later. */
  get scheduled(): boolean {
    return this.ready || this.alarm.armed
  }

  /** It goes on in a step to come at this instant. */
  wake(): void {
    this.#waker.wake(this)
  }

  /** The same after a time. */
  wakeAfter(nanos: number): void {
    if (nanos === 0) this.#waker.wake(this)
    else this.alarm.arm(nanos)
  }

  /** `bytes`: below 2 GiB. */
  advance(bytes: number): void {
    this.remaining -= bytes
    this.attempts = 0
    this.source.advance(bytes)
    this.destination.advance(bytes)
  }

  dropHolds(): void {
    this.source.drop()
    this.destination.drop()
  }

  /** The transfer ends at the channel's next step. */
  endSoon(status: TransferStatus): void {
    this.ending = status
    this.wake()
  }
}
