// SPDX-License-Identifier: MIT
import { assert } from '../../base/assert.ts'
import { EBADF, EBUSY, EINVAL, EMFILE } from '../../base/errno.ts'

/** What a descriptor holds a reference on. */
export interface Held {
  get(): void
  put(): void
}

/** What is known of a number. */
const CLOSE_ON_EXEC = 1
const RESERVED = 2

/** Numbers that a caller may name: anything else is no descriptor. */
const NUMBERS_FIRST = 16

/**
 * Descriptors of one process: lowest free number first. Holds one reference on the file of each; the last one put,
 * here or elsewhere, releases the file.
 */
export class Descriptors<F extends Held> {
  /** RLIMIT_NOFILE: numbers from here on are refused; what is already open there stays. */
  limit: number
  readonly #files: (F | undefined)[] = []
  #known: Uint8Array = new Uint8Array(NUMBERS_FIRST)
  /** Below it every number is taken. */
  #lowest = 0

  constructor(limit: number) {
    this.limit = limit
  }

  /**
   * Takes the lowest free number from `from` on, without a file behind it: it looks closed until `install`. What the
   * kernel opens by itself is close-on-exec. EMFILE.
   */
  reserve(closeOnExec: boolean = true, from: number = 0): number {
    let fd = Math.max(from, this.#lowest)
    while (this.#taken(fd)) fd++
    if (fd >= this.limit) throw EMFILE
    if (from <= this.#lowest) this.#lowest = fd + 1
    this.#setKnown(fd, RESERVED | (closeOnExec ? CLOSE_ON_EXEC : 0))
    return fd
  }

  unreserve(fd: number): void {
    assert(this.#reserved(fd), `descriptor ${fd} is not reserved`)
    this.#free(fd)
  }

  /** The descriptor takes over the caller's reference. */
  install(fd: number, file: F): void {
    assert(this.#reserved(fd), `descriptor ${fd} is not reserved`)
    this.#known[fd]! &= ~RESERVED
    this.#put(fd, file)
  }

  /** EBADF. */
  get(fd: number): F {
    const file = this.#files[fd]
    if (file === undefined) throw EBADF
    return file
  }

  /** As `get`, `undefined` instead of EBADF. */
  find(fd: number): F | undefined {
    return this.#files[fd]
  }

  /** A second descriptor of the same open file, as dup(2). EBADF, EMFILE. */
  dup(fd: number): number {
    return this.open(this.get(fd))
  }

  /** The same from a number on, as F_DUPFD. EBADF; EINVAL: `from` is not below the limit; EMFILE. */
  dupFrom(fd: number, from: number, closeOnExec: boolean): number {
    const file = this.get(fd)
    if (!(from >= 0 && from < this.limit)) throw EINVAL
    return this.open(file, closeOnExec, from)
  }

  /** The same file at a number of the caller's choice, which is closed first, as dup2(2). EBADF, EBUSY (reserved). */
  dupTo(fd: number, target: number, closeOnExec: boolean): void {
    if (!(target >= 0 && target < this.limit)) throw EBADF
    const file = this.get(fd)
    if (this.#reserved(target)) throw EBUSY
    const old = this.#files[target]
    file.get()
    this.#setKnown(target, closeOnExec ? CLOSE_ON_EXEC : 0)
    this.#put(target, file)
    old?.put()
  }

  /** Adds a descriptor with a reference of its own, as when a file arrives from another process. EMFILE. */
  open(file: F, closeOnExec: boolean = false, from: number = 0): number {
    const fd = this.reserve(closeOnExec, from)
    file.get()
    this.install(fd, file)
    return fd
  }

  /** EBADF. */
  close(fd: number): void {
    const file = this.get(fd)
    this.#files[fd] = undefined
    this.#free(fd)
    file.put()
  }

  /** EBADF. */
  closesOnExec(fd: number): boolean {
    this.get(fd)
    return (this.#known[fd]! & CLOSE_ON_EXEC) !== 0
  }

  /** EBADF. */
  setCloseOnExec(fd: number, closeOnExec: boolean): void {
    this.get(fd)
    this.#known[fd] = closeOnExec ? CLOSE_ON_EXEC : 0
  }

  /** Ascending, as at execve(2). */
  closeOnExec(): void {
    for (const fd of this.descriptors) if ((this.#known[fd]! & CLOSE_ON_EXEC) !== 0) this.close(fd)
  }

  /** Ascending, as at exit. */
  closeAll(): void {
    for (const fd of this.descriptors) this.close(fd)
  }

  /** The same descriptors as in `parent`, with a reference each, as after fork(2). For an empty table. */
  copyFrom(parent: Descriptors<F>): void {
    for (const fd of parent.descriptors) {
      const file = parent.get(fd)
      file.get()
      this.#setKnown(fd, parent.#known[fd]!)
      this.#put(fd, file)
    }
  }

  /** Open descriptors, ascending. */
  get descriptors(): number[] {
    return [...this.#files.keys()].filter((fd) => this.#files[fd] !== undefined)
  }

  /** The list of files has no holes, which would make it slow. */
  #put(fd: number, file: F): void {
    while (this.#files.length < fd) this.#files.push(undefined)
    this.#files[fd] = file
  }

  #free(fd: number): void {
    this.#known[fd] = 0
    if (fd < this.#lowest) this.#lowest = fd
  }

  #taken(fd: number): boolean {
    return this.#files[fd] !== undefined || this.#reserved(fd)
  }

  #reserved(fd: number): boolean {
    return fd < this.#known.length && (this.#known[fd]! & RESERVED) !== 0
  }

  #setKnown(fd: number, bits: number): void {
    if (fd >= this.#known.length) {
      const grown = new Uint8Array(Math.max(fd + 1, this.#known.length * 2))
      grown.set(this.#known)
      this.#known = grown
    }
    this.#known[fd] = bits
  }
}
