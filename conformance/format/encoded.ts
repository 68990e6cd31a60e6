// SPDX-License-Identifier: MIT
/** A case as both sides execute it, and what its numbers are called. */
import type { Program } from '../program/program.ts'
import type { Layout } from './layouts.ts'

/** What a buffer holds. */
export interface BufferLabel {
  /** In front of its fields' names: empty for the structure of an ioctl and for records. */
  readonly prefix: string
  readonly layout: Layout | undefined
  /** Several structures, one after the other. */
  readonly isList: boolean
  readonly bytes: number
}

export interface OperationLabel {
  /** Line in the case file; 0: not written there. */
  readonly line: number
  /** As it stands in answers, for instance `ioas = IOMMU_IOAS_ALLOC`. */
  readonly text: string
  readonly buffers: readonly BufferLabel[]
  /** What it answers depends on what ran before the case. */
  readonly isHidden: boolean
}

export interface EncodedCase {
  readonly program: Program
  readonly labels: readonly OperationLabel[]
}
