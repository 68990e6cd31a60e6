// SPDX-License-Identifier: MIT
import { EINVAL, ENOTTY } from '../../base/errno.ts'
import {
  VFIO_API_VERSION,
  VFIO_CHECK_EXTENSION,
  VFIO_DMA_CC_IOMMU,
  VFIO_GET_API_VERSION,
  VFIO_IOMMU_GET_INFO,
  VFIO_IOMMU_MAP_DMA,
  VFIO_IOMMU_UNMAP_DMA,
  VFIO_SET_IOMMU,
  VFIO_TYPE1_IOMMU,
  VFIO_TYPE1v2_IOMMU,
  VFIO_UNMAP_ALL,
} from '../abi/index.ts'
import type { Caller } from '../files.ts'
import type { Context } from '../objects/context.ts'
import { HwptObject } from '../objects/hwpt/hwpt.ts'
import { type UserArgument, closeArgument, openArgument } from '../user-argument.ts'
import { vfioMapDma, vfioUnmapDma } from './vfio-dma.ts'
import { vfioGetInfo } from './vfio-info.ts'
import { compatIoas } from './vfio-ioas.ts'

type StructIoctl = (context: Context, argument: UserArgument, caller: Caller) => void

/** The ioctls of a VFIO container on /dev/iommu (`spec/02` §10), by the full number. ENOTTY for every other. */
export function vfioCompatIoctl(
  context: Context,
  caller: Caller,
  number: number,
  argHi: number,
  argLo: number,
): number {
  if (number === VFIO_GET_API_VERSION) return VFIO_API_VERSION
  if (number === VFIO_CHECK_EXTENSION) return checkExtension(context, argHi === 0 ? argLo : -1)
  if (number === VFIO_SET_IOMMU) return setIommu(context, argHi === 0 ? argLo : -1)
  const body = structIoctl(number)
  const argument = openArgument(caller.memory, argHi, argLo)
  try {
    body(context, argument, caller)
  } finally {
    closeArgument(argument)
  }
  return 0
}

function structIoctl(number: number): StructIoctl {
  if (number === VFIO_IOMMU_GET_INFO) return vfioGetInfo
  if (number === VFIO_IOMMU_MAP_DMA) return vfioMapDma
  if (number === VFIO_IOMMU_UNMAP_DMA) return vfioUnmapDma
  throw ENOTTY
}

/** 1: supported. VFIO_NOIOMMU_IOMMU is not built in. ENODEV: cache coherency, and no IOAS is set. */
function checkExtension(context: Context, extension: number): number {
  switch (extension) {
    case VFIO_TYPE1_IOMMU:
    case VFIO_TYPE1v2_IOMMU:
    case VFIO_UNMAP_ALL:
      return context.noIommu ? 0 : 1
    case VFIO_DMA_CC_IOMMU:
      return isCoherent(context) ? 1 : 0
    default:
      return 0
  }
}

/** Every page table of the IOAS enforces coherency. */
function isCoherent(context: Context): boolean {
  const { hwpts } = compatIoas(context)
  return hwpts.every((hwpt) => hwpt instanceof HwptObject && hwpt.enforcesCoherency)
}

/** TYPE1 cuts areas on unmap, so they are made of small pages. EINVAL, ENODEV, EADDRINUSE. */
function setIommu(context: Context, type: number): number {
  if (type !== VFIO_TYPE1_IOMMU && type !== VFIO_TYPE1v2_IOMMU) throw EINVAL
  const ioas = compatIoas(context)
  if (type === VFIO_TYPE1_IOMMU) ioas.disableLargePages()
  return 0
}
