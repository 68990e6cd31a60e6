// SPDX-License-Identifier: MIT
import { EINVAL } from '../../base/errno.ts'
import {
  IOMMU_IOAS_MAP_FIXED_IOVA,
  IOMMU_IOAS_MAP_READABLE,
  IOMMU_IOAS_MAP_WRITEABLE,
  IoasMap,
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_DMA_UNMAP_FLAG_ALL,
} from '../abi/index.ts'
import type { Caller } from '../files.ts'
import type { Context } from '../objects/context.ts'
import type { IoasObject } from '../objects/ioas/ioas.ts'
import { mapUserMemory } from '../objects/ioas/ioas-map.ts'
import { unmapLength, unmapRange, unmappedBytes } from '../objects/ioas/ioas-unmap.ts'
import { Sum } from '../objects/ioas/span.ts'
import type { UserArgument } from '../user-argument.ts'
import { compatIoas } from './vfio-ioas.ts'

/** struct vfio_iommu_type1_dma_map: argsz, flags, vaddr, iova, size. */
const MAP_BYTES = 32
/** struct vfio_iommu_type1_dma_unmap: argsz, flags, iova, size. */
const UNMAP_BYTES = 24
const SIZE_AT = 16

const MAP_FLAGS = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE

const map = new IoasMap()
const edge = new Sum()

/** VFIO_IOMMU_MAP_DMA, at a fixed address, even without any permission: EFAULT, EINVAL, ENODEV, and those of a map. */
export function vfioMapDma(context: Context, argument: UserArgument, caller: Caller): void {
  argument.copyIn(0, MAP_BYTES)
  const { view } = argument
  if (view.getInt32(0, true) >>> 0 < MAP_BYTES) throw EINVAL
  const flags = view.getInt32(4, true)
  if ((flags & ~MAP_FLAGS) !== 0) throw EINVAL
  const ioas = compatIoas(context)
  map.flags =
    IOMMU_IOAS_MAP_FIXED_IOVA |
    ((flags & VFIO_DMA_MAP_FLAG_READ) === 0 ? 0 : IOMMU_IOAS_MAP_READABLE) |
    ((flags & VFIO_DMA_MAP_FLAG_WRITE) === 0 ? 0 : IOMMU_IOAS_MAP_WRITEABLE)
  map.user_va_lo = view.getInt32(8, true)
  map.user_va_hi = view.getInt32(12, true)
  map.iova_lo = view.getInt32(16, true)
  map.iova_hi = view.getInt32(20, true)
  map.length_lo = view.getInt32(24, true)
  map.length_hi = view.getInt32(28, true)
  mapUserMemory(context, ioas, map, caller)
}

/** VFIO_IOMMU_UNMAP_DMA: EFAULT, EINVAL, ENODEV, and those of an unmap; `size` goes out with them, except a cut's. */
export function vfioUnmapDma(context: Context, argument: UserArgument): void {
  argument.copyIn(0, UNMAP_BYTES)
  const { view } = argument
  if (view.getInt32(0, true) >>> 0 < UNMAP_BYTES) throw EINVAL
  const flags = view.getInt32(4, true)
  if ((flags & ~VFIO_DMA_UNMAP_FLAG_ALL) !== 0) throw EINVAL
  const ioas = compatIoas(context)
  const iovaLo = view.getInt32(8, true)
  const iovaHi = view.getInt32(12, true)
  const sizeLo = view.getInt32(16, true)
  const sizeHi = view.getInt32(20, true)
  const all = (flags & VFIO_DMA_UNMAP_FLAG_ALL) !== 0
  if (all && (iovaLo | iovaHi | sizeLo | sizeHi) !== 0) throw EINVAL
  if (!all && !ioas.largePages) cutEnds(context, ioas, iovaHi, iovaLo, sizeHi, sizeLo)
  try {
    if (all) unmapRange(ioas, 0, 0, -1, -1)
    else unmapLength(ioas, iovaHi, iovaLo, sizeHi, sizeLo)
  } finally {
    view.setInt32(SIZE_AT, unmappedBytes.lo, true)
    view.setInt32(SIZE_AT + 4, unmappedBytes.hi, true)
    argument.copyOut(0, 0, UNMAP_BYTES)
  }
}

/** The end first; a cut that was made stays when the other one fails. */
function cutEnds(
  context: Context,
  ioas: IoasObject,
  hi: number,
  lo: number,
  sizeHi: number,
  sizeLo: number,
): void {
  const { failpoints } = context.world
  edge.add(hi, lo, sizeHi, sizeLo)
  edge.subtract(edge.hi, edge.lo, 0, 1)
  ioas.cutArea(edge.hi, edge.lo, failpoints)
  if ((hi | lo) === 0) return
  edge.subtract(hi, lo, 0, 1)
  ioas.cutArea(edge.hi, edge.lo, failpoints)
}
