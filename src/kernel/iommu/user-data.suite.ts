// SPDX-License-Identifier: MIT
import { EINVAL } from '../../base/errno.ts'
import type { UserData } from './user-data.ts'

/** A caller's data out of thin air; what is copied back lands in `bytes`. */
export function userDataOf(type: number, bytes: Uint8Array): UserData {
  return {
    type,
    lengthBytes: bytes.length,
    copyStruct: (wanted, minBytes, structBytes) => {
      if (wanted !== type || bytes.length < minBytes || bytes.length > structBytes) throw EINVAL
      const copy = new Uint8Array(structBytes)
      copy.set(bytes)
      return copy
    },
    copyBack: (changed) => bytes.set(changed.subarray(0, bytes.length)),
  }
}
