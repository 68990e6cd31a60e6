// SPDX-License-Identifier: MIT

/** Descriptors that are kept for fault queues: from `first` up to, without, `end`. */
export interface ReservedRange {
  readonly first: number
  readonly end: number
}

/** Descriptors from here on are useless to select(2). */
const SELECT_END = 1024
const COUNT = 64

/** The highest numbers that select(2) and the limit of open files allow. */
export function reservedRange(openFilesMax: number): ReservedRange {
  const end = Math.max(COUNT, Math.min(SELECT_END, openFilesMax))
  return { first: end - COUNT, end }
}
