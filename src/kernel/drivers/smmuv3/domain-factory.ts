// SPDX-License-Identifier: MIT
import { EINVAL, EOPNOTSUPP } from '../../../base/errno.ts'
import { IdTable } from '../../../base/id-table.ts'
import {
  ALLOC_DIRTY_TRACKING,
  ALLOC_NEST_PARENT,
  ALLOC_PASID,
  type PagingOptions,
} from '../../iommu/driver.ts'
import type { FaultHandler } from '../../iommu/fault.ts'
import type { Mm } from '../../mm/mm.ts'
import type { CommandQueue } from './command-queue.ts'
import type { Features } from './features.ts'
import { OwnTable, type PagingParts } from './paging.ts'
import { PagingDomain } from './paging-domain.ts'
import type { Attachment, SmmuDomain } from './smmu-domain.ts'
import { Stage2Domain } from './stage2-domain.ts'
import { SvaDomain } from './sva-domain.ts'

const ASID_MAX = 0xffff
/** VMIDs of the unit have 8 bits; 0 is that of streams without stage 2. */
const VMID_MAX = 0xff

export interface DomainParts extends Omit<PagingParts, 'giveTag'> {
  readonly features: Features
  readonly commands: CommandQueue
  readonly silence: (attachment: Attachment) => void
}

/** Makes the domains of one unit: each stage-1 table has an ASID of its own, each stage-2 table a VMID. */
export class DomainFactory {
  readonly #parts: DomainParts
  readonly #asids: IdTable<object> = new IdTable(1, ASID_MAX)
  readonly #vmids: IdTable<object> = new IdTable(1, VMID_MAX)
  readonly #giveAsid = (asid: number): void => this.#asids.erase(asid)
  readonly #giveVmid = (vmid: number): void => this.#vmids.erase(vmid)

  constructor(parts: DomainParts) {
    this.#parts = parts
  }

  /** Page-table and SVA domains that exist. */
  get count(): number {
    return this.#asids.size + this.#vmids.size
  }

  /**
   * Stage 1; a nesting parent is stage 2, as is everything where the unit has nothing else. EOPNOTSUPP for flags that go
   * together with no table, or that the unit lacks; ENOSPC without an id, ENOMEM.
   */
  paging(options: PagingOptions): SmmuDomain {
    const { features } = this.#parts
    const { flags } = options
    if (options.userData !== undefined) throw EOPNOTSUPP
    if ((flags & ~(ALLOC_NEST_PARENT | ALLOC_DIRTY_TRACKING | ALLOC_PASID)) !== 0) throw EOPNOTSUPP
    const tracksDirty = (flags & ALLOC_DIRTY_TRACKING) !== 0
    if ((flags & ALLOC_NEST_PARENT) !== 0) {
      if (tracksDirty || !features.stage1 || !features.stage2) throw EOPNOTSUPP
      return this.#stage2(options)
    }
    if (tracksDirty && !features.dirty) throw EOPNOTSUPP
    if (features.stage1) return this.#stage1(options, tracksDirty)
    if (tracksDirty || (flags & ALLOC_PASID) !== 0) throw EOPNOTSUPP
    return this.#stage2(options)
  }

  /** EOPNOTSUPP without substreams, EINVAL for a table that the unit cannot walk, ENOSPC. */
  sva(mm: Mm, handler: FaultHandler): SvaDomain {
    const { owner, features, invalidation, silence } = this.#parts
    if (!features.stage1 || features.substreamIdBits === 0) throw EOPNOTSUPP
    if (mm.table.format !== features.stage1Format) throw EINVAL
    const parts = { invalidation, silence, giveTag: this.#giveAsid }
    return withId(this.#asids, (asid) => new SvaDomain(owner, parts, mm, { asid, handler }))
  }

  #stage1(options: PagingOptions, tracksDirty: boolean): PagingDomain {
    const parts = { ...this.#parts, giveTag: this.#giveAsid }
    return withId(this.#asids, (asid) => {
      const own = new OwnTable(parts, parts.features.stage1Format)
      return new PagingDomain(parts, own, { ...options, asid, tracksDirty })
    })
  }

  #stage2(options: PagingOptions): Stage2Domain {
    const parts = { ...this.#parts, giveTag: this.#giveVmid }
    const { stage2Format, addressBits } = parts.features
    return withId(this.#vmids, (vmid) => {
      const own = new OwnTable(parts, stage2Format)
      return new Stage2Domain(parts, own, { ...options, vmid, bits: addressBits })
    })
  }
}

function withId<T extends object>(ids: IdTable<object>, make: (id: number) => T): T {
  const id = ids.reserve()
  try {
    const domain = make(id)
    ids.publish(id, domain)
    return domain
  } catch (error) {
    ids.erase(id)
    throw error
  }
}
