// SPDX-License-Identifier: MIT
import { EFAULT } from '../base/errno.ts'
import { compareU64, hiOf, loOf } from '../base/u64.ts'
import type { Mm } from '../kernel/mm/mm.ts'
import { type Caller, FdTable, UserAccount } from './files.ts'
import { type AddressSpace, MemoryBuffer, type UserMemory } from './user-memory.ts'

/** Longest read or write: the kernel clamps longer ones. */
const READ_WRITE_BYTES_MAX = 0x7ffff000

/** End of user addresses on x86-64 with 4 levels (47 bits), less the guard page. */
const USER_END_HI = 0x7fff
const USER_END_LO = 0xfffff000 | 0

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

/** Who calls: its memory, its descriptors, its credentials and limits. */
export class Process<M extends AddressSpace = Mm> implements Caller {
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
