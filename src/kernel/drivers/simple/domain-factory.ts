// SPDX-License-Identifier: MIT
import { EINVAL, EOPNOTSUPP } from '../../../base/errno.ts'
import { IdTable } from '../../../base/id-table.ts'
import { CAP_FORMATS_SHIFT, CAP_NESTED, CAP_PASID_BITS_MASK } from '../../../hardware/iommus/simple/layout.ts'
import type { PhysicalMemory } from '../../../hardware/memory.ts'
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
import type { CommandRing } from './command-ring.ts'
import { formatOf } from './formats.ts'
import type { Invalidation } from './invalidation.ts'
import { decodeNested, NestedDomain } from './nested-domain.ts'
import { createTable, PagingDomain } from './paging-domain.ts'
import { SvaDomain } from './sva-domain.ts'
import { NESTED_DATA_SIMPLE } from './user-abi.ts'

/** Tags of IOTLB entries are 16 bits; 0 is the static domains'. */
const TAG_MAX = 0xffff
const PAGING_FLAGS = ALLOC_NEST_PARENT | ALLOC_DIRTY_TRACKING | ALLOC_PASID

export interface DomainParts {
  /** The driver. */
  readonly owner: object
  readonly world: World
  readonly memory: PhysicalMemory
  readonly frames: FrameAllocator
  readonly commands: CommandRing
  readonly invalidation: Invalidation
  /** REG_CAPABILITY of the unit. */
  readonly capability: number
  /** FORMAT_ number of the kernel's own tables. */
  readonly format: number
}

/** Makes the domains of one unit; each has its own IOTLB tag. */
export class DomainFactory {
  readonly #parts: DomainParts
  readonly #tags = new IdTable<object>(1, TAG_MAX)
  readonly #giveTag = (tag: number): void => this.#tags.erase(tag)

  constructor(parts: DomainParts) {
    this.#parts = parts
  }

  /** Page-table domains, SVA and nested ones that exist. */
  get count(): number {
    return this.#tags.size
  }

  /** The kernel's own tables have dirty bits. */
  get marksDirty(): boolean {
    return formatOf(this.#parts.format).dirtyLo !== 0
  }

  /** EOPNOTSUPP for flags, data or a format that the unit lacks, ENOSPC without a tag, ENOMEM. */
  paging(options: PagingOptions): PagingDomain {
    const { owner, capability, format } = this.#parts
    const nestParent = (options.flags & ALLOC_NEST_PARENT) !== 0
    const dirty = (options.flags & ALLOC_DIRTY_TRACKING) !== 0
    if ((options.flags & ~PAGING_FLAGS) !== 0 || options.userData !== undefined) throw EOPNOTSUPP
    if (dirty && !this.marksDirty) throw EOPNOTSUPP
    if (nestParent && (capability & CAP_NESTED) === 0) throw EOPNOTSUPP
    if ((options.flags & ALLOC_PASID) !== 0 && (capability & CAP_PASID_BITS_MASK) === 0) throw EOPNOTSUPP
    if (!this.#supports(format)) throw EOPNOTSUPP
    const parts = { ...this.#parts, giveTag: this.#giveTag }
    return this.#tagged((tag) => {
      const table = createTable(parts, formatOf(format))
      return new PagingDomain(owner, parts, { ...options, tag, format, table, nestParent, dirty })
    })
  }

  /** EOPNOTSUPP without PASIDs, EINVAL for a table that the unit cannot walk, ENOSPC. */
  sva(mm: Mm, handler: FaultHandler): SvaDomain {
    const { owner, memory, commands, invalidation, capability } = this.#parts
    if ((capability & CAP_PASID_BITS_MASK) === 0) throw EOPNOTSUPP
    const parts = { words: memory.words, commands, invalidation, giveTag: this.#giveTag }
    return this.#tagged((tag) => new SvaDomain(owner, parts, mm, { tag, handler }))
  }

  /** EOPNOTSUPP: no nesting, another data type, flags; EINVAL: wrong parent or data; ENOSPC. */
  nested(parent: Domain, options: NestedOptions): NestedDomain {
    const { owner, invalidation, capability } = this.#parts
    if ((capability & CAP_NESTED) === 0 || options.userData.type !== NESTED_DATA_SIMPLE) throw EOPNOTSUPP
    if ((options.flags & ~ALLOC_PASID) !== 0) throw EOPNOTSUPP
    if (!(parent instanceof PagingDomain) || parent.owner !== owner || !parent.nestParent) throw EINVAL
    const table = decodeNested(options.userData)
    if (!this.#supports(table.format)) throw EINVAL
    const { iopfHandler } = options
    return this.#tagged(
      (tag) =>
        new NestedDomain(owner, parent, table, { tag, iopfHandler, invalidation, giveTag: this.#giveTag }),
    )
  }

  #supports(format: number): boolean {
    return format < 16 && (this.#parts.capability & (1 << (CAP_FORMATS_SHIFT + format))) !== 0
  }

  #tagged<T extends object>(make: (tag: number) => T): T {
    const tag = this.#tags.reserve()
    try {
      const domain = make(tag)
      this.#tags.publish(tag, domain)
      return domain
    } catch (error) {
      this.#tags.erase(tag)
      throw error
    }
  }
}
