// SPDX-License-Identifier: MIT
import type { List, ListNode } from '../../../base/list.ts'
import { hiOf, loOf } from '../../../base/u64.ts'
import { NO_PASID } from '../../pci/messages.ts'

/** copy: memory to memory; fill: a byte to memory; write: the device's buffer to memory; read: memory to the buffer. */
export type TransferOp = 'copy' | 'fill' | 'write' | 'read'

/** Number of an operation in traces. */
export const TRANSFER_OPS: readonly TransferOp[] = ['copy', 'fill', 'write', 'read']

/**
 * idle: not submitted; queued; running; done: all bytes moved; else the reason for the end:
 * invalid: a page request was answered Invalid Request, or a stalled transaction aborted; failure: PRI was shut off while the transfer needed it;
 * unrecoverable: no translation, and no way to ask for one; retries: Success too often without a translation;
 * bus-error: the translated frame does not exist; aborted: by `abort`, `stop`, `stopPasid` or removal.
 */
export type TransferStatus =
  | 'idle'
  | 'queued'
  | 'running'
  | 'done'
  | 'invalid'
  | 'failure'
  | 'unrecoverable'
  | 'retries'
  | 'bus-error'
  | 'aborted'

/** Number of a status in traces. */
export const TRANSFER_STATUSES: readonly TransferStatus[] = [
  'idle',
  'queued',
  'running',
  'done',
  'invalid',
  'failure',
  'unrecoverable',
  'retries',
  'bus-error',
  'aborted',
]

const NO_BUFFER = new Uint8Array(0)

/** One piece of work. Belongs to who made it, and may be changed and submitted again once it has ended. */
export class Transfer implements ListNode<Transfer> {
  op: TransferOp
  /** NO_PASID or a 20-bit number. */
  pasid: number
  /** Byte address read by copy and read. */
  sourceHi: number
  sourceLo: number
  /** Byte address written by copy, fill and write. */
  destinationHi: number
  destinationLo: number
  /** Below 2^53. */
  lengthBytes: number
  /** Byte of a fill. */
  value: number
  /** The device's own memory for read and write, at least `lengthBytes` long. */
  buffer: Uint8Array
  /** Privileged Mode Requested, where the PASID capability allows it. */
  privileged: boolean
  /** Called once, when the transfer has ended; the transfer may be submitted again from there. */
  onDone: ((transfer: Transfer) => void) | undefined
  status: TransferStatus
  bytesDone: number
  /** Page requests sent for it. */
  faultsTaken: number
  /** Translations asked for again after a Success response. */
  retries: number
  /** Given by the engine at each submission, from 1. */
  serial: number
  list: List<Transfer> | undefined
  next: Transfer | undefined
  previous: Transfer | undefined

  constructor() {
    this.op = 'copy'
    this.pasid = NO_PASID
    this.sourceHi = this.sourceLo = 0
    this.destinationHi = this.destinationLo = 0
    this.lengthBytes = 0
    this.value = 0
    this.buffer = NO_BUFFER
    this.privileged = false
    this.onDone = undefined
    this.status = 'idle'
    this.bytesDone = 0
    this.faultsTaken = 0
    this.retries = 0
    this.serial = 0
    this.list = undefined
    this.next = undefined
    this.previous = undefined
  }

  get ended(): boolean {
    return this.status !== 'queued' && this.status !== 'running' && this.status !== 'idle'
  }
}

export interface TransferOptions {
  readonly op: TransferOp
  /** Default: none. */
  readonly pasid?: number
  readonly source?: bigint
  readonly destination?: bigint
  readonly lengthBytes: bigint | number
  readonly value?: number
  readonly buffer?: Uint8Array
  readonly privileged?: boolean
  readonly onDone?: (transfer: Transfer) => void
}

/** A transfer from plain values; addresses in bytes, of any alignment. */
export function createTransfer(options: TransferOptions): Transfer {
  const transfer = new Transfer()
  transfer.op = options.op
  transfer.pasid = options.pasid ?? NO_PASID
  transfer.sourceHi = hiOf(options.source ?? 0n)
  transfer.sourceLo = loOf(options.source ?? 0n)
  transfer.destinationHi = hiOf(options.destination ?? 0n)
  transfer.destinationLo = loOf(options.destination ?? 0n)
  transfer.lengthBytes = Number(options.lengthBytes)
  transfer.value = options.value ?? 0
  transfer.buffer = options.buffer ?? NO_BUFFER
  transfer.privileged = options.privileged ?? false
  transfer.onDone = options.onDone
  return transfer
}
