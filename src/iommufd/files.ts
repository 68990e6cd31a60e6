// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { EBADF, EINVAL, EMFILE, ENOTTY, ESPIPE } from '../base/errno.ts'
import type { AddressSpace, UserBuffer, UserMemory } from './user-memory.ts'

/** Bits of poll(2). */
export const POLL_IN = 0x1
export const POLL_OUT = 0x4
export const POLL_ERR = 0x8
export const POLL_NVAL = 0x20
export const POLL_RDNORM = 0x40

/** What one user has locked, over all of the user's processes. */
export class UserAccount {
  lockedPages = 0
}

/** Who calls: a process as the kernel sees it. */
export interface Caller {
  readonly mm: AddressSpace
  /** Where ioctls and reads copy from and to. */
  readonly memory: UserMemory
  readonly files: FdTable
  readonly user: UserAccount
  /** CAP_IPC_LOCK. */
  readonly capIpcLock: boolean
  /** RLIMIT_MEMLOCK. */
  readonly memlockBytes: number
}

/** An open file description: shared by every descriptor that was duplicated from it, released at the last close. */
export abstract class OpenFile {
  /** Text of the descriptor's link, for instance `[iommufd-pgfault]`. */
  readonly name: string
  /** Descriptors and kernel objects that hold it. */
  references = 1

  constructor(name: string) {
    this.name = name
  }

  get(): void {
    assert(this.references > 0, `file ${this.name} is already released`)
    this.references++
  }

  put(): void {
    assert(this.references > 0, `file ${this.name} is put once too often`)
    this.references--
    if (this.references === 0) this.release()
  }

  /** The last reference is gone. */
  protected abstract release(): void

  read(_buffer: UserBuffer): number {
    throw EINVAL
  }

  write(_buffer: UserBuffer): number {
    throw EINVAL
  }

  /** lseek(2), and what pread(2) and pwrite(2) need first: these files are streams. */
  seek(): number {
    throw ESPIPE
  }

  /** A file without a poll operation is always ready. */
  poll(): number {
    return POLL_IN | POLL_RDNORM | POLL_OUT
  }

  /** `address`: the ioctl's pointer in the caller's memory. Returns the ioctl's result. */
  ioctl(_caller: Caller, _number: number, _addressHi: number, _addressLo: number): number {
    throw ENOTTY
  }
}

/** The descriptors of one process: lowest free number first. */
export class FdTable {
  readonly #files: (OpenFile | undefined)[] = []
  readonly #reserved: Set<number> = new Set()
  readonly #limit: number

  /** `limit`: RLIMIT_NOFILE. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Takes a number without a file behind it: it looks closed until `install`. EMFILE. */
  reserve(): number {
    let fd = 0
    while (this.#files[fd] !== undefined || this.#reserved.has(fd)) fd++
    if (fd >= this.#limit) throw EMFILE
    this.#reserved.add(fd)
    return fd
  }

  unreserve(fd: number): void {
    assert(this.#reserved.delete(fd), `descriptor ${fd} is not reserved`)
  }

  /** The descriptor takes over the caller's reference. */
  install(fd: number, file: OpenFile): void {
    this.unreserve(fd)
    this.#files[fd] = file
  }

  /** EBADF. */
  get(fd: number): OpenFile {
    const file = this.#files[fd]
    if (file === undefined) throw EBADF
    return file
  }

  /** As `get`, `undefined` instead of EBADF. */
  find(fd: number): OpenFile | undefined {
    return this.#files[fd]
  }

  /** A second descriptor of the same open file, as dup(2). EBADF, EMFILE. */
  dup(fd: number): number {
    const file = this.get(fd)
    return this.open(file)
  }

  /** Adds a descriptor with a reference of its own, as when a file arrives from another process. EMFILE. */
  open(file: OpenFile): number {
    const fd = this.reserve()
    file.get()
    this.install(fd, file)
    return fd
  }

  /** EBADF. */
  close(fd: number): void {
    const file = this.get(fd)
    this.#files[fd] = undefined
    file.put()
  }

  /** Ascending, as at exit. */
  closeAll(): void {
    for (let fd = 0; fd < this.#files.length; fd++) if (this.#files[fd] !== undefined) this.close(fd)
  }

  /** Open descriptors, ascending. */
  get descriptors(): number[] {
    return [...this.#files.keys()].filter((fd) => this.#files[fd] !== undefined)
  }
}
