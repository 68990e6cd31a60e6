// SPDX-License-Identifier: MIT
/**
 * The system calls of a program that come to iopf, and when. Everything else runs untouched. When iopf is killed they all
 * fail with ENOSYS: nothing that a program needs in order to end may be among them.
 */

/**
 * `always`; `iommu`: an ioctl of type `;`, or that asks for a length, or on a reserved descriptor; `reserved`: the first argument is a descriptor of
 * the range kept for fault queues; `records`: that, or a count that a fault queue's records could have; `answers`: that, or a
 * small count that answers could have; `duplicate`: that,
 * and the command makes a second descriptor, or any F_GETFL; `mapping`: shared memory of a file; `region`: an offset that only regions of devices have; `refuse`: answered ENOSYS at once.
 */
export type When =
  | 'always'
  | 'iommu'
  | 'reserved'
  | 'records'
  | 'answers'
  | 'duplicate'
  | 'mapping'
  | 'region'
  | 'refuse'

export type CallName =
  | 'read'
  | 'write'
  | 'ioctl'
  | 'readv'
  | 'writev'
  | 'pread'
  | 'pwrite'
  | 'preadv2'
  | 'pwritev2'
  | 'mmap'
  | 'fcntl'
  | 'dup'
  | 'open'
  | 'openat'
  | 'openat2'
  | 'creat'
  | 'stat'
  | 'lstat'
  | 'fstatat'
  | 'statx'
  | 'access'
  | 'faccessat'
  | 'faccessat2'
  | 'readlink'
  | 'readlinkat'
  | 'attributes'
  | 'ftruncate'
  | 'execve'
  | 'execveat'
  | 'io_uring_setup'

export interface TrappedCall {
  readonly name: CallName
  /** Number on x86-64; `undefined`: not there. */
  readonly x64?: number
  /** Number on i386. */
  readonly i386?: number
  readonly when: When
}

/** Those that every program makes all the time come first: the filter looks from the top. */
export const TRAPPED_CALLS: readonly TrappedCall[] = [
  { name: 'read', x64: 0, i386: 3, when: 'records' },
  { name: 'write', x64: 1, i386: 4, when: 'answers' },
  { name: 'ioctl', x64: 16, i386: 54, when: 'iommu' },
  { name: 'pread', x64: 17, when: 'region' },
  { name: 'pwrite', x64: 18, when: 'region' },
  { name: 'readv', x64: 19, i386: 145, when: 'reserved' },
  { name: 'writev', x64: 20, i386: 146, when: 'reserved' },
  { name: 'mmap', x64: 9, i386: 192, when: 'mapping' },
  { name: 'fcntl', x64: 72, i386: 55, when: 'duplicate' },
  { name: 'fcntl', i386: 221, when: 'duplicate' },
  { name: 'openat', x64: 257, i386: 295, when: 'always' },
  { name: 'open', x64: 2, i386: 5, when: 'always' },
  { name: 'fstatat', x64: 262, i386: 300, when: 'always' },
  { name: 'stat', x64: 4, i386: 195, when: 'always' },
  { name: 'lstat', x64: 6, i386: 196, when: 'always' },
  { name: 'statx', x64: 332, i386: 383, when: 'always' },
  { name: 'access', x64: 21, i386: 33, when: 'always' },
  { name: 'faccessat', x64: 269, i386: 307, when: 'always' },
  { name: 'faccessat2', x64: 439, i386: 439, when: 'always' },
  { name: 'openat2', x64: 437, i386: 437, when: 'always' },
  { name: 'creat', x64: 85, i386: 8, when: 'always' },
  { name: 'readlink', x64: 89, i386: 85, when: 'always' },
  { name: 'readlinkat', x64: 267, i386: 305, when: 'always' },
  { name: 'attributes', x64: 191, i386: 229, when: 'always' },
  { name: 'attributes', x64: 192, i386: 230, when: 'always' },
  { name: 'attributes', x64: 194, i386: 232, when: 'always' },
  { name: 'attributes', x64: 195, i386: 233, when: 'always' },
  { name: 'execve', x64: 59, i386: 11, when: 'always' },
  { name: 'execveat', x64: 322, i386: 358, when: 'always' },
  { name: 'ftruncate', x64: 77, i386: 93, when: 'always' },
  { name: 'ftruncate', i386: 194, when: 'always' },
  { name: 'dup', x64: 32, i386: 41, when: 'reserved' },
  { name: 'preadv2', x64: 327, i386: 378, when: 'reserved' },
  { name: 'pwritev2', x64: 328, i386: 379, when: 'reserved' },
  { name: 'io_uring_setup', x64: 425, i386: 425, when: 'refuse' },
]
