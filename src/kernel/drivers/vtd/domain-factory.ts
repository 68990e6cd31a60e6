// SPDX-License-Identifier: MIT
import { EINVAL, EOPNOTSUPP } from '../../../base/errno.ts'
import { IdTable } from '../../../base/id-table.ts'
import {
  AW_48,
  AW_57,
  FSPM_4_LEVEL,
  FSPM_5_LEVEL,
  PASID_AW_SHIFT,
  PASID_FSPM_SHIFT,
  PASID_NXE,
  PASID_P,
  PASID_PGTT_SHIFT,
  PASID_SRE,
  PASID_WPE,
  PGTT_FIRST_STAGE,
  PGTT_SECOND_STAGE,
} from '../../../hardware/iommus/vtd/layout-tables.ts'
import type { PhysicalMemory } from '../../../hardware/memory.ts'
import { vtdSecondStage } from '../../../hardware/page-tables/formats/vtd-second-stage.ts'
import { X86_64_4_LEVEL, X86_64_5_LEVEL } from '../../../hardware/page-tables/formats/x86-64.ts'
import { PageTable } from '../../../hardware/page-tables/page-table.ts'
import type { World } from '../../../trace/world.ts'
import type { Domain } from '../../iommu/domain.ts'
import {
  ALLOC_DIRTY_TRACKING,
  ALLOC_NEST_PARENT,
  ALLOC_PASID,
  type NestedOptions,
  type PagingOptions,
} from '../../iommu/driver.ts'
import type { FaultHandler } from '../../iommu/fault.ts'
import type { FrameAllocator } from '../../mm/frame-allocator.ts'
import type { Mm } from '../../mm/mm.ts'
import type { VtdCapabilities } from './capabilities.ts'
import type { InvalidationQueue } from './invalidation-queue.ts'
import type { Invalidation } from './invalidation.ts'
import { decodeNested, NestedDomain } from './nested-domain.ts'
import { PagingDomain, type PagingTable } from './paging-domain.ts'
import { SvaDomain } from './sva-domain.ts'
import type { EntryImage } from './tables.ts'
import { NESTED_DATA_VTD_S1 } from './user-abi.ts'
import { DID_FIRST } from './vtd-domain.ts'

const SECOND_STAGE_FLAGS = ALLOC_NEST_PARENT | ALLOC_DIRTY_TRACKING | ALLOC_PASID

export interface DomainParts {
  /** The driver. */
  readonly owner: object
  readonly world: World
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  readonly queue: InvalidationQueue
  readonly invalidation: Invalidation
  readonly capabilities: VtdCapabilities
  /** The kernel's own tables have 57-bit addresses. */
  readonly fiveLevel: boolean
}

/** Makes the domains of one unit; each has its own domain id. */
export class DomainFactory {
  readonly #parts: DomainParts
  readonly #dids: IdTable<object>
  readonly #giveDid = (did: number): void => this.#dids.erase(did)

  constructor(parts: DomainParts) {
    this.#parts = parts
    this.#dids = new IdTable<object>(DID_FIRST, parts.capabilities.domains - 1)
  }

  /** Page-table domains, SVA and nested ones that exist. */
  get count(): number {
    return this.#dids.size
  }

