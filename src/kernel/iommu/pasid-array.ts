// SPDX-License-Identifier: MIT
import type { AttachHandle } from './attach-handle.ts'
import type { Domain } from './domain.ts'
import type { FaultHandler } from './fault.ts'

/** One PASID's entry. Reserved (no domain) until the hardware is programmed: lookups do not see it. */
export class PasidEntry {
  readonly pasid: number
  domain: Domain | undefined = undefined
  /** Absent for a bare domain. */
  handle: AttachHandle | undefined = undefined
  /** The fault handler of the handle's domain, as the fault path wants it. */
  handler: FaultHandler | undefined = undefined

  constructor(pasid: number) {
    this.pasid = pasid
  }
}

/** Linux's pasid_array: sparse, keyed by PASID, 0 for the RID. A lookup allocates nothing. */
export class PasidArray {
  readonly #entries = new Map<number, PasidEntry>()
  #hit: PasidEntry | undefined = undefined

  get size(): number {
    return this.#entries.size
  }

  /** The entry, reserved ones included. */
  get(pasid: number): PasidEntry | undefined {
    const hit = this.#hit
    if (hit !== undefined && hit.pasid === pasid) return hit
    const entry = this.#entries.get(pasid)
    if (entry !== undefined) this.#hit = entry
    return entry
  }

  /** A new reserved entry; the caller has seen that there is none. */
  reserve(pasid: number): PasidEntry {
    const entry = new PasidEntry(pasid)
    this.#entries.set(pasid, entry)
    return entry
  }

  erase(pasid: number): void {
    this.#entries.delete(pasid)
    this.#hit = undefined
  }

  /** Ascending PASIDs of all entries. Not for the datapath. */
  pasids(): number[] {
    return [...this.#entries.keys()].sort((a, b) => a - b)
  }
}
