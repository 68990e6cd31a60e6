// SPDX-License-Identifier: MIT
import { EINVAL } from '../../base/errno.ts'
import type { FdTable } from '../files.ts'
import { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFD, FD_CLOEXEC } from './constants.ts'

/** fcntl(2). EBADF; EINVAL: an unknown command, or F_DUPFD at or above the limit; EMFILE. */
export function fcntl(files: FdTable, fd: number, command: number, argument: number): number {
  const file = files.get(fd)
  switch (command) {
    case F_DUPFD:
      return files.dup(fd, argument, false)
    case F_DUPFD_CLOEXEC:
      return files.dup(fd, argument, true)
    case F_GETFD:
      return files.closesOnExec(fd) ? FD_CLOEXEC : 0
    case F_SETFD:
      files.setCloseOnExec(fd, (argument & FD_CLOEXEC) !== 0)
      return 0
    case F_GETFL:
      return file.flags
    default:
      throw EINVAL
  }
}
