// SPDX-License-Identifier: MIT
import { EINVAL, EOPNOTSUPP } from '../../../base/errno.ts'
import { IOMMU_OPTION_OP_GET, IOMMU_OPTION_OP_SET, type Option } from '../../abi/index.ts'
import type { Context } from '../context.ts'
import { getIoas } from '../lookup.ts'

/** IOMMU_OPTION with HUGE_PAGES, after `__reserved` (`spec/02` §3.7, §12): ENOENT, EOPNOTSUPP, EINVAL, EADDRINUSE. */
export function ioasHugePages(context: Context, command: Option): void {
  const ioas = getIoas(context, command.object_id)
  if (command.op === IOMMU_OPTION_OP_GET) {
    command.val64_hi = 0
    command.val64_lo = ioas.largePages ? 1 : 0
    return
  }
  if (command.op !== IOMMU_OPTION_OP_SET) throw EOPNOTSUPP
  if (command.val64_hi !== 0) throw EINVAL
  if (command.val64_lo === 0) ioas.disableLargePages()
  else if (command.val64_lo === 1) ioas.enableLargePages()
  else throw EINVAL
}
