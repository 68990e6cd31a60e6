// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { EMSGSIZE, ENOTTY } from '../base/errno.ts'
import * as abi from './abi/index.ts'
import { type Command, type IoctlRow, row } from './ioctl-entry.ts'
import type { Context } from './objects/context.ts'
import { destroyObject } from './objects/destroy.ts'
import { faultQueueAlloc } from './objects/fault/fault-queue-alloc.ts'
import { getHwInfo } from './objects/device/hw-info.ts'
import { hwptGetDirtyBitmap, hwptSetDirtyTracking } from './objects/hwpt/dirty-tracking.ts'
import { hwptAlloc } from './objects/hwpt/hwpt-alloc.ts'
import { hwptInvalidate } from './objects/hwpt/invalidate.ts'
import { option } from './objects/option.ts'
import { hwQueueAlloc } from './objects/viommu/hw-queue.ts'
import { vdeviceAlloc } from './objects/viommu/vdevice.ts'
import { veventqAlloc } from './objects/viommu/veventq-alloc.ts'
import { viommuAlloc } from './objects/viommu/viommu-alloc.ts'
import { ioasAlloc } from './objects/ioas/ioas-alloc.ts'
import { ioasChangeProcess } from './objects/ioas/change-process.ts'
import { ioasCopy } from './objects/ioas/ioas-copy.ts'
import { ioasMap } from './objects/ioas/ioas-map.ts'
import { ioasMapFile } from './objects/ioas/ioas-map-file.ts'
import { ioasAllowIovas, ioasIovaRanges } from './objects/ioas/ioas-ranges.ts'
import { ioasUnmap } from './objects/ioas/ioas-unmap.ts'
import { TestCommand, testCommand } from './selftest/test-command.ts'
import { answersVfioIoas, vfioIoas } from './vfio-compat/vfio-ioas.ts'

/**
 * Every ioctl of /dev/iommu: name, struct, function, and what goes back when that is not the whole struct. Number and
 * minimum size belong to the name.
 */
export const IOCTLS: readonly IoctlRow[] = [
  row('IOMMU_DESTROY', abi.Destroy, destroyObject, 'none'),
  row('IOMMU_IOAS_ALLOC', abi.IoasAlloc, ioasAlloc),
  row('IOMMU_IOAS_ALLOW_IOVAS', abi.IoasAllowIovas, ioasAllowIovas, 'none'),
  row('IOMMU_IOAS_COPY', abi.IoasCopy, ioasCopy),
  row('IOMMU_IOAS_IOVA_RANGES', abi.IoasIovaRanges, ioasIovaRanges, { onError: EMSGSIZE }),
  row('IOMMU_IOAS_MAP', abi.IoasMap, ioasMap),
  row('IOMMU_IOAS_UNMAP', abi.IoasUnmap, ioasUnmap),
  row('IOMMU_OPTION', abi.Option, option, { bytes: [16, 24] }),
  row('IOMMU_VFIO_IOAS', abi.VfioIoas, vfioIoas, { when: answersVfioIoas }),
  row('IOMMU_HWPT_ALLOC', abi.HwptAlloc, hwptAlloc),
  row('IOMMU_GET_HW_INFO', abi.HwInfo, getHwInfo),
  row('IOMMU_HWPT_SET_DIRTY_TRACKING', abi.HwptSetDirtyTracking, hwptSetDirtyTracking, 'none'),
  row('IOMMU_HWPT_GET_DIRTY_BITMAP', abi.HwptGetDirtyBitmap, hwptGetDirtyBitmap, 'none'),
  row('IOMMU_HWPT_INVALIDATE', abi.HwptInvalidate, hwptInvalidate, { onError: 'always' }),
  row('IOMMU_FAULT_QUEUE_ALLOC', abi.FaultAlloc, faultQueueAlloc),
  row('IOMMU_IOAS_MAP_FILE', abi.IoasMapFile, ioasMapFile),
  row('IOMMU_VIOMMU_ALLOC', abi.ViommuAlloc, viommuAlloc),
  row('IOMMU_VDEVICE_ALLOC', abi.VdeviceAlloc, vdeviceAlloc),
  row('IOMMU_IOAS_CHANGE_PROCESS', abi.IoasChangeProcess, ioasChangeProcess, 'none'),
  row('IOMMU_VEVENTQ_ALLOC', abi.VeventqAlloc, veventqAlloc),
  row('IOMMU_HW_QUEUE_ALLOC', abi.HwQueueAlloc, hwQueueAlloc),
  row('IOMMU_TEST_CMD', TestCommand, testCommand, { when: (command) => command.answered }),
]

/** The numbers end here: 0x95 is only later kernels'. With the test commands they go on, with holes, to theirs. */
const NUMBER_LAST = abi.IOMMU_HW_QUEUE_ALLOC & 0xff
const NUMBER_LAST_TEST = abi.IOMMU_TEST_CMD & 0xff
const TYPE_BYTE = abi.IOMMU_DESTROY >>> 8
const NUMBER_FIRST = abi.IOMMU_DESTROY & 0xff

const BY_LOW_BYTE: readonly (IoctlRow | undefined)[] = byLowByte(IOCTLS)
const BY_STRUCT: ReadonlyMap<unknown, IoctlRow> = new Map(IOCTLS.map((entry) => [entry.struct, entry]))

function byLowByte(rows: readonly IoctlRow[]): (IoctlRow | undefined)[] {
  const found: (IoctlRow | undefined)[] = Array.from({ length: 256 }, () => undefined)
  for (const entry of rows) found[entry.number & 0xff] = entry
  return found
}

/** The number is the table's, with a row behind it or not. Test commands are part of it where there is a mock. */
export function isInTable(number: number, testCommands: boolean): boolean {
  const low = number & 0xff
  return low >= NUMBER_FIRST && low <= (testCommands ? NUMBER_LAST_TEST : NUMBER_LAST)
}

/** The row of a number in the table; `undefined`: a hole, or another type byte. */
export function findRow(number: number): IoctlRow | undefined {
  const entry = BY_LOW_BYTE[number & 0xff]
  return entry?.number === number ? entry : undefined
}

/** The row that a decoded command belongs to. */
export function rowOf(command: Command): IoctlRow {
  const entry = BY_STRUCT.get(command.constructor)
  assert(entry !== undefined, 'no ioctl has this command')
  return entry
}

/** An ioctl that no row stands for: counted, and refused as the kernel refuses a number that it does not know. */
export function unbuiltIoctl(context: Context, number: number): never {
  if (number >>> 8 === TYPE_BYTE) context.countUnbuilt(number)
  throw ENOTTY
}
