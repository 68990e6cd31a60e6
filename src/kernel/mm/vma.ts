// SPDX-License-Identifier: MIT
import type { MemoryObject } from './memory-object.ts'

/** One mapped area: pages `start` up to (not including) `end`. Holds a reference on its object. */
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
    object?: MemoryObject,
    objectPage = 0,
  ) {
    this.start = start
    this.end = end
    this.prot = prot
    this.shared = shared
    this.object = object
    this.objectPage = objectPage
    object?.get()
  }

  /** The same area for another address space. */
  clone(): Vma {
    return new Vma(this.start, this.end, this.prot, this.shared, this.object, this.objectPage)
  }

  /** Cuts the area at `page`, which lies inside; returns the upper part. */
  split(page: number): Vma {
    const objectPage = this.objectPage + (page - this.start)
    const upper = new Vma(page, this.end, this.prot, this.shared, this.object, objectPage)
    this.end = page
    return upper
  }

  /** Whether `upper` simply continues this area. */
  continuesWith(upper: Vma): boolean {
    if (this.end !== upper.start || this.prot !== upper.prot || this.shared !== upper.shared) return false
    if (this.object !== upper.object) return false
    return this.object === undefined || this.objectPage + (this.end - this.start) === upper.objectPage
  }

  release(): void {
    this.object?.put()
  }
}
