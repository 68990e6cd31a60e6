// SPDX-License-Identifier: MIT
/** Numbers of the system calls around the descriptors, as x86-64 and arm64 have them. */

/** open(2). */
export const O_RDONLY = 0
export const O_WRONLY = 1
export const O_RDWR = 2
export const O_ACCMODE = 3
export const O_TRUNC = 0x200
export const O_APPEND = 0x400
export const O_NONBLOCK = 0x800
export const O_DIRECT = 0x4000
export const O_LARGEFILE = 0x8000
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
export const F_SEAL_SEAL = 1
export const F_SEAL_SHRINK = 2
export const F_SEAL_GROW = 4
export const F_SEAL_WRITE = 8
export const F_SEAL_FUTURE_WRITE = 16
export const F_SEAL_EXEC = 32
export const F_SEALS_ALL = 63

/** ioctl(2): what every file knows. */
export const FIGETBSZ = 2
export const FIONBIO = 0x5421
export const FIONREAD = 0x541b
export const FIONCLEX = 0x5450
export const FIOCLEX = 0x5451
export const FIOASYNC = 0x5452

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
export const MAP_DROPPABLE = 0x08
export const MAP_TYPE = 0x0f
export const MAP_FIXED = 0x10
export const MAP_ANONYMOUS = 0x20
export const MAP_NORESERVE = 0x4000
export const MAP_POPULATE = 0x8000
/** Only with MAP_SHARED_VALIDATE, on files that have it. */
export const MAP_SYNC = 0x80000
export const MAP_HUGETLB = 0x40000
/** Of the size of huge pages in the flags of mmap(2) and memfd_create(2): its logarithm, 0 for the default. */
export const MAP_HUGE_SHIFT = 26
export const MAP_FIXED_NOREPLACE = 0x100000

/** What mprotect(2) takes beside PROT_READ, PROT_WRITE and PROT_EXEC. */
export const PROT_SEM = 8
export const PROT_GROWSDOWN = 0x01000000
export const PROT_GROWSUP = 0x02000000

/** madvise(2). */
export const MADV_NORMAL = 0
export const MADV_RANDOM = 1
export const MADV_SEQUENTIAL = 2
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
