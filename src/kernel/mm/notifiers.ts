// SPDX-License-Identifier: MIT

/** A secondary TLB (an IOMMU's) over an address space. Must not change the address space from inside a call. */
export interface MmNotifier {
  /** Pages `startPage` up to (not including) `endPage` changed; no frame of them is reused before this returns. */
  invalidate(startPage: number, endPage: number): void
  /** The last user is gone; page tables go right after. No `invalidate` follows. */
  release(): void
}

/** The notifiers of one address space, called in the order in which they were added. */
export class Notifiers {
  #list: readonly MmNotifier[] = []

  add(notifier: MmNotifier): void {
    this.#list = [...this.#list, notifier]
  }

  /** Not there (any more): nothing happens. */
  remove(notifier: MmNotifier): void {
    this.#list = this.#list.filter((other) => other !== notifier)
  }

  invalidate(startPage: number, endPage: number): void {
    for (const notifier of this.#list) notifier.invalidate(startPage, endPage)
  }

  release(): void {
    const list = this.#list
    this.#list = []
    for (const notifier of list) notifier.release()
  }
}
