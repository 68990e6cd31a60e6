// SPDX-License-Identifier: MIT
import { PAGE_BYTES } from '../../../base/u64.ts'
import type { Caller, UserAccount } from '../../files.ts'
import type { AddressSpace } from '../../user-memory.ts'

/** What pinned pages are charged to (`spec/02` §3.8). */
export const ACCOUNT_NONE = 0
export const ACCOUNT_USER = 1
export const ACCOUNT_MM = 2
export type AccountMode = typeof ACCOUNT_NONE | typeof ACCOUNT_USER | typeof ACCOUNT_MM

// An imported constant is a load at each use, one of the module itself is part of the code.
const BYTES = PAGE_BYTES
const USER = ACCOUNT_USER
const MM = ACCOUNT_MM

/** `process`: whose RLIMIT_MEMLOCK. `false`, and nothing happens: over it. */
export function charge(
  mode: AccountMode,
  process: Caller,
  mm: AddressSpace,
  user: UserAccount,
  pages: number,
): boolean {
  if (pages === 0) return true
  if (mode === USER) {
    const locked = user.lockedPages + pages
    if (locked * BYTES > process.memlockBytes) return false
    user.lockedPages = locked
  } else if (mode === MM) {
    const locked = mm.lockedVm + pages
    if (locked * BYTES > process.memlockBytes) return false
    mm.lockedVm = locked
  }
  mm.pinnedVm += pages
  return true
}

/** `false`, and nothing happens: the address space that would have it back has ended (observed on 7.2.13). */
export function uncharge(mode: AccountMode, mm: AddressSpace, user: UserAccount, pages: number): boolean {
  if (mode === USER) user.lockedPages -= pages
  else if (mode === MM) {
    if (!mm.alive && pages > 0) return false
    mm.lockedVm -= pages
  }
  mm.pinnedVm -= pages
  return true
}
