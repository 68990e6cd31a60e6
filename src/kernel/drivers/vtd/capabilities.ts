// SPDX-License-Identifier: MIT
import * as layout from '../../../hardware/iommus/vtd/layout.ts'
import { AW_57 } from '../../../hardware/iommus/vtd/layout-tables.ts'
import type { RegisterAccess } from '../registers.ts'

const HI = 4

/** What CAP and ECAP of a unit say, read once. */
export interface VtdCapabilities {
  readonly capLo: number
  readonly capHi: number
  readonly ecapLo: number
  readonly ecapHi: number
  readonly domains: number
  /** 0: no PASIDs. */
  readonly pasids: number
  readonly ats: boolean
  readonly pri: boolean
  readonly firstStage: boolean
  readonly secondStage: boolean
  readonly nested: boolean
  /** 57-bit addresses: in the first stage, in the second. */
  readonly firstFiveLevel: boolean
  readonly secondFiveLevel: boolean
  /** Accessed and dirty bits in the second stage. */
  readonly dirty: boolean
  readonly supervisorRequests: boolean
  readonly extendedAccess: boolean
  readonly snoopControl: boolean
  readonly walkSnoop: boolean
  /** Byte offset of the fault recording registers, and how many there are. */
  readonly faultOffset: number
  readonly faultRecords: number
  /** Page-selective invalidation of at most 2^n pages; -1: there is none. */
  readonly invalidationOrderMax: number
}

export function readCapabilities(unit: RegisterAccess): VtdCapabilities {
  const capLo = unit.readRegister(layout.CAP_REG) | 0
  const capHi = unit.readRegister(layout.CAP_REG + HI) | 0
  const ecapLo = unit.readRegister(layout.ECAP_REG) | 0
  const ecapHi = unit.readRegister(layout.ECAP_REG + HI) | 0
  const hasPasids = (ecapHi & layout.ECAP_PASID_HI) !== 0
  const pasidBits = ((ecapHi >>> layout.ECAP_PSS_SHIFT_HI) & layout.ECAP_PSS_MASK) + 1
  const depths = (capLo >>> layout.CAP_SAGAW_SHIFT) & layout.CAP_SAGAW_MASK
  const order = (capHi >>> layout.CAP_MAMV_SHIFT_HI) & layout.CAP_MAMV_MASK
  return {
    capLo,
    capHi,
    ecapLo,
    ecapHi,
    domains: 2 ** (4 + 2 * (capLo & layout.CAP_ND_MASK)),
    pasids: hasPasids ? 2 ** pasidBits : 0,
    ats: (ecapLo & layout.ECAP_DT) !== 0,
    pri: (ecapLo & layout.ECAP_PRS) !== 0,
    firstStage: (ecapHi & layout.ECAP_FSTS_HI) !== 0,
    secondStage: (ecapHi & layout.ECAP_SSTS_HI) !== 0,
    nested: (ecapLo & layout.ECAP_NEST) !== 0,
    firstFiveLevel: (capHi & layout.CAP_FS5LP_HI) !== 0,
    secondFiveLevel: (depths & (1 << AW_57)) !== 0,
    dirty: (ecapHi & layout.ECAP_SSADS_HI) !== 0,
    supervisorRequests: (ecapLo & layout.ECAP_SRS) !== 0,
    extendedAccess: (ecapHi & layout.ECAP_EAFS_HI) !== 0,
    snoopControl: (ecapLo & layout.ECAP_SC) !== 0,
    walkSnoop: (ecapHi & layout.ECAP_SMPWCS_HI) !== 0,
    faultOffset: ((capLo >>> layout.CAP_FRO_SHIFT) | ((capHi & 3) << 8)) * layout.FRCD_BYTES,
    faultRecords: ((capHi >>> layout.CAP_NFR_SHIFT_HI) & layout.CAP_NFR_MASK) + 1,
    invalidationOrderMax: (capHi & layout.CAP_PSI_HI) === 0 ? -1 : order,
  }
}
