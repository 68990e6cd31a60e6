// SPDX-License-Identifier: MIT
/** Fault reasons of page walks, and what a translation request gets for each reason (VT-d 7.1.3). */
import {
  WALK_NOT_CANONICAL,
  WALK_NOT_PRESENT,
  WALK_NO_PERMISSION,
  WALK_RESERVED_BITS,
  type WalkStatus,
} from '../../page-tables/walker.ts'
import {
  ACCESS_EXEC,
  ACCESS_WRITE,
  ATS_COMPLETER_ABORT,
  ATS_SUCCESS,
  ATS_UNSUPPORTED_REQUEST,
  type AtsStatus,
} from '../../pci/messages.ts'
import * as faults from './layout-faults.ts'
import { STAGE_MARK, STAGE_PAGE, STAGE_TABLE, type SecondStage } from './second-stage.ts'

/** Of a walk of the first stage; `atTop`: it stopped at the topmost table. */
export function firstStageReason(status: WalkStatus, atTop: boolean, access: number): number {
  if (status === WALK_NOT_PRESENT) return faults.SFS_2
  if (status === WALK_RESERVED_BITS) return faults.SFS_3
  if (status === WALK_NOT_CANONICAL) return faults.SGN_1
  if (status === WALK_NO_PERMISSION) return permissionReason(access)
  return atTop ? faults.SFS_4 : faults.SFS_1
}

/** Of a walk of the second stage alone. */
export function secondStageReason(status: WalkStatus, atTop: boolean, access: number): number {
  if (status === WALK_NOT_PRESENT) return faults.SSS_2
  if (status === WALK_RESERVED_BITS) return faults.SSS_3
  if (status === WALK_NOT_CANONICAL) return faults.SGN_5
  if (status === WALK_NO_PERMISSION) return permissionReason(access)
  return atTop ? faults.SSS_4 : faults.SSS_1
}

/** Of a nested walk that the second stage ended. */
export function nestedReason(stage: SecondStage, access: number): number {
  const { status, phase } = stage
  if (phase === STAGE_PAGE) return secondStageReason(status, stage.stoppedAtTop, access)
  if (status === WALK_NOT_CANONICAL) return faults.SFS_5
  if (status !== WALK_NO_PERMISSION) return secondStageReason(status, stage.stoppedAtTop, access)
  if (phase === STAGE_MARK) return faults.SFS_8
  return phase === STAGE_TABLE ? faults.SFS_7 : faults.SFS_6
}

function permissionReason(access: number): number {
  if ((access & ACCESS_WRITE) !== 0) return faults.SGN_6
  return (access & ACCESS_EXEC) === 0 ? faults.SGN_7 : faults.SGN_3
}

/** Tables that are wrong or not in memory: Completer Abort. */
const ABORTS: readonly number[] = [
  faults.SRTA_1,
  faults.SRT_1,
  faults.SRT_3,
  faults.SCT_1,
  faults.SCT_3,
  faults.SCT_4,
  faults.SCT_9,
  faults.SPD_1,
  faults.SPD_3,
  faults.SPT_1,
  faults.SPT_3,
  faults.SPT_4,
  faults.SFS_1,
  faults.SFS_3,
  faults.SFS_4,
  faults.SFS_5,
  faults.SSS_1,
  faults.SSS_3,
  faults.SSS_4,
]

/** Translations that are not there, or not for this access: completed without a translation, and not recorded. */
const RECOVERABLE: readonly number[] = [
  faults.SPT_5,
  faults.SPT_6,
  faults.SFS_2,
  faults.SFS_6,
  faults.SFS_7,
  faults.SFS_8,
  faults.SSS_2,
  faults.SGN_1,
  faults.SGN_2,
  faults.SGN_3,
  faults.SGN_4,
  faults.SGN_5,
  faults.SGN_6,
  faults.SGN_7,
  faults.SGN_8,
]

/** By reason: the AtsStatus. */
const COMPLETIONS: Uint8Array = new Uint8Array(256).fill(ATS_UNSUPPORTED_REQUEST)
for (const reason of ABORTS) COMPLETIONS[reason] = ATS_COMPLETER_ABORT
for (const reason of RECOVERABLE) COMPLETIONS[reason] = ATS_SUCCESS

/** How a translation request that failed for the reason is completed; ATS_SUCCESS: without a translation. */
export function completionOf(reason: number): AtsStatus {
  const status = COMPLETIONS[reason]
  if (status === ATS_SUCCESS) return ATS_SUCCESS
  return status === ATS_COMPLETER_ABORT ? ATS_COMPLETER_ABORT : ATS_UNSUPPORTED_REQUEST
}
