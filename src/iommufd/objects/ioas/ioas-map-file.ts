// SPDX-License-Identifier: MIT
import { EBADF, EINVAL, ENODEV, ENOMEM, EOPNOTSUPP, EOVERFLOW } from '../../../base/errno.ts'
import { PAGE_BYTES, compareU64, pageOf, toNumber } from '../../../base/u64.ts'
import { IOMMU_IOAS_MAP_WRITEABLE, type IoasMapFile } from '../../abi/index.ts'
import type { Caller, OpenFile } from '../../files.ts'
import { DmaBufFile } from '../../fs/dma-buf-file.ts'
import type { Context } from '../context.ts'
import { getIoas } from '../lookup.ts'
import { Iova } from './iova-alloc.ts'
import { BufferSource, FileSource } from './page-source.ts'
import { ACCOUNT_NONE, Pages } from './pages.ts'
import { MAP_FLAGS, PERMISSION_FLAGS, mapPieces } from './placement.ts'
import { Sum, isAllOnes } from './span.ts'

const PAGE_MASK = PAGE_BYTES - 1
/** Longest mapping: 2^64-1-4096. */
const LENGTH_MAX_LO = -1 - PAGE_BYTES

const last = new Sum()
const iova = new Iova()

/** IOMMU_IOAS_MAP_FILE, checks in the order of `spec/02` §3.3 (between descriptor and length: observed on 7.2.13). */
export function ioasMapFile(context: Context, command: IoasMapFile, caller: Caller): void {
  const { flags, length_hi, length_lo } = command
  if ((flags & ~MAP_FLAGS) !== 0) throw EOPNOTSUPP
  if (isAllOnes(command.iova_hi, command.iova_lo) || isAllOnes(length_hi, length_lo)) throw EOVERFLOW
  if ((flags & PERMISSION_FLAGS) === 0) throw EINVAL
  const ioas = getIoas(context, command.ioas_id)
  if ((length_hi | length_lo) === 0) throw EINVAL
  last.addLength(command.start_hi, command.start_lo, length_hi, length_lo)
  if (last.overflow) throw EOVERFLOW
  const pages = openPages(context, command, caller)
  const request = {
    flags,
    iovaHi: command.iova_hi,
    iovaLo: command.iova_lo,
    lengthHi: length_hi,
    lengthLo: length_lo,
  }
  const pageOffset = command.start_lo & PAGE_MASK
  try {
    const piece = { pages, pageIndex: 0, pageOffset, lengthHi: length_hi, lengthLo: length_lo }
    mapPieces(ioas, request, [piece], iova)
  } catch (thrown) {
    if (pages.process !== undefined) pages.close()
    throw thrown
  }
  command.iova_hi = iova.hi
  command.iova_lo = iova.lo
}

/** The pages object: no area shows it yet. */
function openPages(context: Context, command: IoasMapFile, caller: Caller): Pages {
  const file = caller.files.find(command.fd)
  if (file === undefined) throw EBADF
  if (file instanceof DmaBufFile) checkBuffer(file, command)
  else if (compareU64(command.length_hi, command.length_lo, -1, LENGTH_MAX_LO) > 0) throw EINVAL
  if (context.world.failpoints.hit('alloc_pages')) throw ENOMEM
  const pages = new Pages()
  const { start_hi, start_lo } = command
  const writable = (command.flags & IOMMU_IOAS_MAP_WRITEABLE) !== 0
  const mode = caller.capIpcLock ? ACCOUNT_NONE : context.accountMode
  pages.open(caller, start_hi, start_lo, last.hi, last.lo, writable, mode)
  pages.users = 0
  addSource(pages, file)
  return pages
}

/** EINVAL: past the buffer's end; ENODEV: the exporter has taken it back. */
function checkBuffer(file: DmaBufFile, command: IoasMapFile): void {
  const { start_hi, start_lo, length_hi, length_lo } = command
  const end = toNumber(start_hi, start_lo) + toNumber(length_hi, length_lo)
  if (end > file.dmaBuf.lengthBytes) throw EINVAL
  if (file.dmaBuf.revoked) throw ENODEV
}

function addSource(pages: Pages, file: OpenFile): void {
  if (file instanceof DmaBufFile)
    pages.setSource(undefined, new BufferSource(file, file.dmaBuf, pageOf(pages.hi, pages.lo)))
  else pages.setSource(new FileSource(file, file.pinnable), undefined)
}
