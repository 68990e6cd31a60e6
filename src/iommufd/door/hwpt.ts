// SPDX-License-Identifier: MIT
import { hiOf, loOf } from '../../base/u64.ts'
import {
  HwptGetDirtyBitmap,
  HwptSetDirtyTracking,
  IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
  IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR,
} from '../abi/index.ts'
import { BYTES_ADDRESS } from './bytes-memory.ts'
import type { Door } from './door.ts'
import { type Invalidation, invalidate } from './invalidate.ts'

export interface DirtyRequest {
  readonly iova: bigint
  readonly lengthBytes: bigint | number
  /** Bytes that one bit stands for. Default 4096. */
  readonly pageBytes?: number
  /** Whether what is told is forgotten. Default true. */
  readonly clear?: boolean
}

/** A hardware page table over an I/O address space. */
export class Hwpt {
  readonly id: number
  readonly #door: Door

  constructor(door: Door, id: number) {
    this.#door = door
    this.id = id
  }

  /** Switching it on forgets what was written before. EOPNOTSUPP: not made with `dirtyTracking`. */
  setDirtyTracking(on: boolean): void {
    const command = new HwptSetDirtyTracking()
    command.flags = on ? IOMMU_HWPT_DIRTY_TRACKING_ENABLE : 0
    command.hwpt_id = this.id
    this.#door.run(command, 'hwpt.setDirtyTracking', { id: this.id, on })
  }

  /**
   * What devices wrote: a bit for each `pageBytes`, lowest bit of the first byte first. A hole ends the search without an
   * error (`spec/02` §7.2). `into`: bits are only added. EINVAL: not on page boundaries; EOVERFLOW; EOPNOTSUPP.
   */
  readDirty(request: DirtyRequest, into?: Uint8Array): Uint8Array {
    const { iova, pageBytes = 4096 } = request
    const length = BigInt(request.lengthBytes)
    const bitmap = into ?? new Uint8Array(Math.ceil(Number(length) / pageBytes / 8))
    const command = new HwptGetDirtyBitmap()
    command.hwpt_id = this.id
    command.flags = request.clear === false ? IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR : 0
    command.iova_hi = hiOf(iova)
    command.iova_lo = loOf(iova)
    command.length_hi = hiOf(length)
    command.length_lo = loOf(length)
    command.page_size_hi = hiOf(BigInt(pageBytes))
    command.page_size_lo = loOf(BigInt(pageBytes))
    command.data_lo = BYTES_ADDRESS
    this.#door.runWith(bitmap, command, 'hwpt.readDirty', { id: this.id, ...request })
    return bitmap
  }

  /** EBUSY while a device is attached. */
  destroy(): void {
    this.#door.destroy(this.id, 'hwpt.destroy')
  }
}

/** A guest's own page table. */
export class NestedHwpt {
  readonly id: number
  readonly #door: Door

  constructor(door: Door, id: number) {
    this.#door = door
    this.id = id
  }

  /** Forgets what the guest changed; see `invalidate`. */
  invalidate(request: Invalidation): number {
    return invalidate(this.#door, this.id, 'nestedHwpt.invalidate', request)
  }

  /** EBUSY while a device is attached. */
  destroy(): void {
    this.#door.destroy(this.id, 'nestedHwpt.destroy')
  }
}
