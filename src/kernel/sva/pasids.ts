// SPDX-License-Identifier: MIT
import { ENOSPC } from '../../base/errno.ts'

/** The machine's PASIDs: one an address space, the same for all devices (Linux's iommu_global_pasid). */
export class GlobalPasids {
  readonly #used = new Set<number>()

  get inUse(): number {
    return this.#used.size
  }

  /** The lowest free one of 1 … max-1. ENOSPC. */
  alloc(max: number): number {
    for (let pasid = 1; pasid < max; pasid++) {
      if (this.#used.has(pasid)) continue
      this.#used.add(pasid)
      return pasid
    }
    throw ENOSPC
  }

  free(pasid: number): void {
    this.#used.delete(pasid)
  }
}
