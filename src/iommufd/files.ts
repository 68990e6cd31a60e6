// SPDX-License-Identifier: MIT
import { assert } from '../base/assert.ts'
import { EINVAL, ENODEV, ENOTTY, ENXIO, ESPIPE } from '../base/errno.ts'
import type { MappedObject } from '../kernel/mm/mapped-object.ts'
import { O_RDWR } from './fs/constants.ts'
import { Descriptors } from './fs/descriptors.ts'
import type { AddressSpace, FilePages, UserBuffer, UserMemory } from './user-memory.ts'

/** Bits of poll(2). */
export const POLL_IN = 0x1
export const POLL_OUT = 0x4
export const POLL_ERR = 0x8
export const POLL_HUP = 0x10
export const POLL_NVAL = 0x20
export const POLL_RDNORM = 0x40
export const POLL_WRNORM = 0x100

/** What one user has locked, over all of the user's processes. */
export class UserAccount {
  lockedPages = 0
}

/** Who calls: a process as the kernel sees it. */
export interface Caller {
  /** execve(2) gives the process another one: what outlives a call keeps the mm itself. */
  readonly mm: AddressSpace
  /** Where ioctls and reads copy from and to. */
  readonly memory: UserMemory
  readonly files: FdTable
  readonly user: UserAccount
  readonly capIpcLock: boolean
  readonly capSysResource: boolean
  /** RLIMIT_MEMLOCK. */
  readonly memlockBytes: number
  readonly exited: boolean
}

/** What mmap(2) asks of a file, after the checks that are the same for every file. */
export interface MmapRequest {
  /** Whole pages. */
  readonly pages: number
  /** Offset in the file, in pages. */
  readonly firstPage: number
  /** PROT_ bits. */
  readonly prot: number
  /** MAP_SHARED. */
  readonly shared: boolean
  /** Without MAP_NORESERVE. */
  readonly reserve: boolean
}

/** Held by every area that shows a mapping: one reference an area, also of each part of a split and of each child. */
export interface MappingOwner {
  get(): void
  put(): void
}

/** What a file puts behind an area. */
export interface Mapping {
  readonly object: MappedObject
  /** First page of the object that is shown. */
  readonly objectPage: number
  readonly owner?: MappingOwner
  /** PROT_ bits that mprotect may not grant. */
  readonly refusedProt?: number
}

/** An open file description: shared by every descriptor that was duplicated from it, released at the last close. */
export abstract class OpenFile {
  /** Text of the descriptor's link, for instance `[iommufd-pgfault]`. */
  readonly name: string
  /** Descriptors, areas and kernel objects that hold it. */
  references = 1
  /** O_ flags, as F_GETFL shows them. */
  flags: number = O_RDWR
  /** Whether pread(2) and pwrite(2) get as far as the file; streams are ESPIPE. */
  readonly positioned: boolean = false
  /** Anonymous files cannot be mapped for execution. */
  readonly executable: boolean = false
  /** Past it mappings are EOVERFLOW, in pages. */
  readonly pagesMax: number = 2 ** 52

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

  /** Whether there is a read operation at all: EINVAL before the buffer is looked at. */
  get canRead(): boolean {
    return this.read !== OpenFile.prototype.read
  }

  /** As `canRead`. */
  get canWrite(): boolean {
    return this.write !== OpenFile.prototype.write
  }

  read(_buffer: UserBuffer): number {
    throw EINVAL
  }

  write(_buffer: UserBuffer): number {
    throw EINVAL
  }

  /** pread(2) of a file that is `positioned` and can be read. */
  pread(_buffer: UserBuffer, _offset: number): number {
    throw EINVAL
  }

  /** pwrite(2), as `pread`. */
  pwrite(_buffer: UserBuffer, _offset: number): number {
    throw EINVAL
  }

  /** lseek(2); ESPIPE: a stream. */
  seek(_offset: number = 0, _whence: number = 0): number {
    throw ESPIPE
  }

  /** A file without a poll operation is always ready. */
  poll(): number {
    return POLL_IN | POLL_OUT | POLL_RDNORM | POLL_WRNORM
  }

  /** The file's memory, where it can be pinned. */
  get pinnable(): FilePages | undefined {
    return undefined
  }

  /** Calls back at every wake-up of who waits in poll(2), inside the step that wakes. Default: nobody is ever woken. */
  onWake(_callback: () => void): void {}

  /** An eventfd: `signal` adds 1 to it. */
  get signals(): boolean {
    return false
  }

  signal(): void {}

  /** `address`: the ioctl's pointer in the caller's memory. Returns the ioctl's result. */
  ioctl(_caller: Caller, _number: number, _addressHi: number, _addressLo: number): number {
    throw ENOTTY
  }

  /** What an area shows. ENODEV (a class that does not override it, before anything is unmapped). */
  mmap(_caller: Caller, _request: MmapRequest): Mapping {
    throw ENODEV
  }

  /** ftruncate(2); EINVAL: not a file with a length. */
  truncate(_bytes: number): void {
    throw EINVAL
  }

  /** The seals of a memfd. EINVAL: another file. */
  get seals(): number {
    throw EINVAL
  }

  /** EINVAL, EPERM, EBUSY. */
  addSeals(_seals: number): void {
    throw EINVAL
  }

  /** open(2) of /proc/self/fd/N; ENXIO: not a file with a path. */
  reopen(_flags: number): OpenFile {
    throw ENXIO
  }

  /** Whether mappings of it consist of huge pages. */
  get huge(): boolean {
    return false
  }
}

/** The descriptors of one process. */
export class FdTable extends Descriptors<OpenFile> {}
