// SPDX-License-Identifier: MIT
import { EBADFD, ENOENT } from '../../base/errno.ts'
import { compareU64 } from '../../base/u64.ts'
import { type Caller, OpenFile } from '../files.ts'
import { type AccessObject, type AccessOps, createAccess, destroyAccess } from '../objects/access/access.ts'
import type { Context } from '../objects/context.ts'
import { Sum } from '../objects/ioas/span.ts'

/** Pages that the access has pinned in one go. */
interface PinnedItem {
  readonly id: number
  readonly hi: number
  readonly lo: number
  readonly lengthHi: number
  readonly lengthLo: number
}

const last = new Sum()
const itemLast = new Sum()

/** An access object of the test ABI: lives as long as its descriptor, whose number is its id (`spec/03` §5.3 op 5). */
export class AccessFile extends OpenFile implements AccessOps {
  readonly needsPinPages: boolean
  readonly access: AccessObject
  readonly #items: PinnedItem[] = []
  #nextItem = 0

  /** ENOMEM. */
  constructor(context: Context, needsPinPages: boolean) {
    super('[iommufd_test_staccess]')
    this.needsPinPages = needsPinPages
    this.access = createAccess(context, this)
  }

  /** A range that was just pinned. Its number is used up even when `forget` follows. */
  remember(hi: number, lo: number, lengthHi: number, lengthLo: number): number {
    const id = this.#nextItem++
    this.#items.push({ id, hi, lo, lengthHi, lengthLo })
    return id
  }

  /** Unpins. ENOENT: no such item. */
  forget(id: number): void {
    const index = this.#items.findIndex((item) => item.id === id)
    if (index < 0) throw ENOENT
    this.#unpin(index)
  }

  /** Every item that the range touches is given up whole. */
  unmap(hi: number, lo: number, lengthHi: number, lengthLo: number): void {
    last.addLength(hi, lo, lengthHi, lengthLo)
    for (let index = this.#items.length - 1; index >= 0; index--)
      if (overlaps(this.#items[index]!, hi, lo)) this.#unpin(index)
  }

  protected override release(): void {
    while (this.#items.length > 0) this.#unpin(this.#items.length - 1)
    destroyAccess(this.access)
  }

  #unpin(index: number): void {
    const [item] = this.#items.splice(index, 1)
    this.access.unpinPages(item!.hi, item!.lo, item!.lengthHi, item!.lengthLo)
  }
}

/** The open file that a command's id names. EBADFD: not open, or another kind of file. */
export function getAccessFile(caller: Caller, fd: number): AccessFile {
  const file = caller.files.find(fd)
  if (!(file instanceof AccessFile)) throw EBADFD
  return file
}

/** With the range's end in `last`. */
function overlaps(item: PinnedItem, hi: number, lo: number): boolean {
  itemLast.addLength(item.hi, item.lo, item.lengthHi, item.lengthLo)
  return (
    compareU64(item.hi, item.lo, last.hi, last.lo) <= 0 && compareU64(itemLast.hi, itemLast.lo, hi, lo) >= 0
  )
}
