// SPDX-License-Identifier: MIT
import type { Interrupt } from '../../interrupt.ts'
import * as layout from './layout.ts'

// Local constants become part of the code; imported ones are loaded and checked at each use.
const {
  INTERRUPT_COMMAND,
  INTERRUPT_FAULT,
  INTERRUPT_PAGE_REQUEST,
  STATUS_COMMAND_ERROR,
  STATUS_FAULT_OVERFLOW,
  STATUS_FAULT_PENDING,
  STATUS_INVALIDATION_TIMEOUT,
  STATUS_PAGE_REQUEST_OVERFLOW,
  STATUS_PAGE_REQUEST_PENDING,
  STATUS_WAIT_COMPLETE,
} = layout

export interface SimpleInterrupts {
  readonly pageRequest: Interrupt
  readonly fault: Interrupt
  readonly command: Interrupt
}

const PAGE_REQUEST_BITS = STATUS_PAGE_REQUEST_PENDING | STATUS_PAGE_REQUEST_OVERFLOW
const FAULT_BITS = STATUS_FAULT_PENDING | STATUS_FAULT_OVERFLOW
const COMMAND_BITS = STATUS_COMMAND_ERROR | STATUS_WAIT_COMPLETE | STATUS_INVALIDATION_TIMEOUT

/** The status register: the 0 → 1 edge of a bit raises its line when enabled, or when it becomes so. */
export class StatusRegister {
  bits = 0
  enabled = 0
  readonly #interrupts: SimpleInterrupts

  constructor(interrupts: SimpleInterrupts) {
    this.#interrupts = interrupts
  }

  has(bit: number): boolean {
    return (this.bits & bit) !== 0
  }

  set(bit: number): void {
    if ((this.bits & bit) !== 0) return
    this.bits |= bit
    this.#raise(bit, this.enabled)
  }

  clear(bits: number): void {
    this.bits &= ~bits
  }

  enable(lines: number): void {
    const added = lines & ~this.enabled
    this.enabled = lines & (INTERRUPT_PAGE_REQUEST | INTERRUPT_FAULT | INTERRUPT_COMMAND)
    if (added !== 0) this.#raise(this.bits, added)
  }

  #raise(bits: number, lines: number): void {
    if ((bits & PAGE_REQUEST_BITS) !== 0 && (lines & INTERRUPT_PAGE_REQUEST) !== 0)
      this.#interrupts.pageRequest.raise()
    if ((bits & FAULT_BITS) !== 0 && (lines & INTERRUPT_FAULT) !== 0) this.#interrupts.fault.raise()
    if ((bits & COMMAND_BITS) !== 0 && (lines & INTERRUPT_COMMAND) !== 0) this.#interrupts.command.raise()
  }
}
