// SPDX-License-Identifier: MIT
import type { Domain } from '../../../kernel/iommu/domain.ts'
import type { FaultObject } from '../fault/fault-queue.ts'
import type { IoasObject } from '../ioas/ioas.ts'
import { IommufdObject, OBJECT_HWPT_NESTED, OBJECT_HWPT_PAGING } from '../object-table.ts'

export interface HwptTraits {
  /** Made by attaching to the IOAS: goes away with its last device. */
  readonly auto: boolean
  /** Made with ALLOC_PASID (`spec/02` §5.2). */
  readonly pasidCompatible: boolean
  readonly nestParent: boolean
}

/** What devices are attached to: a kernel domain, and where its page faults go. */
export abstract class HwptObject extends IommufdObject {
  readonly domain: Domain
  readonly fault: FaultObject | undefined
  readonly traits: HwptTraits
  /** Its mappings snoop caches, whatever a device asks for. */
  enforcesCoherency = false

  constructor(type: number, domain: Domain, fault: FaultObject | undefined, traits: HwptTraits) {
    super(type)
    this.domain = domain
    this.fault = fault
    this.traits = traits
    if (fault !== undefined) fault.users++
  }

  /** Whose memory it translates to in the end. */
  abstract get ioas(): IoasObject

  destroy(): void {
    this.domain.free()
    if (this.fault !== undefined) this.fault.users--
  }

  /** For a device that can: the domain is asked once (`spec/02` §7.1). */
  enforceCoherency(): void {
    if (!this.enforcesCoherency) this.enforcesCoherency = this.domain.enforceCacheCoherency?.() ?? false
  }
}

/** A hardware page table over an IOAS: its domain is kept filled with the IOAS's areas. */
export class HwptPaging extends HwptObject {
  readonly ioas: IoasObject
  /** In the IOAS's domains. */
  #filled = false

  constructor(ioas: IoasObject, domain: Domain, fault: FaultObject | undefined, traits: HwptTraits) {
    super(OBJECT_HWPT_PAGING, domain, fault, traits)
    this.ioas = ioas
    ioas.users++
  }

  /** Puts every area of the IOAS into the domain. EINVAL, EADDRINUSE, EFAULT, ENOMEM; undone on failure. */
  fill(): void {
    this.ioas.addDomain(this.domain)
    this.ioas.hwpts.push(this)
    this.#filled = true
  }

  override destroy(): void {
    if (this.#filled) {
      this.ioas.removeDomain(this.domain)
      this.ioas.hwpts.splice(this.ioas.hwpts.indexOf(this), 1)
    }
    super.destroy()
    this.ioas.users--
  }
}

/** What a nested page table stands on: a paging one, or a vIOMMU that has one. */
export interface NestedParent {
  /** What it holds a reference on. */
  readonly object: IommufdObject
  /** The page table that translates what it points to. */
  readonly paging: HwptPaging
}

/** The guest's own page table: its addresses are those of the IOAS that the parent translates (`spec/02` §1.2). */
export class HwptNested extends HwptObject {
  readonly parent: NestedParent

  constructor(
    parent: NestedParent,
    domain: Domain,
    fault: FaultObject | undefined,
    pasidCompatible: boolean,
  ) {
    super(OBJECT_HWPT_NESTED, domain, fault, { auto: false, pasidCompatible, nestParent: false })
    this.parent = parent
    parent.object.users++
  }

  get ioas(): IoasObject {
    return this.parent.paging.ioas
  }

  override destroy(): void {
    super.destroy()
    this.parent.object.users--
  }
}
