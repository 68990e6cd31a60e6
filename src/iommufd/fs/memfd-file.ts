// SPDX-License-Identifier: MIT
import { EFAULT, EINVAL, ENOTTY, ENXIO, EPERM, isErrno } from '../../base/errno.ts'
import type { Memfd } from '../../kernel/mm/memfd.ts'
import { HUGE_FRAMES } from '../../kernel/mm/huge-pool.ts'
import { PROT_WRITE } from '../../kernel/mm/prot.ts'
import { type Caller, type Mapping, type MmapRequest, OpenFile } from '../files.ts'
import type { FilePages, UserBuffer } from '../user-memory.ts'
import {
  FIONREAD,
  O_ACCMODE,
  O_APPEND,
  O_LARGEFILE,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
} from './constants.ts'
import { storeWord } from './file-ioctls.ts'
import { Seals } from './seals.ts'

const PAGE = 4096
/** Files end below it. */
const SIZE_LIMIT = 2 ** 63

/** An open memfd: an ordinary file, with a position of its own in each open file. */
export class MemfdFile extends OpenFile {
  override readonly positioned: boolean = true
  override readonly executable: boolean = true
  override readonly pagesMax: number = SIZE_LIMIT / PAGE
  readonly memfd: Memfd
  readonly #seals: Seals
  #position = 0
  readonly #page: Uint8Array = new Uint8Array(PAGE)

  /** Takes over the caller's reference on the memfd. */
  constructor(memfd: Memfd, seals: Seals) {
    super('/memfd:')
    this.memfd = memfd
    this.#seals = seals
    this.flags = O_RDWR | O_LARGEFILE
  }

  override get huge(): boolean {
    return this.memfd.huge
  }

  override get pinnable(): FilePages {
    return this.memfd
  }

