// SPDX-License-Identifier: MIT
import { PGTT_SECOND_STAGE } from './layout-tables.ts'

const TAGS_MAX = 4096
/** Entries of the second stage belong to the domain, whatever PASID they were made for. */
const ANY_PASID = -1

/**
 * Small numbers for what IOTLB entries are tagged with: domain id, kind of translation and, where there is a first
 * stage, PASID (VT-d 6.2.1). @spec VT-d 6.2.1 done
 */
export class Tags {
  readonly #onFull: () => void
  /** By domain id: its first tag, 0 without; by tag: the domain's next one. */
  readonly #first: Int32Array
  readonly #next: Int32Array
  readonly #pasids: Int32Array
  readonly #kinds: Int32Array
  #used: number

  /** `onFull`: all tags are given anew; whatever remembers one forgets it. */
  constructor(domains: number, onFull: () => void) {
    this.#onFull = onFull
    this.#first = new Int32Array(domains)
    this.#next = new Int32Array(TAGS_MAX + 1)
    this.#pasids = new Int32Array(TAGS_MAX + 1)
    this.#kinds = new Int32Array(TAGS_MAX + 1)
    this.#used = 0
  }

  /** Of a PASID entry: `kind` is its PGTT. */
  tagOf(did: number, pasid: number, kind: number): number {
    const own = kind === PGTT_SECOND_STAGE ? ANY_PASID : pasid
    for (let tag = this.first(did); tag !== 0; tag = this.next(tag))
      if (this.#kinds[tag] === kind && this.#pasids[tag] === own) return tag
    if (this.#used === TAGS_MAX) this.#restart()
    const tag = ++this.#used
    this.#kinds[tag] = kind
    this.#pasids[tag] = own
    this.#next[tag] = this.#first[did]!
    this.#first[did] = tag
    return tag
  }

  /** A domain's tags, one after the other; 0 is the end. */
  first(did: number): number {
    return this.#first[did] ?? 0
  }

  next(tag: number): number {
    return this.#next[tag]!
  }

  /** PGTT_ of the tag. */
  kindOf(tag: number): number {
    return this.#kinds[tag]!
  }

  hasPasid(tag: number, pasid: number): boolean {
    return this.#pasids[tag] === pasid
  }

  #restart(): void {
    this.#first.fill(0)
    this.#used = 0
    this.#onFull()
  }
}
