// SPDX-License-Identifier: MIT
import { ENOMEM, EOPNOTSUPP } from '../../../base/errno.ts'
import type { IoasAlloc } from '../../abi/index.ts'
import type { Context } from '../context.ts'
import { IoasObject } from './ioas.ts'

/** IOMMU_IOAS_ALLOC: EOPNOTSUPP, ENOMEM. */
export function ioasAlloc(context: Context, command: IoasAlloc): void {
  if (command.flags !== 0) throw EOPNOTSUPP
  if (context.world.failpoints.hit('alloc_ioas')) throw ENOMEM
  command.out_ioas_id = context.create(new IoasObject()).id
}
