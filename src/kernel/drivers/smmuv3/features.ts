// SPDX-License-Identifier: MIT
import * as layout from '../../../hardware/iommus/smmuv3/layout.ts'
import type { PageTableFormat } from '../../../hardware/page-tables/format.ts'
import {
  LPAE_STAGE1,
  LPAE_STAGE1_PLAIN,
  LPAE_STAGE2,
  LPAE_STAGE2_PLAIN,
} from '../../../hardware/page-tables/formats/lpae.ts'
import type { RegisterAccess } from '../registers.ts'

const IDR_COUNT = 6

/** What the unit can, as its identification registers say. */
export interface Features {
  /** SMMU_IDR0 … SMMU_IDR5. */
  readonly idr: readonly number[]
  readonly streamIdBits: number
  readonly substreamIdBits: number
  readonly stage1: boolean
  readonly stage2: boolean
  readonly ats: boolean
  readonly pri: boolean
  readonly twoLevelStreams: boolean
  readonly twoLevelContexts: boolean
  readonly stall: 'both' | 'none' | 'forced'
  /** Walks keep access flag and dirty state. */
  readonly dirty: boolean
  readonly ranges: boolean
  readonly addressBits: number
  /** As in CD.IPS and STE.S2PS. */
  readonly addressSize: number
  /** log2 of the most entries. */
  readonly commandLog2: number
  readonly eventLog2: number
  readonly priLog2: number
  /** Of the kernel's own tables. */
  readonly stage1Format: PageTableFormat
  readonly stage2Format: PageTableFormat
}

export function readFeatures(unit: RegisterAccess): Features {
  const idr = Array.from({ length: IDR_COUNT }, (_, i) => unit.readRegister(layout.SMMU_IDR0 + 4 * i))
  const [idr0 = 0, idr1 = 0, , idr3 = 0, , idr5 = 0] = idr
  const size = (shift: number): number => (idr1 >>> shift) & layout.IDR1_SIZE_MASK
  const httu = (idr0 & layout.IDR0_HTTU_MASK) >>> layout.IDR0_HTTU_SHIFT
  const dirty = httu === layout.IDR0_HTTU_AF_DIRTY
  const stall = (idr0 & layout.IDR0_STALL_MODEL_MASK) >>> layout.IDR0_STALL_MODEL_SHIFT
  return {
    idr,
    streamIdBits: idr1 & layout.IDR1_SIDSIZE_MASK,
    substreamIdBits: size(layout.IDR1_SSIDSIZE_SHIFT),
    stage1: (idr0 & layout.IDR0_S1P) !== 0,
    stage2: (idr0 & layout.IDR0_S2P) !== 0,
    ats: (idr0 & layout.IDR0_ATS) !== 0,
    pri: (idr0 & layout.IDR0_PRI) !== 0,
    twoLevelStreams: (idr0 & layout.IDR0_ST_LEVEL_2LVL) !== 0,
    twoLevelContexts: (idr0 & layout.IDR0_CD2L) !== 0,
    stall: stallModel(stall),
    dirty,
    ranges: (idr3 & layout.IDR3_RIL) !== 0,
    addressBits: layout.ADDRESS_SIZES[idr5 & layout.IDR5_OAS_MASK] ?? 32,
    addressSize: idr5 & layout.IDR5_OAS_MASK,
    commandLog2: size(layout.IDR1_CMDQS_SHIFT),
    eventLog2: size(layout.IDR1_EVENTQS_SHIFT),
    priLog2: size(layout.IDR1_PRIQS_SHIFT),
    stage1Format: dirty ? LPAE_STAGE1 : LPAE_STAGE1_PLAIN,
    stage2Format: dirty ? LPAE_STAGE2 : LPAE_STAGE2_PLAIN,
  }
}

function stallModel(encoded: number): 'both' | 'none' | 'forced' {
  if (encoded === layout.STALL_MODEL_BOTH) return 'both'
  return encoded === layout.STALL_MODEL_FORCED ? 'forced' : 'none'
}
