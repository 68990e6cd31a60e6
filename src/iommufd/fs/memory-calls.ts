// SPDX-License-Identifier: MIT
import { EACCES, EINVAL, ENODEV, ENOMEM, EOPNOTSUPP, EOVERFLOW, EPERM } from '../../base/errno.ts'
import type { Mm } from '../../kernel/mm/mm.ts'
import { PROT_ALL, PROT_EXEC, PROT_WRITE } from '../../kernel/mm/prot.ts'
import type { AreaHolder, Backing } from '../../kernel/mm/vma.ts'
import { type Caller, type Mapping, OpenFile } from '../files.ts'
import {
  MAP_ANONYMOUS,
  MAP_DROPPABLE,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_HUGE_SHIFT,
  MAP_HUGETLB,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_SYNC,
  MAP_TYPE,
  O_ACCMODE,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
} from './constants.ts'

const PAGE = 4096n
const HUGE_PAGE = 1n << 21n
const HUGE_PAGE_LOG = 21
/** Hints below it are moved up to it (vm.mmap_min_addr). */
const ADDRESS_MIN = 0x10000n
/** Past any address space: longer lengths fail in the same way. */
const LENGTH_MAX = 1n << 48n

/** A caller whose memory is ours. */
export interface MemoryCaller extends Caller {
  readonly mm: Mm
}

/** The arguments of mmap(2). */
export interface MmapArguments {
  /** A hint, or with MAP_FIXED the place. Default 0: anywhere. */
  readonly address?: bigint
  readonly length: bigint | number
  /** PROT_ bits; unknown ones are ignored. */
  readonly prot: number
  /** MAP_ bits. */
  readonly flags: number
  /** Default -1. */
  readonly fd?: number
  /** Bytes. Default 0. */
  readonly offset?: bigint | number
}

/**
 * mmap(2). The order is Linux's: EINVAL (offset), EBADF, EINVAL (length), ENOMEM, EINVAL (address), EEXIST, then what the
 * file allows: EOVERFLOW, EINVAL (type), EOPNOTSUPP, EACCES, EPERM, ENODEV; ENOMEM; then the old mapping goes, and the
 * file's own errors leave a hole.
 */
export function mmap(caller: MemoryCaller, request: MmapArguments): bigint {
  const { flags, fd = -1 } = request
  const prot = request.prot & PROT_ALL
  const offset = BigInt.asUintN(64, BigInt(request.offset ?? 0))
  if (offset % PAGE !== 0n) throw EINVAL
  const file = (flags & MAP_ANONYMOUS) === 0 ? caller.files.get(fd) : undefined
  const huge = isHuge(flags, file)
  const lengthBytes = lengthOf(BigInt.asUintN(64, BigInt(request.length)), huge)
  const pages = lengthBytes / 4096
  const firstPage = Number(offset / PAGE)
  const options = { lengthBytes, prot, huge, ...placeOf(request) }
  const address = caller.mm.findPlace(options)
  if (file === undefined) checkAnonymous(flags)
  else checkFile(file, flags, prot, firstPage + pages)
  const shared = (flags & MAP_TYPE) === MAP_SHARED || (flags & MAP_TYPE) === MAP_SHARED_VALIDATE
  const noReserve = (flags & MAP_NORESERVE) !== 0
  const accounted =
    !huge && !noReserve && (file === undefined ? shared || canWrite(prot) : !shared && canWrite(prot))
  if (accounted && pages > caller.mm.frames.endFrame) throw ENOMEM
  const backing = (): Backing =>
    file === undefined
      ? { shared, huge }
      : backingOf(file, file.mmap(caller, { pages, firstPage, prot, shared, reserve: !noReserve }), shared)
  const populate = (flags & MAP_POPULATE) !== 0
  return caller.mm.mmap({ lengthBytes, prot, huge, address, noReserve, populate, backing })
}

function canWrite(prot: number): boolean {
  return (prot & PROT_WRITE) !== 0
}

/** EINVAL: a size of huge pages that there is not, or MAP_HUGETLB with a file that has none. */
function isHuge(flags: number, file: OpenFile | undefined): boolean {
  const asked = (flags & MAP_HUGETLB) !== 0
  if (file !== undefined) {
    if (asked && !file.huge) throw EINVAL
    return file.huge
  }
  const log = (flags >>> MAP_HUGE_SHIFT) & 0x3f
  if (asked && log !== 0 && log !== HUGE_PAGE_LOG) throw EINVAL
  return asked
}

/** Whole pages, or huge pages. EINVAL: 0; ENOMEM: nothing is so long. */
function lengthOf(length: bigint, huge: boolean): number {
  const unit = huge ? HUGE_PAGE : PAGE
  if (length === 0n) throw EINVAL
  const rounded = ((length + unit - 1n) / unit) * unit
  if (rounded >= LENGTH_MAX) throw ENOMEM
  return Number(rounded)
}

/** Where to: fixed, or at a hint if nothing is there. */
function placeOf({ address = 0n, flags }: MmapArguments): {
  address?: bigint
  noReplace?: boolean
  hint?: bigint
} {
  const noReplace = (flags & MAP_FIXED_NOREPLACE) !== 0
  if (noReplace || (flags & MAP_FIXED) !== 0) return { address, noReplace }
  const hint = address - (address % PAGE)
  if (hint === 0n || hint >= LENGTH_MAX) return {}
  return { hint: hint < ADDRESS_MIN ? ADDRESS_MIN : hint }
}

function checkAnonymous(flags: number): void {
  const type = flags & MAP_TYPE
  if (type !== MAP_SHARED && type !== MAP_PRIVATE && type !== MAP_DROPPABLE) throw EINVAL
}

/** What any file refuses, before anything is unmapped. */
function checkFile(file: OpenFile, flags: number, prot: number, endPage: number): void {
  if (endPage > file.pagesMax) throw EOVERFLOW
  const type = flags & MAP_TYPE
  const mode = file.flags & O_ACCMODE
  if (type < MAP_SHARED || type > MAP_SHARED_VALIDATE) throw EINVAL
  if (type === MAP_SHARED_VALIDATE && (flags & MAP_SYNC) !== 0) throw EOPNOTSUPP
  if (type !== MAP_PRIVATE && canWrite(prot) && mode !== O_RDWR && mode !== O_WRONLY) throw EACCES
  if (mode !== O_RDWR && mode !== O_RDONLY) throw EACCES
  if (!file.executable && (prot & PROT_EXEC) !== 0) throw EPERM
  if (file.mmap === OpenFile.prototype.mmap) throw ENODEV
}

function backingOf(file: OpenFile, mapping: Mapping, shared: boolean): Backing {
  const { object, objectPage, refusedProt = 0 } = mapping
  const readOnly = shared && (file.flags & O_ACCMODE) !== O_RDWR
  const refused = refusedProt | (readOnly ? PROT_WRITE : 0) | (file.executable ? 0 : PROT_EXEC)
  const maxProt = PROT_ALL & ~refused
  return { object, objectPage, shared, huge: file.huge, maxProt, holder: holderOf(file, mapping) }
}

/** Each area holds the file, and who else has to know. */
function holderOf(file: OpenFile, { owner }: Mapping): AreaHolder {
  if (owner === undefined) return file
  return {
    get: () => {
      file.get()
      owner.get()
    },
    put: () => {
      owner.put()
      file.put()
    },
  }
}
