// SPDX-License-Identifier: MIT
import { EBADF, EINVAL, ENODEV } from '../../base/errno.ts'
import { Memfd } from '../../kernel/mm/memfd.ts'
import { MemoryObject } from '../../kernel/mm/memory-object.ts'
import type { Mm } from '../../kernel/mm/mm.ts'
import type { AreaHolder } from '../../kernel/mm/vma.ts'
import type { Caller, Mapping, OpenFile } from '../files.ts'
import { MADV_DONTNEED, MAP_ANONYMOUS, MAP_FIXED, MAP_SHARED, MAP_TYPE, MFD_CLOEXEC } from './constants.ts'
import { MemfdFile } from './memfd-file.ts'

/** A caller whose memory is ours. */
export interface MemoryCaller extends Caller {
  readonly mm: Mm
}

/** The arguments of mmap(2). */
export interface MmapArguments {
  /** A hint, or with MAP_FIXED the place. Default 0: anywhere. */
  readonly address?: bigint
  readonly length: bigint | number
  /** PROT_ bits. */
  readonly prot: number
  /** MAP_ bits. */
  readonly flags: number
  /** Default -1. */
  readonly fd?: number
  /** Bytes. Default 0. */
  readonly offset?: bigint | number
}

/** mmap(2). */
export function mmap(caller: MemoryCaller, request: MmapArguments): bigint {
  const { address = 0n, prot, flags, fd = -1 } = request
  const shared = (flags & MAP_TYPE) === MAP_SHARED
  const lengthBytes = Number(request.length)
  const fixed = (flags & MAP_FIXED) === 0 ? {} : { address }
  if ((flags & MAP_ANONYMOUS) !== 0) return caller.mm.mmap({ lengthBytes, prot, shared, ...fixed })
  const file = caller.files.find(fd)
  if (file === undefined) throw EBADF
  const pages = Math.ceil(lengthBytes / 4096)
  const firstPage = Number(request.offset ?? 0) / 4096
  const mapping = file.mmap(caller, { pages, firstPage, prot, shared, reserve: true })
  const { object, objectPage } = mapping
  const holder = holderOf(file, mapping)
  return caller.mm.mmap({ lengthBytes, prot, shared, object, objectPage, holder, ...fixed })
}

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

/** munmap(2). */
export function munmap(caller: MemoryCaller, address: bigint, lengthBytes: bigint): void {
  caller.mm.munmap(address, Number(lengthBytes))
}

/** mprotect(2). */
export function mprotect(caller: MemoryCaller, address: bigint, lengthBytes: bigint, prot: number): void {
  caller.mm.mprotect(address, Number(lengthBytes), prot)
}

/** madvise(2). */
export function madvise(caller: MemoryCaller, address: bigint, lengthBytes: bigint, advice: number): void {
  if (advice !== MADV_DONTNEED) throw EINVAL
  caller.mm.discard(address, Number(lengthBytes))
}

/** memfd_create(2). */
export function memfdCreate(caller: MemoryCaller, flags: number): number {
  if ((flags & ~MFD_CLOEXEC) !== 0) throw ENODEV
  const { frames } = caller.mm
  const fd = caller.files.reserve((flags & MFD_CLOEXEC) !== 0)
  caller.files.install(fd, new MemfdFile(new Memfd(new MemoryObject({ frames, pages: 0 }), frames)))
  return fd
}
