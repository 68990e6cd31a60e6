// SPDX-License-Identifier: MIT
/** Numbers of Linux on x86-64 that the system calls here need. */

export const AT_FDCWD = -100
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_EMPTY_PATH = 0x1000

export const O_RDONLY = 0
export const O_WRONLY = 1
export const O_RDWR = 2
export const O_ACCMODE = 3
export const O_CREAT = 0o100
export const O_EXCL = 0o200
export const O_NONBLOCK = 0o4000
export const O_LARGEFILE = 0o100000
export const O_DIRECTORY = 0o200000
export const O_NOFOLLOW = 0o400000
export const O_CLOEXEC = 0o2000000
export const O_PATH = 0o10000000

export const FALLOC_FL_KEEP_SIZE = 1

export const PROT_WRITE = 2
export const MAP_SHARED = 1

export const F_SETFD = 2

export const SIG_SETMASK = 2

export const POLLIN = 0x1
export const POLLHUP = 0x10

export const EINTR = 4
export const EAGAIN = 11
export const ENOENT = 2
export const ESRCH = 3

export const IN_CLOSE_WRITE = 0x8
export const IN_CLOSE_NOWRITE = 0x10

export const RLIMIT_CORE = 4
export const RLIMIT_NOFILE = 7
export const RLIMIT_MEMLOCK = 8

export const CAP_IPC_LOCK = 14
export const CAP_SYS_RESOURCE = 24

export const NR_NEWFSTATAT = 262
export const NR_CAPGET = 125
export const NR_FALLOCATE = 285
export const NR_SECCOMP = 317
export const NR_PIDFD_OPEN = 434
export const NR_PIDFD_GETFD = 438
