// SPDX-License-Identifier: MIT
import type { EventRegisters } from './events.ts'
import * as layout from './layout.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const { FSTS_FRI_SHIFT, FSTS_ICE, FSTS_IQE, FSTS_ITE, FSTS_PFO, FSTS_PPF } = layout

const CLEARABLE = FSTS_PFO | FSTS_IQE | FSTS_ICE | FSTS_ITE

/** FSTS_REG, IQERCD_REG and the fault event (VT-d 7.3). A bit is an interrupt condition only when no other is set. */
export class FaultStatus {
  bits: number
  /** Fault recording register of the oldest fault, while PPF is set. */
  recordIndex: number
  /** Of the last invalidation queue error: IQEI; source id of the last device-TLB time-out. */
  queueError: number
  timeoutSource: number
  readonly #event: EventRegisters

  constructor(event: EventRegisters) {
    this.bits = 0
    this.recordIndex = 0
    this.queueError = 0
    this.timeoutSource = 0
    this.#event = event
  }

  get value(): number {
    return this.bits | (this.recordIndex << FSTS_FRI_SHIFT)
  }

  has(bit: number): boolean {
    return (this.bits & bit) !== 0
  }

  set(bit: number): void {
    const before = this.bits
    this.bits |= bit
    if (before === 0) this.#event.trigger()
  }

  /** RW1C; PPF goes with the F bits of the records. */
  clear(value: number): void {
    this.bits &= ~(value & CLEARABLE)
    if (this.bits === 0) this.#event.settle()
  }

  /** No record has its F bit any more. */
  clearPending(): void {
    this.bits &= ~FSTS_PPF
    if (this.bits === 0) this.#event.settle()
  }
}
