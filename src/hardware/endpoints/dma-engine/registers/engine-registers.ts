// SPDX-License-Identifier: MIT
import { NO_PASID } from '../../../pci/messages.ts'
import type { DmaEngine } from '../engine.ts'
import { createTransfer, type Transfer, type TransferOp } from '../transfer.ts'
import { PASID_MASK, PASID_VALID, type PciIdentity, type RegisterSet, statusCode } from './register-set.ts'

const BAR_BYTES = 4096
const WORDS = BAR_BYTES / 4

/*
 * RO: ID, VERSION, IN_FLIGHT, INTERRUPTS, and the oldest completion (COMPLETIONS of them wait). RW: the next transfer.
 * WO: SUBMIT takes a tag and starts it; POP forgets the oldest completion; ACKNOWLEDGE; RESET.
 */
const ID = 0x00
const VERSION = 0x04
const IN_FLIGHT = 0x08
const RESET = 0x0c
const SOURCE = 0x10
const DESTINATION = 0x18
const LENGTH = 0x20
const PASID = 0x28
const OPERATION = 0x2c
const VALUE = 0x30
const SUBMIT = 0x34
const COMPLETIONS = 0x40
const DONE_TAG = 0x44
const DONE_STATUS = 0x48
const DONE_FAULTS = 0x4c
const DONE_BYTES = 0x50
const POP = 0x58
const INTERRUPTS = 0x60
const ACKNOWLEDGE = 0x64

/** `iopf` */
const ID_VALUE = 0x66706f69
/** A completion was added. */
const INTERRUPT_DONE = 1
/** A submission was refused: too many transfers are not completed and popped. */
const INTERRUPT_REFUSED = 2
/** Transfers submitted and not popped. */
const TRANSFERS_MAX = 1024

const OPERATIONS: readonly TransferOp[] = ['copy', 'fill']

/** The registers of the dma-engine: copy and fill in I/O virtual memory, any number of transfers at a time. */
export class EngineRegisters implements RegisterSet {
  readonly identity: PciIdentity = { vendor: 0x1234, device: 0x10bf, revision: 1, classCode: 0x088000 }
  readonly barBytes: number = BAR_BYTES
  hi = 0
  lo = 0
  onInterrupt: (() => void) | undefined = undefined
  readonly #engine: DmaEngine
  readonly #words: Int32Array = new Int32Array(WORDS)
  readonly #tags: Map<Transfer, number> = new Map()
  readonly #done: Transfer[] = []
  #interrupts = 0

  constructor(engine: DmaEngine) {
    this.#engine = engine
  }

  get interrupting(): boolean {
    return this.#interrupts !== 0
  }

  read(offset: number, bytes: number): void {
    this.hi = bytes === 8 ? this.#load(offset + 4) : 0
    this.lo = bytes >= 4 ? this.#load(offset) : -1
  }

  write(offset: number, bytes: number, hi: number, lo: number): void {
    if (bytes < 4) return
    this.#store(offset, lo)
    if (bytes === 8) this.#store(offset + 4, hi)
  }

  reset(): void {
    for (const transfer of this.#tags.keys()) this.#engine.abort(transfer)
    this.#tags.clear()
    this.#done.length = 0
    this.#words.fill(0)
    this.#interrupts = 0
  }

  #load(offset: number): number {
    const oldest = this.#done[0]
    switch (offset) {
      case ID:
        return ID_VALUE
      case VERSION:
        return 1
      case IN_FLIGHT:
        return this.#tags.size - this.#done.length
      case INTERRUPTS:
        return this.#interrupts
      case COMPLETIONS:
        return this.#done.length
      case DONE_TAG:
        return oldest === undefined ? 0 : this.#tags.get(oldest)!
      case DONE_STATUS:
        return oldest === undefined ? 0 : statusCode(oldest)
      case DONE_FAULTS:
        return oldest?.faultsTaken ?? 0
      case DONE_BYTES:
        return (oldest?.bytesDone ?? 0) | 0
      case DONE_BYTES + 4:
        return Math.floor((oldest?.bytesDone ?? 0) / 4294967296)
      default:
        return offset >= SOURCE && offset < SUBMIT ? this.#words[offset / 4]! : -1
    }
  }

  #store(offset: number, value: number): void {
    if (offset >= SOURCE && offset < SUBMIT) this.#words[offset / 4] = value
    else if (offset === SUBMIT) this.#submit(value)
    else if (offset === POP) this.#pop()
    else if (offset === ACKNOWLEDGE) this.#interrupts &= ~value
    else if (offset === RESET) this.reset()
  }

  /** What cannot be a transfer is refused like one too many. */
  #submit(tag: number): void {
    const op = OPERATIONS[this.#words[OPERATION / 4]!]
    const lengthHi = this.#words[LENGTH / 4 + 1]!
    if (op === undefined || lengthHi >>> 0 >= 2 ** 21 || this.#tags.size >= TRANSFERS_MAX) {
      this.#raise(INTERRUPT_REFUSED)
      return
    }
    const pasid = this.#words[PASID / 4]!
    const transfer = createTransfer({
      op,
      pasid: (pasid & PASID_VALID) === 0 ? NO_PASID : pasid & PASID_MASK,
      lengthBytes: (lengthHi >>> 0) * 4294967296 + (this.#words[LENGTH / 4]! >>> 0),
      value: this.#words[VALUE / 4]! & 0xff,
      onDone: (done) => this.#complete(done),
    })
    transfer.sourceLo = this.#words[SOURCE / 4]!
    transfer.sourceHi = this.#words[SOURCE / 4 + 1]!
    transfer.destinationLo = this.#words[DESTINATION / 4]!
    transfer.destinationHi = this.#words[DESTINATION / 4 + 1]!
    this.#tags.set(transfer, tag)
    this.#engine.submit(transfer)
  }

  #complete(transfer: Transfer): void {
    if (!this.#tags.has(transfer)) return
    this.#done.push(transfer)
    this.#raise(INTERRUPT_DONE)
  }

  #pop(): void {
    const oldest = this.#done.shift()
    if (oldest !== undefined) this.#tags.delete(oldest)
  }

  #raise(bits: number): void {
    this.#interrupts |= bits
    this.onInterrupt?.()
  }
}
