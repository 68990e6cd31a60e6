// SPDX-License-Identifier: MIT
import { FaultEvent, type FaultGroup, type FaultHandler } from '../iommu/fault.ts'
import { pasidOf } from './fault-trace.ts'

export interface FaultListener {
  /**
   * Hears of recoverable and unrecoverable faults alike. For a recoverable one `true` means: `event.group` is mine, I
   * answer and free it; `false`: the core answers FAILURE. The result is not looked at otherwise. The event is reused.
   */
  onFault(event: FaultEvent): boolean
  /** An overdue group is taken back: forget it. */
  withdraw(group: FaultGroup): void
}

/** One handler for both kinds of fault, given to a domain when it is made (a wish: `spec/00` 0.5). */
export class UnifiedHandler implements FaultHandler {
  readonly #listener: FaultListener
  readonly #event: FaultEvent = new FaultEvent()

  constructor(listener: FaultListener) {
    this.#listener = listener
  }

  handle(group: FaultGroup): boolean {
    const event = this.#event
    const { last } = group
    event.recoverable = true
    event.rid = group.param!.source.rid
    event.pasid = pasidOf(last)
    event.addrHi = last.addrHi
    event.addrLo = last.addrLo
    event.perm = last.perm
    event.reason = 0
    event.group = group
    const mine = this.#listener.onFault(event)
    event.group = undefined
    return mine
  }

  withdraw(group: FaultGroup): void {
    this.#listener.withdraw(group)
  }

  unrecoverable(event: FaultEvent): void {
    this.#listener.onFault(event)
  }
}
