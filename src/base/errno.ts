// SPDX-License-Identifier: MIT
/**
 * An expected failure inside the kernel side: thrown, one frozen object a code, without a stack trace.
 * Caught in two places only: the ioctl/file dispatcher and the typed door (`iommufd/error.ts`).
 */
export interface Errno {
  /** Name as in errno(3), for instance `EINVAL`. */
  readonly code: ErrnoCode
  /** Positive Linux number on x86-64 and arm64, for instance 22. */
  readonly errno: number
}

const NUMBERS = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ENOSPC: 28,
  ESPIPE: 29,
  ERANGE: 34,
  EDEADLK: 35,
  EBADE: 52,
  EOVERFLOW: 75,
  EBADFD: 77,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EPROBE_DEFER: 517,
} as const

export type ErrnoCode = keyof typeof NUMBERS

class ErrnoValue implements Errno {
  readonly code: ErrnoCode
  readonly errno: number
  constructor(code: ErrnoCode) {
    this.code = code
    this.errno = NUMBERS[code]
    Object.freeze(this)
  }
}

export const EPERM: Errno = new ErrnoValue('EPERM')
export const ENOENT: Errno = new ErrnoValue('ENOENT')
export const ESRCH: Errno = new ErrnoValue('ESRCH')
export const EINTR: Errno = new ErrnoValue('EINTR')
export const EIO: Errno = new ErrnoValue('EIO')
export const ENXIO: Errno = new ErrnoValue('ENXIO')
export const E2BIG: Errno = new ErrnoValue('E2BIG')
export const EBADF: Errno = new ErrnoValue('EBADF')
export const EAGAIN: Errno = new ErrnoValue('EAGAIN')
export const ENOMEM: Errno = new ErrnoValue('ENOMEM')
export const EACCES: Errno = new ErrnoValue('EACCES')
export const EFAULT: Errno = new ErrnoValue('EFAULT')
export const EBUSY: Errno = new ErrnoValue('EBUSY')
export const EEXIST: Errno = new ErrnoValue('EEXIST')
export const ENODEV: Errno = new ErrnoValue('ENODEV')
export const ENOTDIR: Errno = new ErrnoValue('ENOTDIR')
export const EISDIR: Errno = new ErrnoValue('EISDIR')
export const EINVAL: Errno = new ErrnoValue('EINVAL')
export const ENFILE: Errno = new ErrnoValue('ENFILE')
export const EMFILE: Errno = new ErrnoValue('EMFILE')
export const ENOTTY: Errno = new ErrnoValue('ENOTTY')
export const ENOSPC: Errno = new ErrnoValue('ENOSPC')
export const ESPIPE: Errno = new ErrnoValue('ESPIPE')
export const ERANGE: Errno = new ErrnoValue('ERANGE')
export const EDEADLK: Errno = new ErrnoValue('EDEADLK')
export const EBADE: Errno = new ErrnoValue('EBADE')
export const EOVERFLOW: Errno = new ErrnoValue('EOVERFLOW')
export const EBADFD: Errno = new ErrnoValue('EBADFD')
export const EMSGSIZE: Errno = new ErrnoValue('EMSGSIZE')
export const EOPNOTSUPP: Errno = new ErrnoValue('EOPNOTSUPP')
export const EADDRINUSE: Errno = new ErrnoValue('EADDRINUSE')
export const EPROBE_DEFER: Errno = new ErrnoValue('EPROBE_DEFER')

export function isErrno(value: unknown): value is Errno {
  return value instanceof ErrnoValue
}
