// SPDX-License-Identifier: MIT
import { EINVAL, ENOMEM, EOVERFLOW } from '../../base/errno.ts'
import type { TestCmdAddReserved } from '../abi/index.ts'
import type { Context } from '../objects/context.ts'
import { Sum } from '../objects/ioas/span.ts'
import { getIoas } from '../objects/lookup.ts'

const last = new Sum()

/** ADD_RESERVED: reserved for nobody, until the IOAS goes. EINVAL, EOVERFLOW, ENOENT, EADDRINUSE, ENOMEM. */
export function addReserved(context: Context, command: TestCmdAddReserved): void {
  const { start_hi, start_lo, length_hi, length_lo } = command
  if ((length_hi | length_lo) === 0) throw EINVAL
  last.addLength(start_hi, start_lo, length_hi, length_lo)
  if (last.overflow) throw EOVERFLOW
  const { hi, lo } = last
  const ioas = getIoas(context, command.id)
  if (context.world.failpoints.hit('alloc_reserved')) throw ENOMEM
  ioas.reserve(start_hi, start_lo, hi, lo, undefined)
}