  override read(buffer: UserBuffer): number {
    const done = this.pread(buffer, this.#position)
    this.#position += done
    return done
  }

  override write(buffer: UserBuffer): number {
    const at = (this.flags & O_APPEND) === 0 ? this.#position : this.memfd.sizeBytes
    const done = this.#store(buffer, at)
    if (done > 0) this.#position = at + done
    return done
  }

  /** Bytes read: up to the end of the file, or to the first that cannot be copied. EINVAL: past all files; EFAULT. */
  override pread(buffer: UserBuffer, offset: number): number {
    if (offset + buffer.lengthBytes >= SIZE_LIMIT) throw EINVAL
    const length = Math.max(Math.min(buffer.lengthBytes, this.memfd.sizeBytes - offset), 0)
    return eachPage(offset, length, (done, step) => {
      this.memfd.load(offset + done, this.#page, step)
      return moved(buffer, () => buffer.copyOut(done, this.#page, step))
    })
  }

  override pwrite(buffer: UserBuffer, offset: number): number {
    return this.#store(buffer, (this.flags & O_APPEND) === 0 ? offset : this.memfd.sizeBytes)
  }

  /** EINVAL; ENXIO: no data, or no hole, from there on. */
  override seek(offset: number, whence: number): number {
    const at = this.#seekTo(offset, whence)
    if (at < 0 || at > SIZE_LIMIT) throw EINVAL
    this.#position = at
    return at
  }

  override ioctl(caller: Caller, number: number, hi: number, lo: number): number {
    if (number !== FIONREAD) throw ENOTTY
    storeWord(caller, hi, lo, this.memfd.sizeBytes - this.#position)
    return 0
  }

  /** EPERM: sealed; EINVAL: not at a huge page; ENOMEM: no huge pages. */
  override mmap(_caller: Caller, { firstPage, pages, prot, shared, reserve }: MmapRequest): Mapping {
    const writable = (prot & PROT_WRITE) !== 0
    if (this.huge && firstPage % HUGE_FRAMES !== 0) throw EINVAL
    if (shared && writable && this.#seals.readOnly) throw EPERM
    if (reserve) this.memfd.promise(firstPage, firstPage + pages, shared, writable)
    const mapping = { object: this.memfd.object, objectPage: firstPage }
    if (!shared || (this.flags & O_ACCMODE) === O_RDONLY) return mapping
    return this.#seals.readOnly ? { ...mapping, refusedProt: PROT_WRITE } : { ...mapping, owner: this.#seals }
  }

  /** EPERM: sealed; EINVAL: not whole huge pages. */
  override truncate(bytes: number): void {
    this.#seals.checkSize(this.memfd.sizeBytes, bytes)
    this.memfd.truncate(bytes)
  }

  override get seals(): number {
    return this.#seals.bits
  }

  override addSeals(seals: number): void {
    if ((this.flags & O_ACCMODE) === O_RDONLY) throw EPERM
    this.#seals.add(seals, () => this.memfd.pinned)
  }

  /** A file of huge pages has no write operation (observed on 7.2.13). */
  override get canWrite(): boolean {
    return !this.huge
  }

  override reopen(flags: number): OpenFile {
    if ((flags & O_TRUNC) !== 0) this.truncate(0)
    this.memfd.get()
    return new MemfdFile(this.memfd, this.#seals)
  }

  protected override release(): void {
    this.memfd.put()
  }

  /** Bytes written: up to the first that cannot be copied. EINVAL (past all files), EPERM, EFAULT, ENOMEM. */
  #store(buffer: UserBuffer, offset: number): number {
    if (offset + buffer.lengthBytes >= SIZE_LIMIT) throw EINVAL
    if (this.#seals.readOnly) throw EPERM
    this.#seals.checkSize(this.memfd.sizeBytes, Math.max(this.memfd.sizeBytes, offset + buffer.lengthBytes))
    return eachPage(offset, buffer.lengthBytes, (done, step) => {
      const length = moved(buffer, () => buffer.copyIn(done, this.#page, step))
      if (length > 0) this.memfd.store(offset + done, this.#page, length)
      return length
    })
  }

  #seekTo(offset: number, whence: number): number {
    const { object, sizeBytes } = this.memfd
    if (whence === SEEK_CUR) return this.#position + offset
    if (whence === SEEK_END) return sizeBytes + offset
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return offset
    if (offset < 0 || offset >= sizeBytes) throw ENXIO
    const page = Math.floor(offset / PAGE)
    if (whence === SEEK_HOLE) return Math.min(Math.max(offset, this.#holeAfter(page) * PAGE), sizeBytes)
    const data = object.nextPage(page)
    if (data === undefined || data * PAGE >= sizeBytes) throw ENXIO
    return Math.max(offset, data * PAGE)
  }

  /** The first page from `page` on that is not there. */
  #holeAfter(page: number): number {
    let hole = page
    while (this.memfd.object.nextPage(hole) === hole) hole++
    return hole
  }
}

/**
 * Moves bytes page by page: `move` returns how many of `step` bytes it moved, from `done` on. Returns the bytes moved.
 * EFAULT, ENOMEM when not even one was.
 */
function eachPage(offset: number, length: number, move: (done: number, step: number) => number): number {
  let done = 0
  while (done < length) {
    const step = Math.min(PAGE - ((offset + done) % PAGE), length - done)
    const count = done === 0 ? move(0, step) : quietly(() => move(done, step))
    if (count === 0 && done === 0) throw EFAULT
    done += count
    if (count < step) break
  }
  return done
}

/** What has been moved before counts: a failure later on only ends it. */
function quietly(move: () => number): number {
  try {
    return move()
  } catch (thrown) {
    if (!isErrno(thrown)) throw thrown
    return 0
  }
}

/** Bytes that the copy moved. */
function moved(buffer: UserBuffer, copy: () => void): number {
  try {
    copy()
  } catch (thrown) {
    if (thrown !== EFAULT) throw thrown
  }
  return buffer.copied
}
