// SPDX-License-Identifier: MIT
import type { Interrupt } from '../../interrupt.ts'
import { EVENT_IM, EVENT_IP } from './layout.ts'

/** The four registers of an event, by their distance from the control register. */
const DATA = 4
const ADDRESS = 8
const UPPER_ADDRESS = 12

/**
 * An event with its control, data and address registers (VT-d 7.3, 11.4.7.2). The message's contents are software's
 * business; its arrival is the interrupt.
 */
export class EventRegisters {
  readonly interrupt: Interrupt
  #masked: boolean
  #pending: boolean
  #data: number
  #address: number
  #upperAddress: number

  constructor(interrupt: Interrupt) {
    this.interrupt = interrupt
    this.#masked = true
    this.#pending = false
    this.#data = 0
    this.#address = 0
    this.#upperAddress = 0
  }

  /** An interrupt condition: the message goes out, or is held back by the mask. */
  trigger(): void {
    if (this.#masked) this.#pending = true
    else this.interrupt.raise()
  }

  /** Software has cleared every status bit of the event: nothing is held back any more. */
  settle(): void {
    this.#pending = false
  }

  read(offset: number): number {
    if (offset === DATA) return this.#data
    if (offset === ADDRESS) return this.#address
    if (offset === UPPER_ADDRESS) return this.#upperAddress
    return (this.#masked ? EVENT_IM : 0) | (this.#pending ? EVENT_IP : 0)
  }

  write(offset: number, value: number): void {
    if (offset === DATA) this.#data = value & 0xffff
    else if (offset === ADDRESS) this.#address = value & ~3
    else if (offset === UPPER_ADDRESS) this.#upperAddress = value
    else this.#control(value)
  }

  #control(value: number): void {
    this.#masked = (value & EVENT_IM) !== 0
    if (this.#masked || !this.#pending) return
    this.#pending = false
    this.interrupt.raise()
  }
}
