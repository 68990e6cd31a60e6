// SPDX-License-Identifier: MIT
import { EINVAL } from '../../base/errno.ts'
import { ByteRange } from '../../base/range-map.ts'
import {
  VFIO_IOMMU_INFO_CAPS,
  VFIO_IOMMU_INFO_PGSIZES,
  VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
  VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
} from '../abi/index.ts'
import type { Context } from '../objects/context.ts'
import type { IoasObject } from '../objects/ioas/ioas.ts'
import type { UserArgument } from '../user-argument.ts'
import { compatIoas } from './vfio-ioas.ts'

/** struct vfio_iommu_type1_info: argsz, flags, iova_pgsizes, cap_offset, pad. */
const INFO_BYTES = 24
const INFO_MIN_BYTES = 16
/** The chain: the number of mappings left, then the ranges. */
const AVAIL_AT = 24
const AVAIL_BYTES = 12
const NEXT_AT = AVAIL_AT + 4
const RANGES_AT = 40
const RANGES_HEADER_BYTES = 16
const RANGE_BYTES = 16

const PAGE_MASK_LO = ~4095

/** VFIO_IOMMU_GET_INFO: EFAULT, EINVAL, ENODEV. The chain first; of it only what fits (`spec/03` §6.1). */
export function vfioGetInfo(context: Context, argument: UserArgument): void {
  argument.copyIn(0, INFO_MIN_BYTES)
  const argsz = argument.view.getInt32(0, true) >>> 0
  if (argsz < INFO_MIN_BYTES) throw EINVAL
  const ioas = compatIoas(context)
  writeAvail(argument, argsz)
  const total = writeRanges(argument, argsz, ioas)
  if (argsz >= RANGES_AT) writeNext(argument)
  writeInfo(argument, argsz, total, ioas)
}

/** DMA_AVAIL: 2^32-1, in the kernel's words no limit. */
function writeAvail(argument: UserArgument, argsz: number): void {
  if (argsz < AVAIL_AT + AVAIL_BYTES) return
  writeHeader(argument, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL)
  argument.view.setInt32(8, -1, true)
  argument.copyOut(AVAIL_AT, 0, AVAIL_BYTES)
}

/** Version 1, no next capability. */
function writeHeader({ view }: UserArgument, id: number): void {
  view.setUint16(0, id, true)
  view.setUint16(2, 1, true)
  view.setInt32(4, 0, true)
}

function writeNext(argument: UserArgument): void {
  argument.view.setInt32(0, RANGES_AT, true)
  argument.copyOut(NEXT_AT, 0, 4)
}

/** IOVA_RANGE: each range that fits, and the header when all of them do. Returns where the chain ends. */
function writeRanges(argument: UserArgument, argsz: number, ioas: IoasObject): number {
  const hole = new ByteRange()
  let at = RANGES_AT + RANGES_HEADER_BYTES
  let hi = 0
  let lo = 0
  while (ioas.reserved.nextHole(hi, lo, hole)) {
    if (argsz >= at + RANGE_BYTES) writeRange(argument, at, hole)
    at += RANGE_BYTES
    if ((hole.lastHi & hole.lastLo) === -1) break
    lo = (hole.lastLo + 1) | 0
    hi = lo === 0 ? (hole.lastHi + 1) | 0 : hole.lastHi
  }
  if (argsz < at) return at
  writeHeader(argument, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
  argument.view.setInt32(8, (at - RANGES_AT - RANGES_HEADER_BYTES) / RANGE_BYTES, true)
  argument.view.setInt32(12, 0, true)
  argument.copyOut(RANGES_AT, 0, RANGES_HEADER_BYTES)
  return at
}

function writeRange(argument: UserArgument, at: number, hole: ByteRange): void {
  const { view } = argument
  view.setInt32(0, hole.startLo, true)
  view.setInt32(4, hole.startHi, true)
  view.setInt32(8, hole.lastLo, true)
  view.setInt32(12, hole.lastHi, true)
  argument.copyOut(at, 0, RANGE_BYTES)
}

/** `argsz` tells what would have been enough. */
function writeInfo(argument: UserArgument, argsz: number, total: number, ioas: IoasObject): void {
  const { view } = argument
  let pgsizesHi = -1
  let pgsizesLo = PAGE_MASK_LO
  for (const domain of ioas.domains) {
    pgsizesHi &= domain.pageSizesHi
    pgsizesLo &= domain.pageSizesLo
  }
  view.setInt32(0, total, true)
  view.setInt32(4, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS, true)
  view.setInt32(8, pgsizesLo, true)
  view.setInt32(12, pgsizesHi, true)
  view.setInt32(16, argsz >= total ? AVAIL_AT : 0, true)
  view.setInt32(20, 0, true)
  argument.copyOut(0, 0, Math.min(argsz, INFO_BYTES))
}