  /**
   * A first stage where it will do, else a second. EOPNOTSUPP for flags or data that the unit lacks, ENOSPC without a
   * domain id, ENOMEM.
   */
  paging(options: PagingOptions): PagingDomain {
    const { capabilities } = this.#parts
    if ((options.flags & ~SECOND_STAGE_FLAGS) !== 0 || options.userData !== undefined) throw EOPNOTSUPP
    if ((options.flags & ALLOC_PASID) !== 0 && capabilities.pasids === 0) throw EOPNOTSUPP
    const needsSecond = (options.flags & (ALLOC_NEST_PARENT | ALLOC_DIRTY_TRACKING)) !== 0
    const isFirstStage = capabilities.firstStage && !needsSecond
    if (!isFirstStage) this.#checkSecondStage(options.flags)
    return this.#numbered((did) => {
      const made = isFirstStage ? this.#firstStage(did) : this.#secondStage(did, options.flags)
      const { owner, world, memory, invalidation } = this.#parts
      return new PagingDomain(
        owner,
        { world, words: memory.words, invalidation, giveDid: this.#giveDid },
        options,
        made,
      )
    })
  }

  /** EOPNOTSUPP without PASIDs or a first stage, EINVAL for a table that the unit cannot walk, ENOSPC. */
  sva(mm: Mm, handler: FaultHandler): SvaDomain {
    const { owner, memory, queue, invalidation, capabilities } = this.#parts
    if (capabilities.pasids === 0 || !capabilities.firstStage) throw EOPNOTSUPP
    const { table } = mm
    const fiveLevel = table.format === X86_64_5_LEVEL
    if (table.format !== X86_64_4_LEVEL && !(fiveLevel && capabilities.firstFiveLevel)) throw EINVAL
    const parts = { words: memory.words, queue, invalidation, giveDid: this.#giveDid }
    return this.#numbered((did) => {
      const image = firstStageImage(did, table.root, fiveLevel)
      return new SvaDomain(owner, parts, mm, { image, handler })
    })
  }

  /** EOPNOTSUPP: no nesting, flags, another data type; EINVAL: a parent that is no nesting second stage; ENOSPC. */
  nested(parent: Domain, options: NestedOptions): NestedDomain {
    const { owner, invalidation, capabilities } = this.#parts
    if (!capabilities.nested || (options.flags & ~ALLOC_PASID) !== 0) throw EOPNOTSUPP
    if (options.userData.type !== NESTED_DATA_VTD_S1) throw EOPNOTSUPP
    if (!(parent instanceof PagingDomain) || parent.owner !== owner || !parent.nestParent) throw EINVAL
    const table = decodeNested(options.userData)
    const { iopfHandler } = options
    const parts = { iopfHandler, capabilities, invalidation, giveDid: this.#giveDid }
    return this.#numbered((did) => new NestedDomain(owner, parent, table, { ...parts, did }))
  }

  #checkSecondStage(flags: number): void {
    const { secondStage, nested, dirty } = this.#parts.capabilities
    if (!secondStage) throw EOPNOTSUPP
    if ((flags & ALLOC_NEST_PARENT) !== 0 && !nested) throw EOPNOTSUPP
    if ((flags & ALLOC_DIRTY_TRACKING) !== 0 && !dirty) throw EOPNOTSUPP
  }

  #firstStage(did: number): PagingTable {
    const { memory, frames, fiveLevel, capabilities } = this.#parts
    const wide = fiveLevel && capabilities.firstFiveLevel
    const table = new PageTable({ memory, frames, format: wide ? X86_64_5_LEVEL : X86_64_4_LEVEL })
    const image = firstStageImage(did, table.root, wide)
    return { table, image, isFirstStage: true, nestParent: false, dirty: false }
  }

  #secondStage(did: number, flags: number): PagingTable {
    const { memory, frames, fiveLevel, capabilities } = this.#parts
    const wide = fiveLevel && capabilities.secondFiveLevel
    const table = new PageTable({ memory, frames, format: vtdSecondStage(wide ? 5 : 4, true) })
    const image = {
      flags: PASID_P | (PGTT_SECOND_STAGE << PASID_PGTT_SHIFT) | ((wide ? AW_57 : AW_48) << PASID_AW_SHIFT),
      did,
      secondRoot: table.root,
      rules: capabilities.supervisorRequests ? PASID_SRE : 0,
      firstHi: 0,
      firstLo: 0,
    }
    return {
      table,
      image,
      isFirstStage: false,
      nestParent: (flags & ALLOC_NEST_PARENT) !== 0,
      dirty: (flags & ALLOC_DIRTY_TRACKING) !== 0,
    }
  }

  #numbered<T extends object>(make: (did: number) => T): T {
    const did = this.#dids.reserve()
    try {
      const domain = make(did)
      this.#dids.publish(did, domain)
      return domain
    } catch (error) {
      this.#dids.erase(did)
      throw error
    }
  }
}

/** A table of the kernel or of a process: write protection and no-execute as on a CPU. */
function firstStageImage(did: number, root: number, fiveLevel: boolean): EntryImage {
  const mode = fiveLevel ? FSPM_5_LEVEL : FSPM_4_LEVEL
  return {
    flags: PASID_P | (PGTT_FIRST_STAGE << PASID_PGTT_SHIFT),
    did,
    secondRoot: 0,
    rules: PASID_WPE | PASID_NXE | (mode << PASID_FSPM_SHIFT),
    firstHi: root >>> 20,
    firstLo: root << 12,
  }
}
