// SPDX-License-Identifier: MIT
import type { MemoryObject } from './memory-object.ts'

/** One mapped area: pages `start` up to (not including) `end`. */
export class Vma {
  start: number
  end: number
  /** PROT_ bits. */
  prot: number
  readonly shared: boolean
  /** `undefined`: private anonymous memory. */
  readonly object: MemoryObject | undefined
  /** Page of `object` that `start` shows. */
  objectPage: number

  constructor(
    start: number,
    end: number,
    prot: number,
    shared: boolean,
    object: MemoryObject | undefined,
    objectPage: number,
  ) {
    this.start = start
    this.end = end
    this.prot = prot
    this.shared = shared
    this.object = object
    this.objectPage = objectPage
  }
}
