// SPDX-License-Identifier: MIT
import { broken } from '../../../base/assert.ts'
import { EINVAL, ENOMEM, ENXIO, EPERM } from '../../../base/errno.ts'
import { PAGE_BYTES } from '../../../base/u64.ts'
import type { MmapRegion } from '../../../kernel/iommu/driver.ts'
import type { Failpoints } from '../../../sim/failpoint.ts'
import type { IommufdObject } from '../object-table.ts'

/** Pages that user space can map, and the object that they belong to. */
export interface OwnedRegion extends MmapRegion {
  readonly owner: IommufdObject
}

/** What mmap(2) on an iommufd shows: regions at offsets from one page upwards (`spec/02` §8). */
export class MmapRegions {
  /** Ascending by offset, not overlapping. */
  readonly #regions: OwnedRegion[] = []
  readonly #failpoints: Failpoints

  constructor(failpoints: Failpoints) {
    this.#failpoints = failpoints
  }

  get size(): number {
    return this.#regions.length
  }

  /** At the first gap that is large enough. ENOMEM. */
  add(firstFrame: number, pages: number, owner: IommufdObject): MmapRegion {
    if (this.#failpoints.hit('alloc_mmap_region')) throw ENOMEM
    const lengthBytes = pages * PAGE_BYTES
    const regions = this.#regions
    let offsetBytes = PAGE_BYTES
    let at = 0
    for (; at < regions.length && regions[at]!.offsetBytes - offsetBytes < lengthBytes; at++)
      offsetBytes = regions[at]!.offsetBytes + regions[at]!.lengthBytes
    const region = { offsetBytes, lengthBytes, firstFrame, owner }
    regions.splice(at, 0, region)
    return region
  }

  remove(region: MmapRegion): void {
    const at = this.#regions.findIndex(({ offsetBytes }) => offsetBytes === region.offsetBytes)
    if (at < 0) broken(`no pages to map at ${region.offsetBytes}`)
    this.#regions.splice(at, 1)
  }

  /** EINVAL: private; EPERM: executable; ENXIO: not exactly one whole region. */
  find(request: {
    readonly firstPage: number
    readonly pages: number
    readonly shared: boolean
    readonly executable: boolean
  }): OwnedRegion {
    if (!request.shared) throw EINVAL
    if (request.executable) throw EPERM
    const start = request.firstPage * PAGE_BYTES
    const region = this.#regions.find(({ offsetBytes }) => offsetBytes === start)
    if (region === undefined || region.lengthBytes !== request.pages * PAGE_BYTES) throw ENXIO
    return region
  }
}
