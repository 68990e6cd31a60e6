// SPDX-License-Identifier: MIT
import * as walks from '../../page-tables/walker.ts'
import type { WalkStatus } from '../../page-tables/walker.ts'
import {
  EVT_F_ACCESS,
  EVT_F_ADDR_SIZE,
  EVT_F_PERMISSION,
  EVT_F_TRANSLATION,
  EVT_F_WALK_EABT,
} from './layout-queues.ts'

/** The EVT_ of a walk that failed. */
export function eventOfWalk(status: WalkStatus): number {
  switch (status) {
    case walks.WALK_ACCESS_FLAG:
      return EVT_F_ACCESS
    case walks.WALK_NO_PERMISSION:
      return EVT_F_PERMISSION
    case walks.WALK_RESERVED_BITS:
      return EVT_F_ADDR_SIZE
    case walks.WALK_TABLE_ACCESS:
      return EVT_F_WALK_EABT
    default:
      return EVT_F_TRANSLATION
  }
}
