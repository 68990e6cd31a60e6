// SPDX-License-Identifier: MIT
/** What a program did with its fault queues that it should not have done. Plain data. */

/**
 * unanswered: read and never answered; unread: never read; answered-twice; unknown-cookie; refused-code; short-buffer: a
 * read whose length fits no record or no group; zero-for-end: no read after one that gave 0; answered-for-it: the kernel
 * answered first, because the queue's page table went away; left-open: by a process that ended.
 */
export type Rule =
  | 'unanswered'
  | 'unread'
  | 'answered-twice'
  | 'unknown-cookie'
  | 'refused-code'
  | 'short-buffer'
  | 'zero-for-end'
  | 'answered-for-it'
  | 'left-open'

/** Not wrong by itself. */
export const NOTES: ReadonlySet<Rule> = new Set<Rule>(['left-open'])

export interface Verdict {
  readonly rule: Rule
  /** Process, and descriptor in it; -1: none. */
  readonly pid: number
  readonly fd: number
  /** 0: none. */
  readonly cookie: number
  readonly text: string
}

/** Verdicts that are kept: a program that is wrong once a fault is wrong very often. */
export const VERDICTS_MAX = 1000
