// SPDX-License-Identifier: MIT
/** Numbers of the system calls around the descriptors, as x86-64 and arm64 have them. */

/** open(2). */
export const O_RDONLY = 0
export const O_WRONLY = 1
export const O_RDWR = 2
export const O_ACCMODE = 3
export const O_APPEND = 0x400
export const O_NONBLOCK = 0x800
export const O_LARGEFILE = 0x8000
export const O_PATH = 0x200000
export const O_CLOEXEC = 0x80000

/** fcntl(2). */
export const F_DUPFD = 0
export const F_GETFD = 1
export const F_SETFD = 2
export const F_GETFL = 3
export const F_SETFL = 4
export const F_DUPFD_CLOEXEC = 1030
export const F_ADD_SEALS = 1033
export const F_GET_SEALS = 1034
export const FD_CLOEXEC = 1

/** lseek(2). */
export const SEEK_SET = 0
export const SEEK_CUR = 1
export const SEEK_END = 2
export const SEEK_DATA = 3
export const SEEK_HOLE = 4

/** mmap(2). */
export const MAP_SHARED = 0x01
export const MAP_PRIVATE = 0x02
export const MAP_SHARED_VALIDATE = 0x03
export const MAP_TYPE = 0x0f
export const MAP_FIXED = 0x10
export const MAP_ANONYMOUS = 0x20
export const MAP_NORESERVE = 0x4000
export const MAP_POPULATE = 0x8000
export const MAP_HUGETLB = 0x40000
export const MAP_FIXED_NOREPLACE = 0x100000

/** madvise(2). */
export const MADV_NORMAL = 0
export const MADV_WILLNEED = 3
export const MADV_DONTNEED = 4
export const MADV_DONTFORK = 10
export const MADV_DOFORK = 11

/** memfd_create(2). */
export const MFD_CLOEXEC = 1
export const MFD_ALLOW_SEALING = 2
export const MFD_HUGETLB = 4
export const MFD_NOEXEC_SEAL = 8
export const MFD_EXEC = 16

/** setrlimit(2). */
export const RLIMIT_NOFILE = 7
export const RLIMIT_MEMLOCK = 8
export const RLIM_INFINITY: number = Number.POSITIVE_INFINITY
