// SPDX-License-Identifier: MIT
import type { MappedObject, ObjectMapper } from './mapped-object.ts'

/** The address spaces that show an object, with the number of areas of each. */
export class Mappers {
  readonly #areas: Map<ObjectMapper, number> = new Map()

  add(mapper: ObjectMapper): void {
    this.#areas.set(mapper, (this.#areas.get(mapper) ?? 0) + 1)
  }

  remove(mapper: ObjectMapper): void {
    const areas = this.#areas.get(mapper) ?? 0
    if (areas > 1) this.#areas.set(mapper, areas - 1)
    else this.#areas.delete(mapper)
  }

  /** The pages of `object` from `firstPage` on leave every address space. */
  zap(object: MappedObject, firstPage: number): void {
    for (const mapper of this.#areas.keys()) {
      mapper.zapObject(object, firstPage, Number.POSITIVE_INFINITY)
    }
  }
}
