// SPDX-License-Identifier: MIT
import { EIO, isErrno } from '../../../base/errno.ts'
import * as layout from '../../../hardware/iommus/smmuv3/layout.ts'
import type { IommuDevice, ViommuPort } from '../../iommu/driver.ts'
import { COOKIE_IOMMUFD, DOMAIN_NESTED } from '../../iommu/domain.ts'
import type { FaultHandler } from '../../iommu/fault.ts'
import type { UserData } from '../../iommu/user-data.ts'
import { SmmuDomain } from './smmu-domain.ts'
import type { Stage2Domain } from './stage2-domain.ts'
import { HWPT_DATA_ARM_SMMUV3, HWPT_DATA_BYTES, VEVENTQ_TYPE_ARM_SMMUV3 } from './user-abi.ts'

const {
  ADDRESS_HI_MASK,
  EATS_ABT,
  EATS_TRANS,
  STE_CONFIG_ABORT,
  STE_CONFIG_BYPASS,
  STE_CONFIG_MASK,
  STE_CONFIG_S1_TRANS,
  STE_CONFIG_SHIFT,
  STE_EATS_MASK,
  STE_EATS_SHIFT,
  STE_S1C_MASK,
  STE_S1CDMAX_SHIFT,
  STE_S1CONTEXTPTR_MASK,
  STE_S1DSS_MASK,
  STE_S1FMT_MASK,
  STE_S1STALLD,
  STE_V,
} = layout

// What a guest may say in its STE, by int32 words (`spec/04` §2.5).
const ALLOWED: readonly number[] = [
  STE_V | STE_CONFIG_MASK | STE_S1FMT_MASK | STE_S1CONTEXTPTR_MASK,
  ADDRESS_HI_MASK | (-1 << STE_S1CDMAX_SHIFT),
  STE_S1DSS_MASK | STE_S1C_MASK | STE_S1STALLD | STE_EATS_MASK,
  0,
]
const EVENT_BYTES = 32

/** Four int32 words of a guest's STE. EIO: bits that it may not set, or a choice that it may not make; EINVAL, EFAULT. */
export function decodeVste(userData: UserData): readonly number[] {
  const data = userData.copyStruct(HWPT_DATA_ARM_SMMUV3, HWPT_DATA_BYTES, HWPT_DATA_BYTES)
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const words = [0, 4, 8, 12].map((at) => view.getInt32(at, true))
  const [word0 = 0, , word2 = 0] = words
  if ((word0 & STE_V) === 0) return [0, 0, 0, 0]
  if (words.some((word, i) => (word & ~ALLOWED[i]!) !== 0)) throw EIO
  const config = (word0 & STE_CONFIG_MASK) >>> STE_CONFIG_SHIFT
  if (config !== STE_CONFIG_ABORT && config !== STE_CONFIG_BYPASS && config !== STE_CONFIG_S1_TRANS) throw EIO
  const eats = (word2 & STE_EATS_MASK) >>> STE_EATS_SHIFT
  if (eats !== EATS_ABT && eats !== EATS_TRANS) throw EIO
  return words
}

/** A guest's stream table entry: its CDs and stage-1 tables in guest memory, on a parent that translates that. */
export class NestedDomain extends SmmuDomain {
  readonly parent: Stage2Domain
  /** STE_CONFIG_ that the guest wants. */
  readonly config: number
  /** It wants translation requests answered. */
  readonly wantsAts: boolean
  readonly words: readonly number[]
  readonly #port: ViommuPort

  constructor(
    owner: object,
    parent: Stage2Domain,
    options: {
      readonly words: readonly number[]
      readonly port: ViommuPort
      readonly iopfHandler: FaultHandler | undefined
    },
  ) {
    const { words, port, iopfHandler } = options
    const type = { type: DOMAIN_NESTED, attachesPasid: false }
    super({ ...type, owner, iopfHandler, cookieType: COOKIE_IOMMUFD }, parent.tag)
    this.parent = parent
    this.words = words
    this.#port = port
    this.config = (words[0]! & STE_CONFIG_MASK) >>> STE_CONFIG_SHIFT
    this.wantsAts = (words[2]! & STE_EATS_MASK) >>> STE_EATS_SHIFT === EATS_TRANS
    parent.nested.push(this)
  }

  get hasStage1(): boolean {
    return this.config === STE_CONFIG_S1_TRANS
  }

  /** The guest knows the device. */
  knows(device: IommuDevice): boolean {
    return this.#port.findVdevice(device) !== undefined
  }

  /** To the guest's event queue, as an event of the stream that it knows. `false`: it has no such queue, or no memory. */
  reportEvent(device: IommuDevice, record: Int32Array): boolean {
    const vdevice = this.#port.findVdevice(device)
    if (vdevice === undefined) return false
    const bytes = new Uint8Array(EVENT_BYTES)
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < record.length; i++) view.setInt32(4 * i, record[i]!, true)
    view.setInt32(4, vdevice.virtIdLo, true)
    try {
      this.#port.reportEvent(VEVENTQ_TYPE_ARM_SMMUV3, bytes)
    } catch (error) {
      if (isErrno(error)) return false
      throw error
    }
    return true
  }

  protected override onFree(): void {
    super.onFree()
    this.parent.nested.splice(this.parent.nested.indexOf(this), 1)
  }
}
