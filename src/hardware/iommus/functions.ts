// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { ITAGS, InvalidationTags } from '../pci/ats.ts'
import type { PciFunction } from '../pci/messages.ts'

/** A function below the unit, and the invalidations that it has not completed. */
export class ConnectedFunction {
  readonly rid: number
  readonly port: PciFunction
  readonly tags: InvalidationTags

  constructor(port: PciFunction) {
    this.rid = port.rid
    this.port = port
    this.tags = new InvalidationTags(ITAGS)
  }
}

/** The functions below the unit, by requester id. */
export class Functions {
  /** Invalidations on their way, of all functions. */
  outstanding: number
  readonly #byRid: Map<number, ConnectedFunction>
  /** The one asked for last. */
  #last: ConnectedFunction | undefined

  constructor() {
    this.outstanding = 0
    this.#byRid = new Map()
    this.#last = undefined
  }

  connect(port: PciFunction): void {
    assert(!this.#byRid.has(port.rid), `two functions with requester id ${port.rid}`)
    this.#byRid.set(port.rid, new ConnectedFunction(port))
  }

  /** Invalidations that the function owes are forgotten. */
  disconnect(rid: number): void {
    this.complete(rid, -1)
    this.#byRid.delete(rid)
    this.#last = undefined
  }

  get(rid: number): ConnectedFunction | undefined {
    const last = this.#last
    if (last !== undefined && last.rid === rid) return last
    return (this.#last = this.#byRid.get(rid))
  }

  /** -1: no tag is free. */
  takeTag(target: ConnectedFunction): number {
    const tag = target.tags.take()
    if (tag >= 0) this.outstanding++
    return tag
  }

  complete(rid: number, itagVector: number): void {
    const target = this.get(rid)
    if (target !== undefined) this.outstanding -= target.tags.complete(itagVector)
  }

  giveUp(): void {
    for (const rid of this.#byRid.keys()) this.complete(rid, -1)
  }
}
