// SPDX-License-Identifier: MIT
import { EIO, EOPNOTSUPP } from '../../../base/errno.ts'
import * as queues from '../../../hardware/iommus/smmuv3/layout-queues.ts'
import type { DriverViommu, ViommuPort } from '../../iommu/driver.ts'
import type { FaultHandler } from '../../iommu/fault.ts'
import type { UserArray, UserData } from '../../iommu/user-data.ts'
import type { CommandQueue } from './command-queue.ts'
import { decodeVste, NestedDomain } from './nested-domain.ts'
import type { Stage2Domain } from './stage2-domain.ts'
import { HWPT_DATA_ARM_SMMUV3, INVALIDATE_BYTES, INVALIDATE_DATA_ARM_SMMUV3 } from './user-abi.ts'

const {
  CMD_ATC_INV,
  CMD_CFGI_CD,
  CMD_CFGI_CD_ALL,
  CMD_OPCODE_MASK,
  CMD_TLBI_NH_ALL,
  CMD_TLBI_NH_ASID,
  CMD_TLBI_NH_VA,
  CMD_TLBI_NH_VAA,
  CMD_TLBI_NSNH_ALL,
  TLBI_VMID_MASK,
} = queues

export interface ViommuParts {
  readonly owner: object
  readonly commands: CommandQueue
  readonly parent: Stage2Domain
  readonly port: ViommuPort
}

/** A guest's SMMU (`spec/04` §2.5): its stream table entries, and its invalidations in its own VMID and StreamIDs. */
export class SmmuViommu implements DriverViommu {
  readonly #parts: ViommuParts

  constructor(parts: ViommuParts) {
    this.#parts = parts
  }

  /** EOPNOTSUPP (flags, type), EIO (what the guest may not say), EINVAL, EFAULT. */
  domainAllocNested(flags: number, userData: UserData, iopfHandler: FaultHandler | undefined): NestedDomain {
    const { owner, parent, port } = this.#parts
    if (flags !== 0 || userData.type !== HWPT_DATA_ARM_SMMUV3) throw EOPNOTSUPP
    return new NestedDomain(owner, parent, { words: decodeVste(userData), port, iopfHandler })
  }

  /** EIO (a command that is not the guest's to give, or a stream that it has not), EINVAL, E2BIG, EFAULT: those before are done. */
  invalidate(array: UserArray): void {
    array.handled = 0
    const requests = array.copyAll(INVALIDATE_DATA_ARM_SMMUV3, INVALIDATE_BYTES)
    const view = new DataView(requests.buffer, requests.byteOffset)
    try {
      for (let index = 0; index < array.entryCount; index++) {
        this.#issue(view, index * INVALIDATE_BYTES)
        array.handled = index + 1
      }
    } finally {
      this.#parts.commands.sync()
    }
  }

  free(): void {}

  #issue(view: DataView, at: number): void {
    const words = [0, 4, 8, 12].map((offset) => view.getInt32(at + offset, true))
    const [word0 = 0, word1 = 0, word2 = 0, word3 = 0] = words
    const { commands, parent } = this.#parts
    const inVmid = (word1 & ~TLBI_VMID_MASK) | parent.vmid
    switch (word0 & CMD_OPCODE_MASK) {
      case CMD_TLBI_NSNH_ALL:
        return commands.put(CMD_TLBI_NH_ALL, parent.vmid, 0, 0)
      case CMD_TLBI_NH_VA:
      case CMD_TLBI_NH_VAA:
      case CMD_TLBI_NH_ALL:
      case CMD_TLBI_NH_ASID:
        return commands.put(word0, inVmid, word2, word3)
      case CMD_ATC_INV:
      case CMD_CFGI_CD:
      case CMD_CFGI_CD_ALL:
        return commands.put(word0, this.#streamOf(word1), word2, word3)
      default:
        throw EIO
    }
  }

  /** The unit's StreamID of the guest's. */
  #streamOf(virtualId: number): number {
    const device = this.#parts.port.findDevice(0, virtualId)
    if (device === undefined) throw EIO
    return device.rid
  }
}
