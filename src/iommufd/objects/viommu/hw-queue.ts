// SPDX-License-Identifier: MIT
import { EFAULT, EINVAL, ENOMEM, EOPNOTSUPP, EOVERFLOW, ERANGE } from '../../../base/errno.ts'
import { PAGE_BYTES, toNumber } from '../../../base/u64.ts'
import type { DriverHwQueue } from '../../../kernel/iommu/driver.ts'
import { type HwQueueAlloc, IOMMU_HW_QUEUE_TYPE_DEFAULT } from '../../abi/index.ts'
import { type AccessObject, destroyAccess } from '../access/access.ts'
import { createInternalAccess, lockPages, unlockPages } from '../access/internal-access.ts'
import type { Context } from '../context.ts'
import { Sum } from '../ioas/span.ts'
import { getViommu } from '../lookup.ts'
import { IommufdObject, OBJECT_HW_QUEUE } from '../object-table.ts'
import type { ViommuObject } from './viommu.ts'

/** The kernel has no list of pages that takes more than INT_MAX bytes (observed on 7.2.13: ENOMEM). */
const PAGES_MAX = 0x7fffffff / 8
const PAGE_MASK = PAGE_BYTES - 1

/** A 64-bit value. */
interface Pair {
  readonly hi: number
  readonly lo: number
}

/** The queue as the driver sees it. */
class GuestQueue implements DriverHwQueue {
  readonly type: number
  readonly index: number
  readonly iovaHi: number
  readonly iovaLo: number
  readonly lengthHi: number
  readonly lengthLo: number
  physical = 0
  release: (() => void) | undefined = undefined
  readonly object: HwQueueObject

  constructor(object: HwQueueObject, command: HwQueueAlloc) {
    this.object = object
    this.type = command.type
    this.index = command.index
    this.iovaHi = command.nesting_parent_iova_hi
    this.iovaLo = command.nesting_parent_iova_lo
    this.lengthHi = command.length_hi
    this.lengthLo = command.length_lo
  }

  dependOn(lower: DriverHwQueue): void {
    if (lower instanceof GuestQueue) lower.object.users++
  }

  undepend(lower: DriverHwQueue): void {
    if (lower instanceof GuestQueue) lower.object.users--
  }
}

/**
 * A queue in guest memory that the hardware works off itself (`spec/02` §8, §12). While it lives an access of its own pins
 * its pages, and nobody can unmap them.
 */
export class HwQueueObject extends IommufdObject {
  readonly viommu: ViommuObject
  readonly #context: Context
  readonly #queue: GuestQueue
  #access: AccessObject | undefined = undefined
  /** Length in bytes of whole pages that are pinned. */
  #locked: Pair | undefined = undefined

  constructor(context: Context, viommu: ViommuObject, command: HwQueueAlloc) {
    super(OBJECT_HW_QUEUE)
    this.#context = context
    this.viommu = viommu
    this.#queue = new GuestQueue(this, command)
    viommu.users++
  }

  /** ENOMEM, EADDRINUSE, what pinning says, EFAULT (not contiguous), and the driver's. */
  start(length: Pair): void {
    const queue = this.#queue
    const count = Math.ceil(toNumber(length.hi, length.lo) / PAGE_BYTES)
    if (count > PAGES_MAX || this.#context.world.failpoints.hit('alloc_hw_queue_pages')) throw ENOMEM
    const frames: number[] = []
    this.#access = createInternalAccess(this.#context, this.viommu.paging.ioas)
    lockPages(this.#access, queue.iovaHi, queue.iovaLo & ~PAGE_MASK, length.hi, length.lo, frames)
    this.#locked = length
    if (frames.some((frame, index) => frame !== frames[0]! + index)) throw EFAULT
    queue.physical = frames[0]! * PAGE_BYTES + (queue.iovaLo & PAGE_MASK)
    this.viommu.driver.hwQueueInit?.(queue)
  }

  destroy(): void {
    const access = this.#access
    const { iovaHi, iovaLo, release } = this.#queue
    release?.()
    if (access !== undefined) {
      const { hi, lo } = this.#locked ?? { hi: 0, lo: 0 }
      if (this.#locked !== undefined) unlockPages(access, iovaHi, iovaLo & ~PAGE_MASK, hi, lo)
      destroyAccess(access)
    }
    this.viommu.users--
  }
}

/** IOMMU_HW_QUEUE_ALLOC, checks in the order of `spec/02` §8. */
export function hwQueueAlloc(context: Context, command: HwQueueAlloc): void {
  const { type, length_hi, length_lo } = command
  if (command.flags !== 0 || type === IOMMU_HW_QUEUE_TYPE_DEFAULT) throw EOPNOTSUPP
  if ((length_hi | length_lo) === 0) throw EINVAL
  const last = new Sum()
  last.addLength(command.nesting_parent_iova_hi, command.nesting_parent_iova_lo, length_hi, length_lo)
  if (last.overflow) throw EOVERFLOW
  const viommu = getViommu(context, command.viommu_id)
  const { driver } = viommu
  if (driver.hwQueueInit === undefined || driver.hwQueueSupported?.(type) !== true) throw EOPNOTSUPP
  const length = wholePages(command)
  if (context.world.failpoints.hit('alloc_hw_queue')) throw ENOMEM
  const queue = context.create(new HwQueueObject(context, viommu, command))
  queue.start(length)
  command.out_hw_queue_id = queue.id
}

/** Bytes of the pages that the queue lies in. ERANGE: 2^64 or more. */
function wholePages(command: HwQueueAlloc): Pair {
  const end = new Sum()
  const offset = command.nesting_parent_iova_lo & PAGE_MASK
  end.add(command.length_hi, command.length_lo, 0, offset + PAGE_MASK)
  if (end.overflow) throw ERANGE
  return { hi: end.hi, lo: end.lo & ~PAGE_MASK }
}
