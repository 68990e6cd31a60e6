// SPDX-License-Identifier: MIT
import { closeSync, readdirSync, readFileSync } from 'node:fs'
import { assert } from '../../base/assert.ts'
import { type Caller, type OpenFile, UserAccount } from '../../iommufd/files.ts'
import {
  CAP_IPC_LOCK,
  CAP_SYS_RESOURCE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  RLIMIT_MEMLOCK,
} from '../sys/numbers.ts'
import type { FileIdentity, System } from '../sys/system.ts'
import type { PinnedPages } from './pinned-pages.ts'
import { type DescriptorPorts, ProgramFiles } from './program-files.ts'
import { type CopySpace, hasMemory, RemoteMemory } from './remote-memory.ts'

/** Threads that are remembered: more only cost another look at /proc. */
const THREADS_MAX = 1024

/** A process of the program, as the kernel code sees it. */
export class Program implements Caller {
  readonly tgid: number
  readonly files: ProgramFiles
  readonly user: UserAccount
  mm: RemoteMemory
  /** The thread whose call is served. */
  tid: number
  /** It has called execve(2): its memory may be another one. */
  mayHaveExeced = false
  readonly #system: System
  #memlockBytes: number = Number.POSITIVE_INFINITY

  constructor(
    system: System,
    tgid: number,
    parts: { files: ProgramFiles; user: UserAccount; mm: RemoteMemory },
  ) {
    this.#system = system
    this.tgid = tgid
    this.tid = tgid
    this.files = parts.files
    this.user = parts.user
    this.mm = parts.mm
  }

  get memory(): RemoteMemory {
    return this.mm
  }

  get capIpcLock(): boolean {
    return this.#system.hasCapability(this.tid, CAP_IPC_LOCK)
  }

  /** Whoever runs iopf owns the machine, unless the program has given up what iopf has. */
  get capSysResource(): boolean {
    const has = (tid: number): boolean => this.#system.hasCapability(tid, CAP_SYS_RESOURCE)
    return has(this.tid) || !has(0)
  }

  /** A limit that the program has set itself: the one that it was started with is for memory of the host. */
  get memlockBytes(): number {
    this.noteLimit()
    return this.#memlockBytes
  }

  /** What is charged to the process after its end is held against the limit that it had. */
  noteLimit(): void {
    const limit = this.#system.softLimit(this.tid, RLIMIT_MEMLOCK)
    if (limit === undefined) return
    const isOwn = limit !== this.#system.softLimit(0, RLIMIT_MEMLOCK)
    this.#memlockBytes = isOwn ? limit : Number.POSITIVE_INFINITY
  }

  get exited(): boolean {
    return !this.mm.alive
  }

  /** Not only has it another memory now. */
  get hasEnded(): boolean {
    return this.exited && !hasMemory(this.tgid)
  }
}

/** A thread of a program. `folder`: descriptor of its /proc/TID, in which nothing is found once it is gone. */
export interface Thread {
  readonly tid: number
  readonly folder: number
  readonly program: Program
}

export interface ThreadPorts extends DescriptorPorts {
  readonly pages: PinnedPages
  readonly copySpace: CopySpace
}

/** Who calls: found by the number of the thread, for as long as that is the same thread. */
export class Threads {
  readonly #ports: ThreadPorts
  readonly #threads: Map<number, Thread> = new Map()
  readonly #programs: Map<number, Program> = new Map()
  readonly #users: Map<number, UserAccount> = new Map()
  readonly #identity: FileIdentity = { device: 0, inode: 0 }
  readonly #lastUsers: WeakMap<OpenFile, Program> = new WeakMap()
  #served: Program | undefined = undefined

  constructor(ports: ThreadPorts) {
    this.#ports = ports
  }

  /** The program of the thread, ready to be served; `undefined`: it is gone. */
  serve(tid: number): Program | undefined {
    const known = this.#threads.get(tid)
    const thread = known !== undefined && this.#isThere(known) ? known : this.#meet(tid)
    return thread === undefined ? undefined : this.#prepare(thread)
  }

  /** The file of ours behind a descriptor of the thread; `program` is then ready to be served. */
  find(tid: number, fd: number): OpenFile | undefined {
    const file = this.#find(tid, fd)
    if (file !== undefined) this.#lastUsers.set(file, this.program)
    return file
  }

