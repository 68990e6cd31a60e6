// SPDX-License-Identifier: MIT
import type { Domain } from '../../../kernel/iommu/domain.ts'
import type { FaultObject } from '../fault/fault-queue.ts'
import type { IoasObject } from '../ioas/ioas.ts'
import { IommufdObject, OBJECT_HWPT_PAGING } from '../object-table.ts'

export interface HwptTraits {
  /** Made by attaching to the IOAS: goes away with its last device. */
  readonly auto: boolean
  /** Made with ALLOC_PASID (`spec/02` §5.2). */
  readonly pasidCompatible: boolean
  readonly nestParent: boolean
}

/** A hardware page table over an IOAS: a kernel domain that is kept filled with the IOAS's areas. */
export class HwptObject extends IommufdObject {
  readonly ioas: IoasObject
  readonly domain: Domain
  readonly fault: FaultObject | undefined
  readonly traits: HwptTraits
  /** Its mappings snoop caches, whatever a device asks for. */
  enforcesCoherency = false
  /** In the IOAS's domains. */
  #filled = false

  constructor(ioas: IoasObject, domain: Domain, fault: FaultObject | undefined, traits: HwptTraits) {
    super(OBJECT_HWPT_PAGING)
    this.ioas = ioas
    this.domain = domain
    this.fault = fault
    this.traits = traits
    ioas.users++
    if (fault !== undefined) fault.users++
  }

  /** Puts every area of the IOAS into the domain. EINVAL, EADDRINUSE, EFAULT, ENOMEM; undone on failure. */
  fill(): void {
    this.ioas.addDomain(this.domain)
    this.ioas.hwpts.push(this)
    this.#filled = true
  }

  destroy(): void {
    if (this.#filled) {
      this.ioas.removeDomain(this.domain)
      this.ioas.hwpts.splice(this.ioas.hwpts.indexOf(this), 1)
    }
    this.domain.free()
    this.ioas.users--
    if (this.fault !== undefined) this.fault.users--
  }
}
