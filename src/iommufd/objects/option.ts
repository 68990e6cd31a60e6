// SPDX-License-Identifier: MIT
import { EBUSY, EINVAL, EOPNOTSUPP, EPERM } from '../../base/errno.ts'
import {
  IOMMU_OPTION_HUGE_PAGES,
  IOMMU_OPTION_OP_GET,
  IOMMU_OPTION_OP_SET,
  IOMMU_OPTION_RLIMIT_MODE,
  type Option,
} from '../abi/index.ts'
import type { Caller } from '../files.ts'
import type { Context } from './context.ts'
import { ioasHugePages } from './ioas/ioas-option.ts'
import { ACCOUNT_MM, ACCOUNT_USER } from './ioas/pages.ts'

/** IOMMU_OPTION (`spec/02` §3.7): EOPNOTSUPP, and what the option says. */
export function option(context: Context, command: Option, caller: Caller): void {
  if (command.__reserved !== 0) throw EOPNOTSUPP
  if (command.option_id === IOMMU_OPTION_RLIMIT_MODE) rlimitMode(context, command, caller)
  else if (command.option_id === IOMMU_OPTION_HUGE_PAGES) ioasHugePages(context, command)
  else throw EOPNOTSUPP
}

/** What pinned pages are charged to. EOPNOTSUPP, EPERM, EBUSY (an object exists), EINVAL. */
function rlimitMode(context: Context, command: Option, caller: Caller): void {
  if (command.object_id !== 0) throw EOPNOTSUPP
  if (command.op === IOMMU_OPTION_OP_GET) {
    command.val64_hi = 0
    command.val64_lo = context.accountMode === ACCOUNT_MM ? 1 : 0
    return
  }
  if (command.op !== IOMMU_OPTION_OP_SET) throw EOPNOTSUPP
  if (!caller.capSysResource) throw EPERM
  if (!context.objects.empty) throw EBUSY
  if (command.val64_hi !== 0 || command.val64_lo >>> 0 > 1) throw EINVAL
  context.accountMode = command.val64_lo === 0 ? ACCOUNT_USER : ACCOUNT_MM
}
