// SPDX-License-Identifier: MIT
import type { Interrupt } from '../../interrupt.ts'
import { IRQ_CTRL_EVENTQ, IRQ_CTRL_GERROR, IRQ_CTRL_PRIQ } from './layout.ts'

export interface Smmuv3Interrupts {
  readonly event: Interrupt
  readonly pri: Interrupt
  readonly gerror: Interrupt
  readonly sync: Interrupt
}

/**
 * Global errors and who may interrupt. An error is active while its bits in GERROR and GERRORN differ; software
 * acknowledges by making them equal.
 *
 * @spec SMMUv3 7.5 partly: no errors of message-signalled interrupts, which there are none of; no SFM
 */
export class GlobalErrors {
  gerror = 0
  gerrorn = 0
  /** IRQ_CTRL_ bits. */
  enabled = 0
  readonly #interrupts: Smmuv3Interrupts

  constructor(interrupts: Smmuv3Interrupts) {
    this.#interrupts = interrupts
  }

  isActive(bit: number): boolean {
    return ((this.gerror ^ this.gerrorn) & bit) !== 0
  }

  raise(bit: number): void {
    if (this.isActive(bit)) return
    this.gerror ^= bit
    if ((this.enabled & IRQ_CTRL_GERROR) !== 0) this.#interrupts.gerror.raise()
  }

  /** The event queue is no longer empty. */
  eventArrived(): void {
    if ((this.enabled & IRQ_CTRL_EVENTQ) !== 0) this.#interrupts.event.raise()
  }

  requestArrived(): void {
    if ((this.enabled & IRQ_CTRL_PRIQ) !== 0) this.#interrupts.pri.raise()
  }

  syncCompleted(): void {
    this.#interrupts.sync.raise()
  }
}