  #find(tid: number, fd: number): OpenFile | undefined {
    if (this.#ports.registry.size === 0) return undefined
    const known = this.#threads.get(tid)
    if (known !== undefined) {
      const file = this.#prepare(known).files.findOwn(fd)
      if (file !== undefined || this.#isThere(known)) return file
    }
    return this.serve(tid)?.files.findOwn(fd)
  }

  /** A process that has used a file of ours. */
  known(tgid: number): Program | undefined {
    return this.#programs.get(tgid)
  }

  /** Whether the process that used the file last has ended. */
  wasLeft(file: OpenFile): boolean {
    return this.#lastUsers.get(file)?.hasEnded === true
  }

  /** Whose call is served. */
  get program(): Program {
    assert(this.#served !== undefined, 'no call is served')
    return this.#served
  }

  /** Numbers of all processes behind the filter: who has forked may not have called yet. */
  processes(): number[] {
    return childrenOf(process.pid)
  }

  /** Of all processes that are known. */
  *memories(): Generator<RemoteMemory> {
    for (const program of this.#programs.values()) yield program.mm
  }

  /** The thread calls execve(2): what is pinned of the memory is kept as it is now. */
  leaves(tid: number): void {
    const program = this.#threads.get(tid)?.program ?? this.#programs.get(tid)
    if (program === undefined) return
    program.mayHaveExeced = true
    program.mm.preserve()
  }

  /** The call that was served is over. */
  endCall(): void {
    this.#served?.files.endCall()
  }

  #prepare({ tid, folder, program }: Thread): Program {
    if (program.mayHaveExeced) this.#lookAtMemory(program)
    program.tid = tid
    program.mm.serve(tid)
    program.files.serve(folder)
    this.#served = program
    return program
  }

  #isThere({ folder }: Thread): boolean {
    return this.#ports.system.identify(folder, 'status', this.#identity) === 0
  }

  /** The oldest is forgotten when there are many: most of them are gone. */
  #meet(tid: number): Thread | undefined {
    this.#forget(tid)
    const folder = this.#ports.system.open(0, `/proc/${tid}`, O_PATH | O_DIRECTORY | O_CLOEXEC)
    if (folder < 0) return undefined
    const status = readStatus(tid)
    if (status === undefined) {
      closeSync(folder)
      return undefined
    }
    if (this.#threads.size >= THREADS_MAX) this.#forget(this.#threads.keys().next().value!)
    const thread = { tid, folder, program: this.#programOf(status) }
    this.#threads.set(tid, thread)
    return thread
  }

  #forget(tid: number): void {
    const thread = this.#threads.get(tid)
    if (thread === undefined) return
    closeSync(thread.folder)
    this.#threads.delete(tid)
  }

  #programOf({ tgid, uid }: Status): Program {
    this.#forgetEnded()
    const known = this.#programs.get(tgid)
    if (known !== undefined && !known.exited) return known
    known?.mm.drop()
    const { system } = this.#ports
    let user = this.#users.get(uid)
    if (user === undefined) this.#users.set(uid, (user = new UserAccount()))
    const parts = { files: new ProgramFiles(this.#ports, tgid), user, mm: this.#memoryOf(tgid) }
    const program = new Program(system, tgid, parts)
    this.#programs.set(tgid, program)
    return program
  }

  /** Whoever is new finds out who is gone. */
  #forgetEnded(): void {
    for (const [tgid, program] of this.#programs) {
      if (!program.exited || program.mm.isOf(tgid)) continue
      program.mm.drop()
      this.#programs.delete(tgid)
    }
  }

  /** An exec gave the process another memory when the old one is not the one that is there now. */
  #lookAtMemory(program: Program): void {
    program.mayHaveExeced = false
    if (program.mm.isOf(program.tgid)) return
    program.mm.drop()
    program.mm = this.#memoryOf(program.tgid)
  }

  #memoryOf(tgid: number): RemoteMemory {
    const { system, pages, shared, copySpace, registry } = this.#ports
    const isDevice = (device: number, inode: number): boolean => registry.has(device, inode)
    return new RemoteMemory({ system, pages, shared, copySpace, tgid, isDevice })
  }
}

interface Status {
  readonly tgid: number
  readonly uid: number
}

function readStatus(tid: number): Status | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${tid}/status`, 'utf8')
  } catch {
    return undefined
  }
  const tgid = /^Tgid:\s*(\d+)/m.exec(text)?.[1]
  const uid = /^Uid:\s*(\d+)/m.exec(text)?.[1]
  return tgid === undefined || uid === undefined ? undefined : { tgid: Number(tgid), uid: Number(uid) }
}

/** Every process below this one, as /proc tells. */
function childrenOf(pid: number): number[] {
  const direct = childrenText(pid)
    .split(' ')
    .filter((word) => word !== '')
    .map(Number)
  return direct.flatMap((child) => [child, ...childrenOf(child)])
}

function childrenText(pid: number): string {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`)
    return tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')).join(' ')
  } catch {
    return ''
  }
}
