// SPDX-License-Identifier: MIT
import { EINVAL } from '../../base/errno.ts'
import type { FdTable, OpenFile } from '../files.ts'
import {
  F_ADD_SEALS,
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_GET_SEALS,
  F_GETFD,
  F_GETFL,
  F_SETFD,
  F_SETFL,
  FD_CLOEXEC,
  O_APPEND,
  O_DIRECT,
  O_NONBLOCK,
} from './constants.ts'

/** What F_SETFL changes; the rest of its argument is ignored. */
const SETTABLE = O_APPEND | O_NONBLOCK

/** fcntl(2). EBADF; EINVAL: an unknown command, or F_DUPFD at or above the limit; EMFILE; the errors of seals. */
export function fcntl(files: FdTable, fd: number, command: number, argument: number): number {
  const file = files.get(fd)
  switch (command) {
    case F_DUPFD:
      return files.dupFrom(fd, argument, false)
    case F_DUPFD_CLOEXEC:
      return files.dupFrom(fd, argument, true)
    case F_GETFD:
      return files.closesOnExec(fd) ? FD_CLOEXEC : 0
    case F_SETFD:
      files.setCloseOnExec(fd, (argument & FD_CLOEXEC) !== 0)
      return 0
    case F_GETFL:
      return file.flags
    case F_SETFL:
      return setFlags(file, argument)
    case F_GET_SEALS:
      return file.seals
    case F_ADD_SEALS:
      file.addSeals(argument)
      return 0
    default:
      throw EINVAL
  }
}

function setFlags(file: OpenFile, flags: number): number {
  if ((flags & O_DIRECT) !== 0) throw EINVAL
  file.flags = (file.flags & ~SETTABLE) | (flags & SETTABLE)
  return 0
}
