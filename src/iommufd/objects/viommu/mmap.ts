// SPDX-License-Identifier: MIT
import { DeviceMemory } from '../../../kernel/mm/device-memory.ts'
import type { Mapping, MmapRequest } from '../../files.ts'
import type { Context } from '../context.ts'

const PROT_EXEC = 4

/** mmap(2) on an iommufd (`spec/02` §8): EINVAL, EPERM, ENXIO. Every area holds the region's owner. */
export function mmapContext(context: Context, request: MmapRequest): Mapping {
  const { firstPage, pages, shared, prot } = request
  const executable = (prot & PROT_EXEC) !== 0
  const { owner, firstFrame } = context.mmapRegions.find({ firstPage, pages, shared, executable })
  return {
    object: new DeviceMemory(firstFrame, pages),
    objectPage: 0,
    owner: {
      get: (): void => {
        owner.users++
      },
      put: (): void => {
        owner.users--
      },
    },
  }
}
