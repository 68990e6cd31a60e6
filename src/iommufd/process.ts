// SPDX-License-Identifier: MIT
import { EBADF, EFAULT, EINVAL, ENOENT, EPERM, ESPIPE } from '../base/errno.ts'
import { compareU64, hiOf, loOf } from '../base/u64.ts'
import type { Mm } from '../kernel/mm/mm.ts'
import { type Caller, FdTable, OpenFile, POLL_ERR, POLL_HUP, POLL_NVAL, UserAccount } from './files.ts'
import {
  O_ACCMODE,
  O_CLOEXEC,
  O_LARGEFILE,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  RLIMIT_MEMLOCK,
  RLIMIT_NOFILE,
  SEEK_HOLE,
  SEEK_SET,
} from './fs/constants.ts'
import { DeviceNodes } from './fs/device-nodes.ts'
import { fcntl } from './fs/fcntl.ts'
import { fileIoctl } from './fs/file-ioctls.ts'
import { memfdCreate } from './fs/memfd-create.ts'
import { type MmapArguments, mmap } from './fs/memory-calls.ts'
import { madvise, mprotect, munmap } from './fs/range-calls.ts'
import { StandardFile } from './fs/standard-file.ts'
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
  /** CAP_SYS_RESOURCE: may raise limits and choose what pins are charged to. Default false. */
  readonly capSysResource?: boolean
  /** RLIMIT_MEMLOCK in bytes. Default: no limit. */
  readonly memlockBytes?: number
  /** RLIMIT_NOFILE. Default 1024. */
  readonly openFilesMax?: number
  /** What open(2) finds. Default: nothing. */
  readonly nodes?: DeviceNodes
  /** Descriptors 0, 1 and 2 are taken, as a shell leaves them. Default false. */
  readonly stdio?: boolean
}

/** A descriptor that poll(2) asks about. */
export interface PollEntry {
  /** Negative: left out. */
  readonly fd: number
  /** POLL_ bits that are asked for; ERR, HUP and NVAL are always. */
  readonly events: number
  /** The answer. */
  revents?: number
}

/** Flags of open(2) that the file does not remember. */
const OPEN_ONLY: number = O_CLOEXEC | O_TRUNC

/** Most descriptors that a limit can allow. */
const OPEN_FILES_HARD = 1048576

/**
 * Who calls: its memory, its descriptors, its credentials and limits. The methods are the system calls; each throws an
 * `Errno` where Linux gives one. Addresses and lengths are unsigned 64-bit values.
 */
export class Process<M extends AddressSpace = Mm> implements Caller {
  mm: M
  memory: UserMemory
  readonly files: FdTable
  readonly user: UserAccount
  readonly nodes: DeviceNodes
  capIpcLock: boolean
  capSysResource: boolean
  memlockBytes: number
  /** Hard limit. */
  memlockMaxBytes: number
  openFilesHard: number = OPEN_FILES_HARD
  #exited = false

  constructor(options: ProcessOptions<M>) {
    this.mm = options.mm
    this.memory = options.memory ?? options.mm
    this.files = new FdTable(options.openFilesMax ?? 1024)
    this.user = options.user ?? new UserAccount()
    this.nodes = options.nodes ?? new DeviceNodes()
    this.capIpcLock = options.capIpcLock ?? false
    this.capSysResource = options.capSysResource ?? false
    this.memlockBytes = options.memlockBytes ?? Number.POSITIVE_INFINITY
    this.memlockMaxBytes = this.memlockBytes
    if (options.stdio === true) StandardFile.openIn(this.files)
  }

  get exited(): boolean {
    return this.#exited
  }

  /**
   * open(2) of a device node, or of /proc/self/fd/N. The number is taken first: EMFILE; then ENOENT, ENXIO (a file
   * without a path), and the errors of the device.
   */
  open(path: string, flags: number = O_RDWR): number {
    const fd = this.files.reserve((flags & O_CLOEXEC) !== 0)
    try {
      const file = this.#openFile(path, flags)
      file.flags = (flags & ~OPEN_ONLY) | O_LARGEFILE
      this.files.install(fd, file)
    } catch (thrown) {
      this.files.unreserve(fd)
      throw thrown
    }
    return fd
  }

