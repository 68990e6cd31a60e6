// SPDX-License-Identifier: MIT
/** Pages of 2 MiB, which some tests need and only the host can reserve. */
import { readFileSync } from 'node:fs'

/** So many suffice for every test. */
export const HUGE_PAGES_WANTED = 128

const KIB = 2048

/** `enough`; `none`: the host has none, as a kernel that was never asked for any; `some`: verdicts depend on chance. */
export type HugePages = 'enough' | 'some' | 'none'

export function hugePagesHere(): HugePages {
  return hugePagesIn(readFileSync('/proc/meminfo', 'utf8'))
}

/** How many pages of 2 MiB nobody uses. */
export function hugePagesFree(): number {
  return freeIn(readFileSync('/proc/meminfo', 'utf8'))
}

/** `text`: of /proc/meminfo. */
export function hugePagesIn(text: string): HugePages {
  if (freeIn(text) >= HUGE_PAGES_WANTED) return 'enough'
  return field(text, 'HugePages_Total') === 0 ? 'none' : 'some'
}

function freeIn(text: string): number {
  return field(text, 'Hugepagesize') === KIB ? field(text, 'HugePages_Free') : 0
}

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
}
