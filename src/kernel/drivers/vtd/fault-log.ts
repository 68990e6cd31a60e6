// SPDX-License-Identifier: MIT
import * as layout from '../../../hardware/iommus/vtd/layout.ts'
import { NO_PASID } from '../../../hardware/pci/messages.ts'
import {
  FAULT_PERM_EXEC,
  FAULT_PERM_PRIV,
  FAULT_PERM_READ,
  FAULT_PERM_WRITE,
  FaultEvent,
} from '../../iommu/fault.ts'
import { reportUnrecoverable } from '../../iommu/legacy-fault.ts'
import type { RegisterAccess } from '../registers.ts'
import type { VtdDevices } from './vtd-device.ts'

export interface FaultLogParts {
  readonly unit: RegisterAccess
  /** Byte offset of the fault recording registers, and how many there are. */
  readonly offset: number
  readonly records: number
  readonly devices: VtdDevices
}

/** A word of a fault recording register, in bytes. */
const WORD = 4

/**
 * The fault event (`spec/04` §1.7): records from FRI on while they have F, each read and cleared. They are counted, and
 * told to a domain's handler only where that wants to hear of them, which Linux's never does.
 */
export class FaultLogHandler {
  /** Records read. */
  count = 0
  overflows = 0
  /** Device-TLB invalidations that timed out. */
  timeouts = 0
  /** Reason code of the newest record. */
  lastReason = 0
  readonly #parts: FaultLogParts
  readonly #event: FaultEvent = new FaultEvent()

  constructor(parts: FaultLogParts) {
    this.#parts = parts
  }

  readonly service = (): void => {
    const { unit } = this.#parts
    const status = unit.readRegister(layout.FSTS_REG)
    if ((status & layout.FSTS_PPF) !== 0)
      this.#readRecords((status >>> layout.FSTS_FRI_SHIFT) & layout.FSTS_FRI_MASK)
    if ((status & layout.FSTS_PFO) !== 0) this.overflows++
    if ((status & layout.FSTS_ITE) !== 0) this.timeouts++
    unit.writeRegister(layout.FSTS_REG, status & (layout.FSTS_PFO | layout.FSTS_PRO | layout.FSTS_ITE))
  }

  #readRecords(first: number): void {
    const { unit, offset, records } = this.#parts
    let index = first
    for (let i = 0; i < records; i++) {
      const at = offset + index * layout.FRCD_BYTES
      const word3 = unit.readRegister(at + 3 * WORD)
      if ((word3 & layout.FRCD_F) === 0) return
      this.#decode(at, word3)
      unit.writeRegister(at + 3 * WORD, layout.FRCD_F)
      this.#tell()
      index = index + 1 === records ? 0 : index + 1
    }
  }

  #decode(at: number, word3: number): void {
    const { unit } = this.#parts
    const event = this.#event
    const word2 = unit.readRegister(at + 2 * WORD)
    event.rid = word2 & layout.FRCD_SID_MASK
    event.pasid =
      (word2 & layout.FRCD_PP) === 0 ? NO_PASID : (word3 >>> layout.FRCD_PV_SHIFT) & layout.FRCD_PV_MASK
    event.reason = word3 & layout.FRCD_FR_MASK
    event.perm = permOf(word2, word3)
    event.addrHi = unit.readRegister(at + WORD)
    event.addrLo = unit.readRegister(at)
  }

  #tell(): void {
    const event = this.#event
    this.count++
    this.lastReason = event.reason
    const domain = this.#parts.devices.get(event.rid)?.domainOf(event.pasid)
    if (domain !== undefined) reportUnrecoverable(domain, event)
  }
}

/** T1 T2: 10 read, 00 write, 01 page request. */
function permOf(word2: number, word3: number): number {
  const exec = (word2 & layout.FRCD_EXE) === 0 ? 0 : FAULT_PERM_EXEC
  const priv = (word2 & layout.FRCD_PRIV) === 0 ? 0 : FAULT_PERM_PRIV
  if ((word3 & layout.FRCD_T1) !== 0) return FAULT_PERM_READ | exec | priv
  return ((word2 & layout.FRCD_T2) === 0 ? FAULT_PERM_WRITE : 0) | exec | priv
}
