// SPDX-License-Identifier: MIT
import { IOMMU_IOAS_MAP_FILE } from '../../src/iommufd/abi/index.ts'
import { DmaBufFile } from '../../src/iommufd/fs/dma-buf-file.ts'
import { MemfdFile } from '../../src/iommufd/fs/memfd-file.ts'
import type { Process } from '../../src/iommufd/process.ts'
import { Arguments } from './calls.ts'

const FD_OFFSET = 12

/**
 * Whether the ioctl maps a file that may itself hold the context. Such a context is never released, in the kernel neither:
 * the file holds its areas, and they hold the file.
 */
export function mapsContextFile(
  process: Process,
  args: readonly bigint[],
  structure: Uint8Array | undefined,
): boolean {
  if (new Arguments(args).unsigned(1) !== IOMMU_IOAS_MAP_FILE) return false
  if (structure === undefined || structure.length < FD_OFFSET + 4) return false
  const view = new DataView(structure.buffer, structure.byteOffset, structure.byteLength)
  const file = process.files.find(view.getInt32(FD_OFFSET, true))
  return file !== undefined && !(file instanceof MemfdFile) && !(file instanceof DmaBufFile)
}
