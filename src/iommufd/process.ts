// SPDX-License-Identifier: MIT
import { EFAULT } from '../base/errno.ts'
import { compareU64, hiOf, loOf } from '../base/u64.ts'
import type { Mm } from '../kernel/mm/mm.ts'
import { FdTable } from './files.ts'
import { MemoryBuffer, type UserMemory } from './user-memory.ts'

/** Longest read or write: the kernel clamps longer ones. */
const READ_WRITE_BYTES_MAX = 0x7ffff000

/** End of user addresses on x86-64 with 4 levels (47 bits), less the guard page. */
const USER_END_HI = 0x7fff
const USER_END_LO = 0xfffff000 | 0

/** What one user has locked, over all of the user's processes. */
export class UserAccount {
  lockedPages = 0
}

/** What is asked of a process's address space: `kernel/mm`'s, or another program's behind the same calls. */
export interface AddressSpace extends UserMemory {
  /** Pages pinned for devices, and pages locked: counters of the mm (VmPin, VmLck). */
  pinnedVm: number
  lockedVm: number
  /** Long-term pin of a 4 KiB page; returns its frame. EFAULT, ENOMEM. */
  pinPage(page: number, write: boolean): number
  unpinPage(frame: number, dirty: boolean): void
  /** A reference to the struct, which outlives the process. */
  grab(): void
  drop(): void
  /** The process ends. */
  exit(): void
}

export interface ProcessOptions<M extends AddressSpace = Mm> {
  readonly mm: M
  /** Default: the process's mm. */
  readonly memory?: UserMemory
  /** Shared by the processes of one user. Default: a user of its own. */
  readonly user?: UserAccount
  /** CAP_IPC_LOCK: pins without limit. Default false. */
  readonly capIpcLock?: boolean
  /** RLIMIT_MEMLOCK in bytes. Default: no limit. */
  readonly memlockBytes?: number
  /** RLIMIT_NOFILE. Default 1024. */
  readonly openFilesMax?: number
}

/** A process of whatever memory. */
export type Caller = Process<AddressSpace>

/** Who calls: its memory, its descriptors, its credentials and limits. */
export class Process<M extends AddressSpace = Mm> {
  readonly mm: M
  readonly memory: UserMemory
  readonly files: FdTable
  readonly user: UserAccount
  capIpcLock: boolean
  memlockBytes: number
  #exited = false

  constructor(options: ProcessOptions<M>) {
    this.mm = options.mm
    this.memory = options.memory ?? options.mm
    this.files = new FdTable(options.openFilesMax ?? 1024)
    this.user = options.user ?? new UserAccount()
    this.capIpcLock = options.capIpcLock ?? false
    this.memlockBytes = options.memlockBytes ?? Number.POSITIVE_INFINITY
  }

  /** ioctl(2): `address` is a pointer into the process's memory. Throws an `Errno`. */
  ioctl(fd: number, number: number, address: bigint): number {
    return this.files.get(fd).ioctl(this, number, hiOf(address), loOf(address))
  }

  /** read(2) into the process's memory. Throws an `Errno`. */
  read(fd: number, address: bigint, count: bigint | number): number {
    const file = this.files.get(fd)
    return file.read(this.#buffer(address, BigInt(count)))
  }

  /** write(2) from the process's memory. Throws an `Errno`. */
  write(fd: number, address: bigint, count: bigint | number): number {
    const file = this.files.get(fd)
    return file.write(this.#buffer(address, BigInt(count)))
  }

  /** lseek(2). Throws an `Errno`. */
  lseek(fd: number): number {
    return this.files.get(fd).seek()
  }

  /** The address space goes first, then the descriptors in ascending order. */
  exit(): void {
    if (this.#exited) return
    this.#exited = true
    this.mm.exit()
    this.files.closeAll()
  }

  get exited(): boolean {
    return this.#exited
  }

  /** EFAULT when the buffer leaves the user's address space (`spec/02` §12, row §6.3). */
  #buffer(address: bigint, count: bigint): MemoryBuffer {
    const end = address + count
    const hi = hiOf(end)
    const lo = loOf(end)
    if (end >= 1n << 64n || compareU64(hi, lo, USER_END_HI, USER_END_LO) > 0) throw EFAULT
    const length = Math.min(Number(count), READ_WRITE_BYTES_MAX)
    return new MemoryBuffer(this.memory, hiOf(address), loOf(address), length)
  }
}
