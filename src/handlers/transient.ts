// SPDX-License-Identifier: MIT
import { EBUSY, EFAULT, ENOMEM } from '../base/errno.ts'
import { IommufdError } from '../iommufd/error.ts'

/** Attempts before a failure that should pass counts as one that does not. */
const ATTEMPTS_MAX = 100

/** A copy that faulted, memory or a cookie that could not be had: nothing was consumed, the call may be repeated. */
export function isTransient(thrown: unknown): boolean {
  if (thrown instanceof IommufdError) return ['EFAULT', 'ENOMEM', 'EBUSY'].includes(thrown.code)
  return thrown === EFAULT || thrown === ENOMEM || thrown === EBUSY
}

/** Repeats a call while it fails for a transient reason, a bounded number of times. */
export function persist<T>(call: () => T): T {
  for (let attempt = 1; ; attempt++) {
    try {
      return call()
    } catch (thrown) {
      if (attempt === ATTEMPTS_MAX || !isTransient(thrown)) throw thrown
    }
  }
}
