// SPDX-License-Identifier: MIT
/**
 * The system calls that Node lacks. Each returns what the kernel returns: a result, or minus the errno. Pointers are
 * offsets into the arena, but for addresses in another process (`remote`).
 */
import { closeSync } from 'node:fs'
import { hiOf, loOf } from '../../base/u64.ts'
import { Arena, writeText } from './arena.ts'
import { loadNative, type Native, type NativeFunction } from './native.ts'
import * as n from './numbers.ts'

const PATH_BYTES = 4096
const HUGE_PAGE_BYTES = 2 ** 21
const STAT_BYTES = 144
const POLL_ENTRY_BYTES = 8
/** Descriptors whose names in /proc are kept ready, and the room of one. */
const DESCRIPTORS_KNOWN = 1024
const DESCRIPTOR_BYTES = 16
const POLL_ENTRIES_MAX = 16
const CAPABILITY_VERSION_3 = 0x20080522

const PR_SET_NO_NEW_PRIVS = 38
const SIGNALS_BYTES = 128
/** SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS. */
const SIGNALS_OF_FAULTS = [4, 5, 7, 8, 11, 31].reduce((mask, signal) => mask | (1 << (signal - 1)), 0)
const SECCOMP_SET_MODE_FILTER = 1

/** What identifies a file. */
export interface FileIdentity {
  device: number
  inode: number
}

export class System {
  readonly arena: Arena
  readonly #native: Native
  readonly #path: number
  readonly #stat: number
  readonly #vectors: number
  readonly #polls: number
  readonly #time: number
  readonly #small: number
  readonly #descriptorTexts: Int32Array = new Int32Array(DESCRIPTORS_KNOWN)
  readonly #ioctl: NativeFunction
  readonly #ppoll: NativeFunction
  readonly #processVmReadv: NativeFunction
  readonly #processVmWritev: NativeFunction
  readonly #openat: NativeFunction
  readonly #readlinkat: NativeFunction
  readonly #pread: NativeFunction
  readonly #pwrite: NativeFunction
  readonly #read: NativeFunction
  readonly #write: NativeFunction
  readonly #memfdCreate: NativeFunction
  readonly #mmap: NativeFunction
  readonly #munmap: NativeFunction
  readonly #mkfifo: NativeFunction
  readonly #inotifyInit: NativeFunction
  readonly #inotifyAddWatch: NativeFunction
  readonly #eventfd: NativeFunction
  readonly #prctl: NativeFunction
  readonly #sigmask: NativeFunction
  readonly #fcntl: NativeFunction
  readonly #prlimit: NativeFunction
  readonly #syscall: NativeFunction

  constructor(native: Native = loadNative()) {
    this.#native = native
    const arena = new Arena((bytes) => native.address(bytes))
    this.arena = arena
    this.#path = arena.allocate(PATH_BYTES)
    this.#stat = arena.allocate(STAT_BYTES)
    this.#vectors = arena.allocate(32)
    this.#polls = arena.allocate(POLL_ENTRY_BYTES * POLL_ENTRIES_MAX)
    this.#time = arena.allocate(16)
    this.#small = arena.allocate(32)
    this.#ioctl = native.bind('ioctl', ['int', 'int', 'ulong', 'uint64'])
    this.#ppoll = native.bind('ppoll', ['int', 'uint64', 'ulong', 'uint64', 'uint64'])
    const processVm = ['long', 'int', 'uint64', 'ulong', 'uint64', 'ulong', 'ulong'] as const
    this.#processVmReadv = native.bind('process_vm_readv', processVm)
    this.#processVmWritev = native.bind('process_vm_writev', processVm)
    this.#openat = native.bind('openat', ['int', 'int', 'uint64', 'int', 'int'])
    this.#readlinkat = native.bind('readlinkat', ['long', 'int', 'uint64', 'uint64', 'ulong'])
    this.#pread = native.bind('pread', ['long', 'int', 'uint64', 'ulong', 'int64'])
    this.#pwrite = native.bind('pwrite', ['long', 'int', 'uint64', 'ulong', 'int64'])
    this.#read = native.bind('read', ['long', 'int', 'uint64', 'ulong'])
    this.#write = native.bind('write', ['long', 'int', 'uint64', 'ulong'])
    this.#mmap = native.bind('mmap', ['int64', 'uint64', 'ulong', 'int', 'int', 'int', 'int64'])
    this.#munmap = native.bind('munmap', ['int', 'uint64', 'ulong'])
    this.#memfdCreate = native.bind('memfd_create', ['int', 'uint64', 'int'])
    this.#mkfifo = native.bind('mkfifo', ['int', 'uint64', 'int'])
    this.#inotifyInit = native.bind('inotify_init1', ['int', 'int'])
    this.#inotifyAddWatch = native.bind('inotify_add_watch', ['int', 'int', 'uint64', 'uint32'])
    this.#eventfd = native.bind('eventfd', ['int', 'uint32', 'int'])
    this.#sigmask = native.bind('pthread_sigmask', ['int', 'int', 'uint64', 'uint64'])
    this.#prctl = native.bind('prctl', ['int', 'int', 'uint64', 'uint64', 'uint64', 'uint64'])
    this.#fcntl = native.bind('fcntl', ['int', 'int', 'int', 'int'])
    this.#prlimit = native.bind('prlimit', ['int', 'int', 'int', 'uint64', 'uint64'])
    this.#syscall = native.bind('syscall', ['long', 'long', 'int64', 'uint64', 'uint64', 'uint64'])
  }

