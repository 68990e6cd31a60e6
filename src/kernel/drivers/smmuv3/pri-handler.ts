// SPDX-License-Identifier: MIT
import * as layout from '../../../hardware/iommus/smmuv3/layout.ts'
import * as queues from '../../../hardware/iommus/smmuv3/layout-queues.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import type { RegisterAccess } from '../registers.ts'
import type { CommandQueue } from './command-queue.ts'
import type { QueueMemory } from './queue-memory.ts'

const { SMMU_PRIQ_CONS, SMMU_PRIQ_PROD } = layout
const { PRI_LAST, PRI_PRGI_MASK, PRI_READ, PRI_RESP_DENY, PRI_SSID_MASK, PRI_SSV, PRI_WRITE, Q_OVERFLOW } =
  queues

/** The PRI interrupt: the driver switches PRI on nowhere, so each request is a stray one, and denied (`spec/04` §2.3). */
export class PriHandler {
  /** Requests seen. */
  bad = 0
  overflows = 0
  readonly #unit: RegisterAccess
  readonly #queue: QueueMemory
  readonly #commands: CommandQueue
  #next = 0

  constructor(unit: RegisterAccess, queue: QueueMemory, commands: CommandQueue) {
    this.#unit = unit
    this.#queue = queue
    this.#commands = commands
  }

  get overflowed(): boolean {
    const unit = this.#unit
    return ((unit.readRegister(SMMU_PRIQ_PROD) ^ unit.readRegister(SMMU_PRIQ_CONS)) & Q_OVERFLOW) !== 0
  }

  readonly service = (): void => {
    const unit = this.#unit
    const queue = this.#queue
    for (;;) {
      const prod = unit.readRegister(SMMU_PRIQ_PROD)
      const isNew = this.overflowed
      if (this.#next === (prod & queue.mask) && !isNew) return
      if (isNew) this.overflows++
      while (this.#next !== (prod & queue.mask)) {
        this.#deny(queue.wordOf(this.#next))
        this.#next = queue.after(this.#next)
      }
      unit.writeRegister(SMMU_PRIQ_CONS, this.#next | (prod & Q_OVERFLOW))
    }
  }

  /** One answer a group; a Stop Marker gets none. */
  #deny(at: number): void {
    const { words } = this.#queue
    const word1 = words[at + 1]!
    const hasPasid = (word1 & PRI_SSV) !== 0
    this.bad++
    const stopMarker = hasPasid && (word1 & (PRI_READ | PRI_WRITE)) === 0
    if ((word1 & PRI_LAST) === 0 || stopMarker) return
    const pasid = hasPasid ? word1 & PRI_SSID_MASK : NO_PASID
    this.#commands.pageResponse(words[at]!, pasid, words[at + 2]! & PRI_PRGI_MASK, PRI_RESP_DENY)
  }
}
