// SPDX-License-Identifier: MIT
import { ARCH_I386 } from '../filter.ts'
import { type CallName, TRAPPED_CALLS } from '../trapped-calls.ts'
import { dup, fcntl } from './duplicate.ts'
import type { Handler } from './handler.ts'
import { ioctl } from './ioctl.ts'
import { leave } from './leave.ts'
import {
  access,
  attributes,
  faccessat,
  faccessat2,
  fstatat,
  lstat,
  readlink,
  readlinkat,
  stat,
  statx,
} from './look.ts'
import { mmap } from './map.ts'
import { creat, open, openat, openat2 } from './open.ts'
import { ftruncate } from './truncate.ts'
import { pread, preadv2, pwrite, pwritev2, read, readv, write, writev } from './transfer.ts'

/** `undefined`: answered by the filter alone. */
const HANDLERS: Readonly<Record<CallName, Handler | undefined>> = {
  read,
  write,
  ioctl,
  mmap,
  readv,
  writev,
  pread,
  pwrite,
  preadv2,
  pwritev2,
  fcntl,
  dup,
  open,
  openat,
  openat2,
  creat,
  stat,
  lstat,
  fstatat,
  statx,
  access,
  faccessat,
  faccessat2,
  readlink,
  readlinkat,
  attributes,
  ftruncate,
  execve: leave,
  execveat: leave,
  io_uring_setup: undefined,
}

const X64: ReadonlyMap<number, Handler> = byNumber('x64')
const I386: ReadonlyMap<number, Handler> = byNumber('i386')

function byNumber(arch: 'x64' | 'i386'): Map<number, Handler> {
  const found = new Map<number, Handler>()
  for (const call of TRAPPED_CALLS) {
    const number = call[arch]
    const handler = HANDLERS[call.name]
    if (number !== undefined && handler !== undefined) found.set(number, handler)
  }
  return found
}

/** Who serves a system call. */
export function handlerOf(arch: number, number: number): Handler | undefined {
  return (arch === ARCH_I386 ? I386 : X64).get(number)
}