  close(fd: number): void {
    this.files.close(fd)
  }

  /** ioctl(2): `address` is a pointer into the process's memory. */
  ioctl(fd: number, number: number, address: bigint): number {
    const file = this.files.get(fd)
    const hi = hiOf(address)
    const lo = loOf(address)
    // What every file answers is asked first, but not on the way of iommufd's own numbers.
    const common = (number & 0xff00) === 0x3b00 ? undefined : fileIoctl(this, fd, number, hi, lo)
    return common ?? file.ioctl(this, number, hi, lo)
  }

  /** read(2) into the process's memory. */
  read(fd: number, address: bigint, count: bigint | number): number {
    const file = this.#fileFor(fd, O_WRONLY)
    if (!file.canRead) throw EINVAL
    return file.read(this.#buffer(address, BigInt(count)))
  }

  /** write(2) from the process's memory. */
  write(fd: number, address: bigint, count: bigint | number): number {
    const file = this.#fileFor(fd, O_RDONLY)
    if (!file.canWrite) throw EINVAL
    return file.write(this.#buffer(address, BigInt(count)))
  }

  /** pread(2). */
  pread(fd: number, address: bigint, count: bigint | number, offset: number): number {
    if (offset < 0) throw EINVAL
    if (!this.files.get(fd).positioned) throw ESPIPE
    const file = this.#fileFor(fd, O_WRONLY)
    if (!file.canRead) throw EINVAL
    return file.pread(this.#buffer(address, BigInt(count)), offset)
  }

  /** pwrite(2). */
  pwrite(fd: number, address: bigint, count: bigint | number, offset: number): number {
    if (offset < 0) throw EINVAL
    if (!this.files.get(fd).positioned) throw ESPIPE
    const file = this.#fileFor(fd, O_RDONLY)
    if (!file.canWrite) throw EINVAL
    return file.pwrite(this.#buffer(address, BigInt(count)), offset)
  }

  /** EINVAL: an unknown `whence`, before ESPIPE. */
  lseek(fd: number, offset: number = 0, whence: number = 0): number {
    const file = this.files.get(fd)
    if (!(whence >= SEEK_SET && whence <= SEEK_HOLE)) throw EINVAL
    return file.seek(offset, whence)
  }

  /** What poll(2) says of one descriptor when everything is asked for; NVAL: not open. Never waits. */
  poll(fd: number): number {
    return this.files.find(fd)?.poll() ?? POLL_NVAL
  }

  /** poll(2) without waiting: fills in `revents`, returns how many are not 0. EINVAL: more than RLIMIT_NOFILE. */
  pollAll(entries: readonly PollEntry[]): number {
    if (entries.length > this.files.limit) throw EINVAL
    let ready = 0
    for (const entry of entries) {
      entry.revents =
        entry.fd < 0 ? 0 : this.poll(entry.fd) & (entry.events | POLL_ERR | POLL_HUP | POLL_NVAL)
      if (entry.revents !== 0) ready++
    }
    return ready
  }

  dup(fd: number): number {
    return this.files.dup(fd)
  }

  dup2(fd: number, target: number): number {
    if (fd === target) this.files.get(fd)
    else this.files.dupTo(fd, target, false)
    return target
  }

  /** EINVAL: flags other than O_CLOEXEC, or both numbers the same. */
  dup3(fd: number, target: number, flags: number): number {
    if ((flags & ~O_CLOEXEC) !== 0 || fd === target) throw EINVAL
    this.files.dupTo(fd, target, flags !== 0)
    return target
  }

  fcntl(fd: number, command: number, argument: number = 0): number {
    return fcntl(this.files, fd, command, argument)
  }

  /** Hands a file to another process (SCM_RIGHTS): returns its number there. */
  sendFd(other: Process<AddressSpace>, fd: number, closeOnExec: boolean = false): number {
    return other.files.open(this.files.get(fd), closeOnExec)
  }

  ftruncate(fd: number, bytes: number): void {
    if (bytes < 0) throw EINVAL
    const file = this.files.get(fd)
    const mode = file.flags & O_ACCMODE
    if (mode !== O_RDWR && mode !== O_WRONLY) throw EINVAL
    file.truncate(bytes)
  }

  /** memfd_create(2): MFD_ flags. */
  memfdCreate(this: Process, flags: number = 0): number {
    return memfdCreate(this, flags)
  }

  /** mmap(2): returns the address. */
  mmap(this: Process, request: MmapArguments): bigint {
    return mmap(this, request)
  }

  munmap(this: Process, address: bigint, lengthBytes: bigint | number): void {
    munmap(this.mm, address, BigInt.asUintN(64, BigInt(lengthBytes)))
  }

  mprotect(this: Process, address: bigint, lengthBytes: bigint | number, prot: number): void {
    mprotect(this.mm, address, BigInt.asUintN(64, BigInt(lengthBytes)), prot)
  }

  madvise(this: Process, address: bigint, lengthBytes: bigint | number, advice: number): void {
    madvise(this.mm, address, BigInt.asUintN(64, BigInt(lengthBytes)), advice)
  }

  /** The process's own load. EFAULT where the real one is killed by a signal. */
  peek(this: Process, address: bigint, into: Uint8Array): void {
    this.mm.read(address, into)
  }

  /** The process's own store. EFAULT where the real one is killed by a signal. */
  poke(this: Process, address: bigint, from: Uint8Array): void {
    this.mm.write(address, from)
  }

  /** setrlimit(2) of RLIMIT_MEMLOCK or RLIMIT_NOFILE. EINVAL: soft above hard; EPERM: raises the hard limit. */
  setrlimit(resource: number, soft: number, hard: number): void {
    if (soft > hard || (resource !== RLIMIT_MEMLOCK && resource !== RLIMIT_NOFILE)) throw EINVAL
    const old = resource === RLIMIT_NOFILE ? this.openFilesHard : this.memlockMaxBytes
    if (resource === RLIMIT_NOFILE && hard > OPEN_FILES_HARD) throw EPERM
    if (hard > old && !this.capSysResource) throw EPERM
    if (resource === RLIMIT_NOFILE) {
      this.files.limit = soft
      this.openFilesHard = hard
    } else {
      this.memlockBytes = soft
      this.memlockMaxBytes = hard
    }
  }

  /** fork(2): the same descriptors, limits and credentials; private memory is copied when written. ENOMEM. */
  fork(this: Process): Process {
    return this.adopt(new Process(this.childOptions()))
  }

  /** execve(2): new, empty memory; descriptors that are close-on-exec are closed. ENOMEM: nothing has happened. */
  exec(this: Process): void {
    const old = this.mm
    const fresh = old.fresh()
    if (this.memory === old) this.memory = fresh
    this.mm = fresh
    old.exit()
    this.files.closeOnExec()
  }

  /** The address space goes first, then the descriptors in ascending order. */
  exit(): void {
    if (this.#exited) return
    this.#exited = true
    this.mm.exit()
    this.files.closeAll()
  }

  /** What a child is made with. ENOMEM. */
  protected childOptions(this: Process): ProcessOptions {
    const { user, nodes, capIpcLock, capSysResource } = this
    const openFilesMax = this.files.limit
    return { mm: this.mm.fork(), user, nodes, capIpcLock, capSysResource, openFilesMax }
  }

  /** Gives a new child what it inherits. */
  protected adopt<P extends Process>(this: Process, child: P): P {
    child.memlockBytes = this.memlockBytes
    child.memlockMaxBytes = this.memlockMaxBytes
    child.openFilesHard = this.openFilesHard
    child.files.copyFrom(this.files)
    return child
  }

  #openFile(path: string, flags: number): OpenFile {
    const again = /^\/proc\/self\/fd\/(\d+)$/.exec(path)
    if (again === null) return this.nodes.open(path, this)
    const file = this.files.find(Number(again[1]))
    if (file === undefined) throw ENOENT
    return file.reopen(flags)
  }

  /** EBADF: not open, or not open for that (`refused`: the O_ mode that does not do). */
  #fileFor(fd: number, refused: number): OpenFile {
    const file = this.files.get(fd)
    const mode = file.flags & O_ACCMODE
    if (mode === refused || mode === O_ACCMODE) throw EBADF
    return file
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
