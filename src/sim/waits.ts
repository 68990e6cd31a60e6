// SPDX-License-Identifier: MIT

/** Something that holds waiting tasks, by name for messages. */
export interface WaitingPlace {
  readonly name: string
}

/** The scheduler's books: which tasks live, where something waits, and how many waits are under way. */
export class Waits {
  /** Tasks not finished. */
  readonly tasks: Set<WaitingPlace>
  /** Gates and tasks for which something waits. */
  readonly places: Set<WaitingPlace>
  /** First failure of a task that nobody joined. */
  failure: { readonly error: unknown } | undefined
  /** A wait ended while some task had several: counting cannot tell who runs now. */
  wokeShared = false
  #count = 0

  constructor() {
    this.tasks = new Set()
    this.places = new Set()
    this.failure = undefined
  }

  /** Tasks that run and do not wait; a task that waits at several places counts for each of them. */
  get active(): number {
    return this.tasks.size - this.#count
  }

  begin(place: WaitingPlace): void {
    this.#count++
    this.places.add(place)
  }

  /** All `count` waits at the place end. */
  end(place: WaitingPlace, count: number): void {
    if (count === 0) return
    if (this.#count > this.tasks.size) this.wokeShared = true
    this.#count -= count
    this.places.delete(place)
  }
}

export function namesOf(places: Set<WaitingPlace>): string {
  return [...places].map((place) => place.name).join(', ') || 'none'
}
