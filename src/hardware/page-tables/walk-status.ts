// SPDX-License-Identifier: MIT
import type { Translation } from '../pci/messages.ts'

export const WALK_OK = 0
export const WALK_NOT_PRESENT = 1
export const WALK_NO_PERMISSION = 2
export const WALK_RESERVED_BITS = 3
export const WALK_NOT_CANONICAL = 4
/** A table lies outside RAM. */
export const WALK_TABLE_ACCESS = 5
/** The second stage refused a table or the page. */
export const WALK_SECOND_STAGE = 6
/** The page was never accessed, and the walk is not to note that it is. */
export const WALK_ACCESS_FLAG = 7

export type WalkStatus =
  | typeof WALK_OK
  | typeof WALK_NOT_PRESENT
  | typeof WALK_NO_PERMISSION
  | typeof WALK_RESERVED_BITS
  | typeof WALK_NOT_CANONICAL
  | typeof WALK_TABLE_ACCESS
  | typeof WALK_SECOND_STAGE
  | typeof WALK_ACCESS_FLAG

/** The second stage of a nested walk. Frames of the tables and of the page are then guest frames. */
export interface TableTranslator {
  /** Host frame of a table that is read (`write`: whose accessed or dirty bit is set), or -1. */
  tableFrame(guestFrame: number, write: boolean): number
  /** Translates `out.frame`, narrows `out.shift` and `out.access`. `false`: refused. */
  page(access: number, out: Translation): boolean
}
