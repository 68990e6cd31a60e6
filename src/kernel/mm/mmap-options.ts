// SPDX-License-Identifier: MIT
import type { Backing } from './vma.ts'

export interface MmapOptions extends Backing {
  /** Rounded up to pages, or to huge pages. */
  readonly lengthBytes: number
  /** PROT_ bits. */
  readonly prot: number
  /** Fixed place, page aligned; what is there goes away (MAP_FIXED). Default: first fit. */
  readonly address?: bigint | undefined
  /** With `address`: EEXIST when something is there. */
  readonly noReplace?: boolean | undefined
  /** Where to go if nothing is there; page aligned. */
  readonly hint?: bigint | undefined
  /** Fault every page in now; what cannot be is left for later, as MAP_POPULATE does. */
  readonly populate?: boolean | undefined
  /** Huge pages are not promised (MAP_NORESERVE). */
  readonly noReserve?: boolean | undefined
  /** Asked, once the place is free, for what stands behind. What it throws leaves the place empty. */
  readonly backing?: (() => Backing) | undefined
}
