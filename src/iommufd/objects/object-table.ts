// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { EBUSY, ENOENT, ENOSPC } from '../../base/errno.ts'
import { IdTable } from '../../base/id-table.ts'
import { OBJECT_ID_MAX } from '../../base/limits.ts'

/** Kinds of objects, in the kernel's numbers (`spec/02` §1.3). */
export const OBJECT_DEVICE = 1
export const OBJECT_HWPT_PAGING = 2
export const OBJECT_HWPT_NESTED = 3
export const OBJECT_IOAS = 4
export const OBJECT_ACCESS = 5
export const OBJECT_FAULT = 6
export const OBJECT_VIOMMU = 7
export const OBJECT_VDEVICE = 8
export const OBJECT_VEVENTQ = 9
export const OBJECT_HW_QUEUE = 10
export const OBJECT_SELFTEST = 11

/**
 * Something with an id. A draft until `finalize` shows it, else `abort` takes it away again.
 * `users`: 1 for the table, 1 for each object, open file or kernel user that needs it (`spec/02` §1.2).
 */
export abstract class IommufdObject {
  readonly type: number
  id = 0
  users = 1
  /** 1 and the short references of longer operations; a vdevice holds one on its device. */
  waitCount = 1

  constructor(type: number) {
    this.type = type
  }

  /** The type's destroy operation: the id is free already. Drops the references that the object holds. */
  abstract destroy(): void

  /** Called once the object can be looked up. */
  finalized(): void {}

  /** Before the id is taken away: ends what must not outlive the object. */
  preDestroy(): void {}

  /** Undoes a creation that failed after `draft`. */
  abort(): void {
    this.destroy()
  }
}

/** The ids of one context: lowest free from 1, used again at once. */
export class ObjectTable {
  readonly #table: IdTable<IommufdObject>
  /** Ids taken by drafts. */
  #drafts = 0

  /** `lastId`: the highest id there is. */
  constructor(lastId: number = OBJECT_ID_MAX) {
    this.#table = new IdTable<IommufdObject>(1, lastId)
  }

  /** Number of finished objects. */
  get size(): number {
    return this.#table.size
  }

  /** No object, finished or not. */
  get empty(): boolean {
    return this.#table.size === 0 && this.#drafts === 0
  }

  /** Gives the object its id; nobody can look it up yet. EBUSY: all ids are taken. */
  draft<T extends IommufdObject>(object: T): T {
    assert(object.id === 0, `object ${object.id} already has an id`)
    try {
      object.id = this.#table.reserve()
    } catch (thrown) {
      object.abort()
      throw thrown === ENOSPC ? EBUSY : thrown
    }
    this.#drafts++
    return object
  }

  finalize(object: IommufdObject): void {
    this.#drafts--
    this.#table.publish(object.id, object)
    object.finalized()
  }

  abort(object: IommufdObject): void {
    assert(object.users === 1, `draft ${object.id} has ${object.users} users`)
    this.#drafts--
    this.#table.erase(object.id)
    object.abort()
  }

  /** A finished object; `undefined` for every other id. */
  find(id: number): IommufdObject | undefined {
    return this.#table.get(id)
  }

  /** ENOENT: no such id, or a draft. */
  get(id: number): IommufdObject {
    const object = this.#table.get(id)
    if (object === undefined) throw ENOENT
    return object
  }

  /** ENOENT, EBUSY unless the table's is the only reference (`spec/02` §1.1). */
  destroyId(id: number): void {
    const object = this.get(id)
    if (object.users !== 1) throw EBUSY
    this.#remove(object)
  }

  /** Destroys an object whose user lets go of it; the caller's reference is the one beside the table's. */
  putAndDestroy(object: IommufdObject): void {
    assert(object.users === 2, `object ${object.id} has ${object.users} users, not 2`)
    object.users--
    this.#remove(object)
  }

  /** Destroys an object behind its users' back: its id is never used again (`spec/02` §1, tombstone). */
  bury(object: IommufdObject): void {
    assert(object.users === 1, `object ${object.id} is buried with ${object.users} users`)
    this.#table.bury(object.id)
    object.destroy()
  }

  /** Ascending sweeps until nothing is left that nobody uses. Returns the number of objects that remain. */
  teardown(): number {
    for (let destroyed = 1; destroyed > 0; ) {
      destroyed = 0
      for (const object of this.#table.values()) {
        if (object.users !== 1) continue
        this.#remove(object)
        destroyed++
      }
    }
    return this.#table.size
  }

  /** Finished objects by ascending id. */
  objects(): IommufdObject[] {
    return [...this.#table.values()]
  }

  #remove(object: IommufdObject): void {
    object.preDestroy()
    assert(object.waitCount === 1, `object ${object.id} is destroyed while it is looked at`)
    this.#table.erase(object.id)
    object.destroy()
  }
}