  /** `at`: the ioctl's struct in the arena. */
  ioctl(fd: number, request: number, at: number): number {
    return this.#result(this.#ioctl(fd, request, this.arena.base + at))
  }

  /** An ioctl whose argument is a number. */
  ioctlValue(fd: number, request: number, value: number): number {
    return this.#result(this.#ioctl(fd, request, value))
  }

  /**
   * Waits until one of the descriptors is readable or hung up, at most that long; Infinity: for ever. The answers are
   * then in `polled`.
   */
  poll(fds: readonly number[], timeoutNanos: number): number {
    const { view, base } = this.arena
    for (let i = 0; i < fds.length; i++) {
      view.setInt32(this.#polls + i * POLL_ENTRY_BYTES, fds[i]!, true)
      view.setInt32(this.#polls + i * POLL_ENTRY_BYTES + 4, n.POLLIN, true)
    }
    let time = 0
    if (timeoutNanos !== Number.POSITIVE_INFINITY) {
      setNumber(view, this.#time, Math.floor(timeoutNanos / 1e9))
      setNumber(view, this.#time + 8, timeoutNanos % 1e9)
      time = base + this.#time
    }
    return this.#result(this.#ppoll(base + this.#polls, fds.length, time, 0))
  }

  /** POLL bits of the descriptor at that place of the last `poll`. */
  polled(index: number): number {
    return this.arena.view.getUint16(this.#polls + index * POLL_ENTRY_BYTES + 6, true)
  }

  /** Copies from another process to the arena. Fewer bytes: what follows is not mapped. EFAULT, ESRCH, EPERM. */
  readProcess(pid: number, remote: number, at: number, lengthBytes: number): number {
    this.#setVectors(remote, at, lengthBytes)
    const vectors = this.arena.base + this.#vectors
    return this.#result(this.#processVmReadv(pid, vectors, 1, vectors + 16, 1, 0))
  }

  /** Copies from the arena to another process. As `readProcess`. */
  writeProcess(pid: number, remote: number, at: number, lengthBytes: number): number {
    this.#setVectors(remote, at, lengthBytes)
    const vectors = this.arena.base + this.#vectors
    return this.#result(this.#processVmWritev(pid, vectors, 1, vectors + 16, 1, 0))
  }

  /** Has a page of another process faulted in for writing, which un-shares a private one, and writes nothing. */
  touchForWriting(pid: number, remote: number): void {
    const { view, base } = this.arena
    this.#setVectors(remote, 0, 1)
    setNumber(view, this.#vectors, 0)
    const vectors = base + this.#vectors
    this.#processVmWritev(pid, vectors, 1, vectors + 16, 1, 0)
  }

  /** stat(2) of a path; `folder`: a descriptor, or AT_FDCWD. */
  identify(folder: number, path: string, into: FileIdentity, flags: number = 0): number {
    return this.#identifyAt(folder, this.#text(path), into, flags)
  }

  /** `folder`: descriptor of a /proc/PID. What is behind the process's descriptor. */
  identifyDescriptor(folder: number, fd: number, into: FileIdentity): number {
    if (fd >= DESCRIPTORS_KNOWN) return this.identify(folder, `fd/${fd}`, into)
    let text = this.#descriptorTexts[fd]!
    if (text === 0) {
      text = this.#descriptorTexts[fd] = this.arena.allocate(DESCRIPTOR_BYTES)
      writeText(this.arena, text, `fd/${fd}`, DESCRIPTOR_BYTES - 1)
    }
    return this.#identifyAt(folder, this.arena.base + text, into, 0)
  }

  #identifyAt(folder: number, path: number, into: FileIdentity, flags: number): number {
    const { view, base } = this.arena
    const result = this.#result(this.#syscall(n.NR_NEWFSTATAT, folder, path, base + this.#stat, flags))
    if (result < 0) return result
    into.device = view.getUint32(this.#stat, true) + view.getUint32(this.#stat + 4, true) * 4294967296
    into.inode = view.getUint32(this.#stat + 8, true) + view.getUint32(this.#stat + 12, true) * 4294967296
    return 0
  }

  open(folder: number, path: string, flags: number): number {
    return this.#result(this.#openat(folder, this.#text(path), flags, 0))
  }

  /** The text of a symbolic link; `undefined`: it is none. */
  readLink(folder: number, path: string): string | undefined {
    const { base, bytes } = this.arena
    const at = this.#path
    const length = this.#readlinkat(folder, this.#text(path), base + at, PATH_BYTES)
    return length < 0 ? undefined : new TextDecoder().decode(bytes.subarray(at, at + length))
  }

  read(fd: number, at: number, lengthBytes: number): number {
    return this.#result(this.#read(fd, this.arena.base + at, lengthBytes))
  }

  write(fd: number, at: number, lengthBytes: number): number {
    return this.#result(this.#write(fd, this.arena.base + at, lengthBytes))
  }

  /** `offset`: below 2^53. */
  readAt(fd: number, offset: number, at: number, lengthBytes: number): number {
    return this.#result(this.#pread(fd, this.arena.base + at, lengthBytes, offset))
  }

  writeAt(fd: number, offset: number, at: number, lengthBytes: number): number {
    return this.#result(this.#pwrite(fd, this.arena.base + at, lengthBytes, offset))
  }

  /** Writes to a file that takes no write(2), such as one of huge pages, through a mapping. Bytes up to the end of a huge page. */
  writeMapped(fd: number, offset: number, at: number, lengthBytes: number): number {
    const start = offset - (offset % HUGE_PAGE_BYTES)
    const address = this.#mmap(0, HUGE_PAGE_BYTES, n.PROT_WRITE, n.MAP_SHARED, fd, start)
    if (address < 0) return -this.#native.errno()
    const written = this.writeProcess(process.pid, address + (offset - start), at, lengthBytes)
    this.#munmap(address, HUGE_PAGE_BYTES)
    return written
  }

  /** Makes the pages of a file be there. ENOMEM, ENOSPC. */
  allocate(fd: number, offset: number, lengthBytes: number): number {
    return this.#result(this.#syscall(n.NR_FALLOCATE, fd, n.FALLOC_FL_KEEP_SIZE, offset, lengthBytes))
  }

  /** Close-on-exec. */
  createMemoryFile(name: string): number {
    return this.#result(this.#memfdCreate(this.#text(name), 1))
  }

  makeFifo(path: string): number {
    return this.#result(this.#mkfifo(this.#text(path), 0o600))
  }

  /** Does not block; close-on-exec. */
  createInotify(): number {
    return this.#result(this.#inotifyInit(n.O_NONBLOCK | n.O_CLOEXEC))
  }

  watch(inotify: number, path: string, mask: number): number {
    return this.#result(this.#inotifyAddWatch(inotify, this.#text(path), mask))
  }

  /** Does not block; close-on-exec. */
  createEventFd(): number {
    return this.#result(this.#eventfd(0, n.O_NONBLOCK | n.O_CLOEXEC))
  }

  /** This thread's system calls are not interrupted any more. What the thread itself does wrong still signals. */
  blockSignals(): void {
    const { view, base } = this.arena
    for (let at = 0; at < SIGNALS_BYTES; at += 4) view.setUint32(this.#stat + at, 0xffffffff, true)
    view.setUint32(this.#stat, ~SIGNALS_OF_FAULTS >>> 0, true)
    this.#sigmask(n.SIG_SETMASK, base + this.#stat, 0)
  }

  /** A descriptor of a process, taken over here: the same open file. EPERM, ENOSYS, EBADF. */
  takeDescriptor(tgid: number, fd: number): number {
    const process = this.#result(this.#syscall(n.NR_PIDFD_OPEN, tgid, 0, 0, 0))
    if (process < 0) return process
    const taken = this.#result(this.#syscall(n.NR_PIDFD_GETFD, process, fd, 0, 0))
    closeSync(process)
    return taken
  }

  /** The descriptor outlives an exec of this process, and reaches what it starts. */
  keepOnExec(fd: number): number {
    return this.#result(this.#fcntl(fd, n.F_SETFD, 0))
  }

  /** Soft limit of a process (0: this one); Infinity: none; `undefined`: there is no such process. */
  softLimit(pid: number, resource: number): number | undefined {
    const { view, base } = this.arena
    if (this.#prlimit(pid, resource, 0, base + this.#small) < 0) return undefined
    return limitAt(view, this.#small)
  }

  /** Sets the soft limit of this process and leaves the hard one. */
  setSoftLimit(resource: number, soft: number): number {
    const { view, base } = this.arena
    const read = this.#result(this.#prlimit(0, resource, 0, base + this.#small))
    if (read < 0) return read
    view.setUint32(this.#small, loOf(BigInt(soft)), true)
    view.setUint32(this.#small + 4, hiOf(BigInt(soft)), true)
    return this.#result(this.#prlimit(0, resource, base + this.#small, 0))
  }

  /** Whether the thread has the capability, in its own user namespace. */
  hasCapability(tid: number, capability: number): boolean {
    const { view, base } = this.arena
    view.setUint32(this.#small, CAPABILITY_VERSION_3, true)
    view.setUint32(this.#small + 4, tid, true)
    if (this.#syscall(n.NR_CAPGET, base + this.#small, base + this.#stat, 0, 0) < 0) return false
    return ((view.getUint32(this.#stat, true) >>> capability) & 1) === 1
  }

  /** Puts the calling thread, and what it starts from now on, behind a filter: the descriptor that notifies. */
  installFilter(program: Uint8Array, flags: number): number {
    const { arena } = this
    const code = arena.allocate(program.length)
    const header = arena.allocate(16)
    arena.bytes.set(program, code)
    arena.view.setUint16(header, program.length / 8, true)
    arena.view.setBigUint64(header + 8, BigInt(arena.base + code), true)
    const privileges = this.#result(this.#prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if (privileges < 0) return privileges
    return this.#result(this.#syscall(n.NR_SECCOMP, SECCOMP_SET_MODE_FILTER, flags, arena.base + header, 0))
  }

  /** Whether the kernel's seccomp(2) can do an operation without doing it: 0, or minus the errno. */
  probeFilterAction(action: number): number {
    const { view, base } = this.arena
    view.setUint32(this.#small, action, true)
    return this.#result(this.#syscall(n.NR_SECCOMP, 2, 0, base + this.#small, 0))
  }

  #setVectors(remote: number, at: number, lengthBytes: number): void {
    const { view, base } = this.arena
    setNumber(view, this.#vectors, base + at)
    setNumber(view, this.#vectors + 8, lengthBytes)
    setNumber(view, this.#vectors + 16, remote)
    setNumber(view, this.#vectors + 24, lengthBytes)
  }

  #text(text: string): number {
    writeText(this.arena, this.#path, text, PATH_BYTES - 1)
    return this.arena.base + this.#path
  }

  #result(value: number): number {
    return value < 0 ? -this.#native.errno() : value
  }
}

/** A whole number below 2^53 as 64 bits. */
export function setNumber(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true)
  view.setUint32(at + 4, Math.floor(value / 4294967296), true)
}

function limitAt(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true)
  return value === 2n ** 64n - 1n ? Number.POSITIVE_INFINITY : Number(value)
}
