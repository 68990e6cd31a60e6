// SPDX-License-Identifier: MIT
/** mmap(2) of files of ours. */
import { EACCES, EINVAL, ENOMEM } from '../../../base/errno.ts'
import { PAGE_BYTES } from '../../../base/u64.ts'
import { O_ACCMODE, O_RDONLY, O_WRONLY, PROT_WRITE } from '../../sys/numbers.ts'
import { ARCH_I386 } from '../filter.ts'
import type { Outcome, Ports } from './handler.ts'

const MAP_TYPE = 0xf
const MAP_SHARED = 1
const MAP_PRIVATE = 2
const MAP_SHARED_VALIDATE = 3
const MAP_NORESERVE = 0x4000
/** Longest mapping: nothing of ours is longer. */
const PAGES_MAX = 2 ** 18

/** The kernel maps the stand-in, which shows what the file would show. */
export function mmap({ listener, threads, mappedFiles }: Ports): Outcome {
  const file = threads.find(listener.tid, listener.int(4))
  if (file === undefined) return 'proceed'
  const lengthBytes = listener.argument(1)
  const offset = listener.argument(5) * (listener.arch === ARCH_I386 ? PAGE_BYTES : 1)
  if (lengthBytes === 0 || offset % PAGE_BYTES !== 0) throw EINVAL
  const pages = Math.ceil(lengthBytes / PAGE_BYTES)
  if (pages > PAGES_MAX) throw ENOMEM
  const flags = listener.int(3)
  checkMode(file.flags & O_ACCMODE, listener.int(2), flags & MAP_TYPE)
  const type = flags & MAP_TYPE
  const request = {
    pages,
    firstPage: offset / PAGE_BYTES,
    prot: listener.int(2),
    shared: type === MAP_SHARED || type === MAP_SHARED_VALIDATE,
    reserve: (flags & MAP_NORESERVE) === 0,
  }
  mappedFiles.show(threads.program, file, request)
  return 'proceed'
}

/** EACCES: a mapping of a file that cannot be read, or to be written of one that cannot be written. */
function checkMode(mode: number, prot: number, type: number): void {
  if (mode === O_WRONLY) throw EACCES
  if (type !== MAP_PRIVATE && (prot & PROT_WRITE) !== 0 && mode === O_RDONLY) throw EACCES
}
