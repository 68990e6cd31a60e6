// SPDX-License-Identifier: MIT
import { EINVAL, ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import type { IoasChangeProcess } from '../../abi/index.ts'
import type { Caller } from '../../files.ts'
import type { Context } from '../context.ts'
import { IoasObject } from './ioas.ts'
import { ACCOUNT_NONE, ACCOUNT_USER, type Pages } from './pages.ts'

/**
 * IOMMU_IOAS_CHANGE_PROCESS: what the context has pinned of files is charged to the calling process from now on.
 * EOPNOTSUPP, EINVAL (memory that is not a file's), ENOMEM (over the limit; nothing changed) (`spec/02` §3.8). EINVAL
 * also when an address space that paid has ended: all else has happened (observed on 7.2.13, with a warning).
 */
export function ioasChangeProcess(context: Context, command: IoasChangeProcess, caller: Caller): void {
  if (command.__reserved !== 0) throw EOPNOTSUPP
  const pages = filePages(context)
  const moved = [...pages].filter((entry) => isChargeMoved(entry, caller))
  chargeAll(moved, caller)
  const failed = moved.filter((entry) => !entry.uncharged())
  for (const entry of pages) entry.changeProcess(caller)
  if (failed.length > 0) throw EINVAL
}

/** Each pages object once, by IOAS and address. */
function filePages(context: Context): Set<Pages> {
  const found = new Set<Pages>()
  for (const object of context.objects.objects()) {
    if (!(object instanceof IoasObject)) continue
    for (const { pages } of object.areas.values()) {
      if (pages.file === undefined) throw EINVAL
      found.add(pages)
    }
  }
  return found
}

/** Uncounted pages move without their charge: VmPin stays with the old process (observed on 7.2.13). */
function isChargeMoved(pages: Pages, caller: Caller): boolean {
  if (pages.accountMode === ACCOUNT_NONE) return false
  return pages.mm !== caller.mm || (pages.accountMode === ACCOUNT_USER && pages.user !== caller.user)
}

/** The new process is charged before the old one is relieved, so that a limit both share can be in the way. */
function chargeAll(moved: readonly Pages[], caller: Caller): void {
  let done = 0
  for (; done < moved.length; done++) if (!moved[done]!.chargeTo(caller)) break
  if (done === moved.length) return
  while (--done >= 0) moved[done]!.unchargeFrom(caller)
  throw ENOMEM
}
