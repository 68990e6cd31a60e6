// SPDX-License-Identifier: MIT
import type { HugeReservation } from './huge-reservation.ts'
import type { MappedObject, ObjectMapper } from './mapped-object.ts'
import { PROT_ALL } from './prot.ts'

/** Kept by every area of a mapping: one reference an area, also of each part of a split and of each child's copy. */
export interface AreaHolder {
  get(): void
  put(): void
}

/** What stands behind an area. */
export interface Backing {
  /** `undefined`: private anonymous memory. */
  readonly object?: MappedObject | undefined
  /** Page of `object` that the area's first page shows. Default 0. */
  readonly objectPage?: number | undefined
  /** Shared with children; private otherwise. */
  readonly shared?: boolean | undefined
  /** Consists of huge pages. */
  readonly huge?: boolean | undefined
  /** What mprotect may grant. Default everything. */
  readonly maxProt?: number | undefined
  readonly holder?: AreaHolder | undefined
}

/** One mapped area: pages `start` up to (not including) `end`. Holds a reference on what stands behind it. */
export class Vma {
  start: number
  end: number
  /** PROT_ bits. */
  prot: number
  readonly shared: boolean
  readonly huge: boolean
  readonly maxProt: number
  readonly object: MappedObject | undefined
  /** Page of `object` that `start` shows. */
  objectPage: number
  /** MADV_DONTFORK: children do not get it. */
  dontFork = false
  readonly holder: AreaHolder | undefined
  /** Huge pages that this address space was promised for a private mapping. */
  reservation: HugeReservation | undefined = undefined
  readonly #mapper: ObjectMapper

  constructor(mapper: ObjectMapper, start: number, end: number, prot: number, backing: Backing) {
    this.#mapper = mapper
    this.start = start
    this.end = end
    this.prot = prot
    this.shared = backing.shared ?? false
    this.huge = backing.huge ?? false
    this.maxProt = backing.maxProt ?? PROT_ALL
    this.object = backing.object
    this.objectPage = backing.objectPage ?? 0
    this.holder = backing.holder
    this.object?.get()
    this.object?.addMapper(mapper)
    this.holder?.get()
  }

  /** The same area for another address space. */
  clone(mapper: ObjectMapper): Vma {
    return new Vma(mapper, this.start, this.end, this.prot, this)
  }

  /** Cuts the area at `page`, which lies inside; returns the upper part. */
  split(page: number): Vma {
    const upper = new Vma(this.#mapper, page, this.end, this.prot, this)
    upper.objectPage = this.objectPage + (page - this.start)
    upper.dontFork = this.dontFork
    upper.reservation = this.reservation
    this.end = page
    return upper
  }

  /** Whether `upper` simply continues this area. */
  continuesWith(upper: Vma): boolean {
    if (this.end !== upper.start || this.prot !== upper.prot || this.shared !== upper.shared) return false
    if (this.object !== upper.object || this.holder !== upper.holder) return false
    if (this.huge || upper.huge || this.maxProt !== upper.maxProt || this.dontFork !== upper.dontFork)
      return false
    return this.object === undefined || this.objectPage + (this.end - this.start) === upper.objectPage
  }

  /** The holder goes last: it may be what keeps the object's file. */
  release(): void {
    this.reservation?.drop(this.start, this.end)
    this.object?.removeMapper(this.#mapper)
    this.object?.put()
    this.holder?.put()
  }
}
