// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import * as module from './errno.ts'

/** Numbers of asm-generic/errno-base.h and errno.h as documented in errno(3); 517 is kernel-internal. */
const EXPECTED: Record<string, number> = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENOTTY: 25,
  ENOSPC: 28,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
}

describe('errno', () => {
  it('exports each code under its own name', () => {
    for (const [name, value] of Object.entries(module))
      if (module.isErrno(value)) expect(value.code).toBe(name)
  })

  it.each(Object.entries(EXPECTED))('%s is %i', (name, number) => {
    const errno = Object.values(module).find((value) => module.isErrno(value) && value.code === name)
    expect(errno).toMatchObject({ errno: number })
  })

  it('is frozen and told from every other thrown thing', () => {
    expect(Object.isFrozen(module.EINVAL)).toBe(true)
    for (const other of [new Error('EINVAL'), { code: 'EINVAL', errno: 22 }, undefined, null, 22])
      expect(module.isErrno(other)).toBe(false)
  })
})
