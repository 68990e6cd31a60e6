// SPDX-License-Identifier: MIT
import {
  FAULT_ACCESS_MASK,
  FAULT_ACCESS_SHIFT,
  FAULT_ADDRESS_HIGH,
  FAULT_ADDRESS_LOW,
  FAULT_PASID_MASK,
  FAULT_PASID_PRESENT,
  FAULT_REASON_MASK,
  FAULT_RID_SHIFT,
  FAULT_WORD0,
  FAULT_WORD1,
  REG_FAULT_HEAD,
  REG_FAULT_TAIL,
  REG_STATUS,
  STATUS_FAULT_OVERFLOW,
  STATUS_FAULT_PENDING,
} from '../../../hardware/iommus/simple/layout.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import { FAULT_PERM_WRITE, FaultEvent } from '../../iommu/fault.ts'
import {
  LEGACY_FAULT_READ,
  LEGACY_FAULT_WRITE,
  reportIommuFault,
  reportUnrecoverable,
} from '../../iommu/legacy-fault.ts'
import type { RegisterAccess } from '../registers.ts'
import type { RingMemory } from './ring-memory.ts'
import type { SimpleDevices } from './simple-device.ts'

export interface FaultLogParts {
  readonly unit: RegisterAccess
  readonly ring: RingMemory
  readonly devices: SimpleDevices
}

/** The interrupt of unrecoverable faults (`spec/01` §5): counted, and told to who listens on the domain. */
export class FaultLogHandler {
  /** Records read. */
  count = 0
  overflows = 0
  /** Reason code of the newest record. */
  lastReason = 0
  readonly #parts: FaultLogParts
  readonly #event: FaultEvent = new FaultEvent()
  #next = 0

  constructor(parts: FaultLogParts) {
    this.#parts = parts
  }

  readonly service = (): void => {
    const { unit, ring } = this.#parts
    unit.writeRegister(REG_STATUS, STATUS_FAULT_PENDING)
    const tail = unit.readRegister(REG_FAULT_TAIL)
    while (this.#next !== tail) {
      this.#decode(ring.wordOf(this.#next))
      this.#next = ring.after(this.#next)
      this.#tell()
    }
    unit.writeRegister(REG_FAULT_HEAD, tail)
    if ((unit.readRegister(REG_STATUS) & STATUS_FAULT_OVERFLOW) === 0) return
    this.overflows++
    unit.writeRegister(REG_STATUS, STATUS_FAULT_OVERFLOW)
  }

  #decode(at: number): void {
    const { words } = this.#parts.ring
    const event = this.#event
    const word0 = words[at + (FAULT_WORD0 >> 2)]!
    const word1 = words[at + (FAULT_WORD1 >> 2)]!
    event.rid = word0 >>> FAULT_RID_SHIFT
    event.pasid = (word0 & FAULT_PASID_PRESENT) !== 0 ? word1 & FAULT_PASID_MASK : NO_PASID
    event.reason = word0 & FAULT_REASON_MASK
    event.perm = (word1 >>> FAULT_ACCESS_SHIFT) & FAULT_ACCESS_MASK
    event.addrHi = words[at + (FAULT_ADDRESS_HIGH >> 2)]!
    event.addrLo = words[at + (FAULT_ADDRESS_LOW >> 2)]!
  }

  #tell(): void {
    const event = this.#event
    this.count++
    this.lastReason = event.reason
    const domain = this.#parts.devices.get(event.rid)?.domainOf(event.pasid)
    if (domain === undefined) return
    const write = (event.perm & FAULT_PERM_WRITE) !== 0 ? LEGACY_FAULT_WRITE : LEGACY_FAULT_READ
    reportIommuFault(domain, event.rid, event.addrHi, event.addrLo, write)
    reportUnrecoverable(domain, event)
  }
}
